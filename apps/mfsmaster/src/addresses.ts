import { ProtocolError } from '@wapiti-fs/protocol';

/** Dotted IPv4 address (perhaps mapped into IPv6, as Node gives it) to its number. */
export function addressNumber(text: string): number {
  const parts = text.replace(/^::ffff:/, '').split('.');
  const bytes = parts.map(Number);
  if (parts.length !== 4 || bytes.some((byte) => !Number.isInteger(byte) || byte < 0 || byte > 255)) {
    throw new ProtocolError(`not an IPv4 address: ${text}`);
  }
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

export function formatAddress(ip: number): string {
  return [24, 16, 8, 0].map((shift) => (ip >>> shift) & 0xff).join('.');
}
