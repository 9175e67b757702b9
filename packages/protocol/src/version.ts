/** VERSION u32 (spec 01 §3.1): major<<16 | middle<<8 | low, low = 2 × minor from major 2 on. */
export function encodeVersion(major: number, middle: number, minor: number): number {
  return ((major << 16) | (middle << 8) | (major >= 2 ? minor * 2 : minor)) >>> 0;
}

/** `3.0.117` for 0x000300EA. */
export function versionText(version: number): string {
  const major = version >>> 16;
  const low = version & 0xff;
  return `${major}.${(version >>> 8) & 0xff}.${major >= 2 ? low >>> 1 : low}`;
}

/** The version that this implementation stands for on the wire: 3.0.117. */
export const VERSION = encodeVersion(3, 0, 117);
/** Text of ANTOAN_VERSION. */
export const VERSION_STRING = '3.0.117-1';
