import type { Reader, Writer } from './bytes.js';
import type { Codec } from './codec.js';
import { TYPE_BLOCKDEV, TYPE_CHARDEV, TYPE_DIRECTORY, TYPE_SYMLINK } from './constants.js';
import { ProtocolError } from './errors.js';

/** Attribute record of spec 01 §5.2 (36 bytes). Times in seconds since 1970. */
export interface AttributeRecord {
  /** MATTR_* bits, below 64. */
  readonly flags: number;
  /** TYPE_* code. */
  readonly type: number;
  /** Permission bits, 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
  readonly nlink: number;
  /** File: length in bytes. Directory: value of {@link directorySizeValue}. Symlink: length of the target. Otherwise 0. */
  readonly length: number;
  /** Block and character devices: number in the kernel's 32-bit encoding. Otherwise 0. */
  readonly rdev: number;
  readonly winattr: number;
}

export const attributes: Codec<AttributeRecord> = {
  doc: 'ATTR',
  write(w: Writer, a: AttributeRecord): void {
    w.u8(a.flags);
    w.u16((a.type << 12) | (a.mode & 0xfff));
    w.u32(a.uid);
    w.u32(a.gid);
    w.u32(a.atime);
    w.u32(a.mtime);
    w.u32(a.ctime);
    w.u32(a.nlink);
    if (a.type === TYPE_BLOCKDEV || a.type === TYPE_CHARDEV) {
      w.u32(a.rdev);
      w.u32(0);
    } else {
      w.u64n(a.length);
    }
    w.u8(a.winattr);
  },
  read(r: Reader): AttributeRecord {
    const flags = r.u8();
    if (flags >= 64) throw new ProtocolError(`attribute record of an obsolete layout (first byte ${flags})`);
    const typeAndMode = r.u16();
    const type = typeAndMode >>> 12;
    const record: { -readonly [Key in keyof AttributeRecord]: AttributeRecord[Key] } = {
      flags,
      type,
      mode: typeAndMode & 0xfff,
      uid: r.u32(),
      gid: r.u32(),
      atime: r.u32(),
      mtime: r.u32(),
      ctime: r.u32(),
      nlink: r.u32(),
      length: 0,
      rdev: 0,
      winattr: 0,
    };
    if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) {
      record.rdev = r.u32();
      r.u32();
    } else if (type === TYPE_SYMLINK) {
      r.u32();
      record.length = r.u32();
    } else {
      record.length = r.u64n();
    }
    record.winattr = r.u8();
    return record;
  },
};

const K = 1024n;

/**
 * What the record of a directory shows as its size, from the sum `lengthBytes` of the lengths below it (spec 01 §5.2): two
 * decimals of the sum in the largest fitting unit, plus a million for each unit.
 */
export function directorySizeValue(lengthBytes: bigint | number): number {
  const sum = BigInt(lengthBytes);
  if (sum === 0n) return 1;
  for (let unit = 0; unit < 5; unit++) {
    if (sum < K ** BigInt(unit + 1)) return Number((sum * 100n) >> BigInt(10 * unit)) + unit * 1_000_000;
  }
  if (sum < 1n << 60n) return Number(((sum >> 10n) * 100n) >> 40n) + 5_000_000;
  return Number(((sum >> 10n) * 100n) >> 50n) + 6_000_000;
}

/** Whether the type-dependent bytes of a record are a directory's size value rather than a length. */
export function isDirectory(record: AttributeRecord): boolean {
  return record.type === TYPE_DIRECTORY;
}
