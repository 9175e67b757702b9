/** IPv4 addresses, which the wire carries as numbers: 0x0a000001 is 10.0.0.1. */

/** The number of a dotted address; undefined if the text is none. */
export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const bytes = match.slice(1).map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes.reduce((value, byte) => value * 256 + byte, 0) : undefined;
}

/** `ip` in dotted form. */
export function formatIpv4(ip: number): string {
  return `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
}
