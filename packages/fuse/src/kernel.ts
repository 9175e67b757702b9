import {
  FATTR_ATIME,
  FATTR_ATIME_NOW,
  FATTR_FH,
  FATTR_GID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
  OUT_HEADER_SIZE,
} from './constants.js';
import {
  type AttributeChanges,
  type Attributes,
  type AttributesReply,
  type DirectoryEntry,
  type Entry,
  FuseError,
  type Lock,
  type OpenReply,
  type StatFs,
} from './filesystem.js';

/** Layouts of `linux/fuse.h`: reading of request bodies and writing of answer bodies. */

const EIO = 5;

/** Cursor over a request body; running out of bytes is a FuseError(EIO), not a crash. */
export class RequestReader {
  offset: number;

  constructor(
    private readonly buffer: Buffer,
    offset: number,
    private readonly end: number,
  ) {
    this.offset = offset;
  }

  private advance(size: number): number {
    const at = this.offset;
    if (at + size > this.end)
      throw new FuseError(EIO, `request shorter than its layout: ${size} bytes wanted at ${at} of ${this.end}`);
    this.offset = at + size;
    return at;
  }

  u32(): number {
    return this.buffer.readUInt32LE(this.advance(4));
  }

  skip(size: number): void {
    this.advance(size);
  }

  u64(): bigint {
    return this.buffer.readBigUInt64LE(this.advance(8));
  }

  /** 64 bits whose value is below 2^53 (offsets, handles, inode numbers); larger ones are EFBIG. */
  number(): number {
    const at = this.advance(8);
    const high = this.buffer.readUInt32LE(at + 4);
    if (high > 0x1fffff) throw new FuseError(27, 'value above 2^53');
    return high * 0x100000000 + this.buffer.readUInt32LE(at);
  }

  /** Bytes up to the next zero byte, which is skipped. */
  name(): Buffer {
    const at = this.offset;
    const zero = this.buffer.indexOf(0, at);
    if (zero < 0 || zero >= this.end) throw new FuseError(EIO, 'name without end');
    this.offset = zero + 1;
    return Buffer.from(this.buffer.subarray(at, zero));
  }

  view(size: number): Buffer {
    const at = this.advance(size);
    return this.buffer.subarray(at, at + size);
  }
}

function writeU64(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32LE(value >>> 0, at);
  buffer.writeUInt32LE(Math.floor(value / 0x100000000), at + 4);
}

function writeTimeout(buffer: Buffer, timeoutMs: number, secondsAt: number, nanosecondsAt: number): void {
  writeU64(buffer, Math.floor(timeoutMs / 1000), secondsAt);
  buffer.writeUInt32LE((timeoutMs % 1000) * 1_000_000, nanosecondsAt);
}

const ATTRIBUTES_SIZE = 88;
const ENTRY_SIZE = 40 + ATTRIBUTES_SIZE;

function writeAttributes(buffer: Buffer, at: number, a: Attributes): void {
  writeU64(buffer, a.inode, at);
  writeU64(buffer, a.sizeBytes, at + 8);
  writeU64(buffer, a.blocks, at + 16);
  writeU64(buffer, a.atime, at + 24);
  writeU64(buffer, a.mtime, at + 32);
  writeU64(buffer, a.ctime, at + 40);
  buffer.fill(0, at + 48, at + 60); // nanoseconds: the master keeps whole seconds
  buffer.writeUInt32LE(a.mode, at + 60);
  buffer.writeUInt32LE(a.nlink, at + 64);
  buffer.writeUInt32LE(a.uid, at + 68);
  buffer.writeUInt32LE(a.gid, at + 72);
  buffer.writeUInt32LE(a.rdev, at + 76);
  buffer.writeUInt32LE(a.blockSizeBytes, at + 80);
  buffer.writeUInt32LE(0, at + 84);
}

function writeEntry(buffer: Buffer, at: number, entry: Entry): void {
  writeU64(buffer, entry.inode, at);
  writeU64(buffer, entry.generation ?? 0, at + 8);
  writeTimeout(buffer, entry.entryTimeoutMs, at + 16, at + 32);
  writeTimeout(buffer, entry.attributesTimeoutMs, at + 24, at + 36);
  writeAttributes(buffer, at + 40, entry.attributes);
}

/** A buffer of zeros for an answer, room for the header in front. Out of Node's pool: most requests need one. */
function answer(bodySize: number): Buffer {
  return Buffer.allocUnsafe(OUT_HEADER_SIZE + bodySize).fill(0);
}

export function entryAnswer(entry: Entry): Buffer {
  const buffer = answer(ENTRY_SIZE);
  writeEntry(buffer, OUT_HEADER_SIZE, entry);
  return buffer;
}

function writeOpen(buffer: Buffer, at: number, reply: OpenReply): void {
  writeU64(buffer, reply.handle, at);
  buffer.writeUInt32LE(reply.flags, at + 8);
}

export function createAnswer(entry: Entry & { open: OpenReply }): Buffer {
  const buffer = answer(ENTRY_SIZE + 16);
  writeEntry(buffer, OUT_HEADER_SIZE, entry);
  writeOpen(buffer, OUT_HEADER_SIZE + ENTRY_SIZE, entry.open);
  return buffer;
}

export function openAnswer(reply: OpenReply): Buffer {
  const buffer = answer(16);
  writeOpen(buffer, OUT_HEADER_SIZE, reply);
  return buffer;
}

export function attributesAnswer(reply: AttributesReply): Buffer {
  const buffer = answer(16 + ATTRIBUTES_SIZE);
  writeTimeout(buffer, reply.timeoutMs, OUT_HEADER_SIZE, OUT_HEADER_SIZE + 8);
  writeAttributes(buffer, OUT_HEADER_SIZE + 16, reply.attributes);
  return buffer;
}

export function writeAnswer(takenBytes: number): Buffer {
  const buffer = answer(8);
  buffer.writeUInt32LE(takenBytes, OUT_HEADER_SIZE);
  return buffer;
}

/** The size alone: answer to GETXATTR and LISTXATTR with size 0. */
export function sizeAnswer(sizeBytes: number): Buffer {
  return writeAnswer(sizeBytes);
}

export function statfsAnswer(s: StatFs): Buffer {
  const buffer = answer(80);
  const at = OUT_HEADER_SIZE;
  writeU64(buffer, s.blocks, at);
  writeU64(buffer, s.freeBlocks, at + 8);
  writeU64(buffer, s.availableBlocks, at + 16);
  writeU64(buffer, s.files, at + 24);
  writeU64(buffer, s.freeFiles, at + 32);
  buffer.writeUInt32LE(s.blockSizeBytes, at + 40);
  buffer.writeUInt32LE(s.nameMax, at + 44);
  buffer.writeUInt32LE(s.blockSizeBytes, at + 48);
  return buffer;
}

const LOCK_TYPES = { 0: 'read', 1: 'write', 2: 'unlock' } as const;
const LOCK_NUMBERS = { read: 0, write: 1, unlock: 2 } as const;

/** `struct fuse_file_lock`. */
export function readLock(reader: RequestReader): Lock {
  const start = reader.u64();
  const endInclusive = reader.u64();
  const number = reader.u32();
  const pid = reader.u32();
  const type = LOCK_TYPES[number as 0 | 1 | 2];
  if (type === undefined) throw new FuseError(22, `lock type ${number}`);
  return { start, endInclusive, type, pid };
}

export function lockAnswer(lock: Lock | undefined): Buffer {
  const buffer = answer(24);
  buffer.writeBigUInt64LE(lock?.start ?? 0n, OUT_HEADER_SIZE);
  buffer.writeBigUInt64LE(lock?.endInclusive ?? 0n, OUT_HEADER_SIZE + 8);
  buffer.writeUInt32LE(LOCK_NUMBERS[lock?.type ?? 'unlock'], OUT_HEADER_SIZE + 16);
  buffer.writeUInt32LE(lock?.pid ?? 0, OUT_HEADER_SIZE + 20);
  return buffer;
}

/** `struct fuse_setattr_in`. */
export function readSetattr(r: RequestReader): AttributeChanges {
  const valid = r.u32();
  r.skip(4);
  const handle = valid & FATTR_FH ? r.number() : (r.skip(8), undefined);
  const sizeBytes = valid & FATTR_SIZE ? r.number() : (r.skip(8), undefined);
  r.skip(8); // lock owner
  const atime = r.u64();
  const mtime = r.u64();
  r.skip(8 + 12); // ctime is the master's; nanoseconds are not kept
  const mode = r.u32();
  r.skip(4);
  const uid = r.u32();
  const gid = r.u32();
  return {
    ...(valid & FATTR_MODE ? { mode } : {}),
    ...(valid & FATTR_UID ? { uid } : {}),
    ...(valid & FATTR_GID ? { gid } : {}),
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    ...(valid & FATTR_ATIME ? { atime: valid & FATTR_ATIME_NOW ? ('now' as const) : seconds(atime) } : {}),
    ...(valid & FATTR_MTIME ? { mtime: valid & FATTR_MTIME_NOW ? ('now' as const) : seconds(mtime) } : {}),
    ...(handle === undefined ? {} : { handle }),
  };
}

/** Times before 1970 and after 2106 do not fit the wire's u32: the nearest that does. */
function seconds(time: bigint): number {
  const signed = BigInt.asIntN(64, time);
  if (signed < 0n) return 0;
  return signed > 0xffffffffn ? 0xffffffff : Number(signed);
}

/** Directory entries (`fuse_dirent`, or `fuse_direntplus`) as many as fit into `sizeBytes`. */
export function directoryAnswer(
  entries: readonly DirectoryEntry[],
  sizeBytes: number,
  plus: boolean,
): { buffer: Buffer; taken: number } {
  const head = plus ? ENTRY_SIZE : 0;
  let size = 0;
  let taken = 0;
  for (const entry of entries) {
    const padded = (head + 24 + entry.name.length + 7) & ~7;
    if (size + padded > sizeBytes) break;
    size += padded;
    taken += 1;
  }
  const buffer = answer(size);
  let at = OUT_HEADER_SIZE;
  for (const entry of entries.slice(0, taken)) {
    if (plus && entry.entry !== undefined) writeEntry(buffer, at, entry.entry);
    const dirent = at + head;
    writeU64(buffer, entry.inode, dirent);
    writeU64(buffer, entry.nextOffset, dirent + 8);
    buffer.writeUInt32LE(entry.name.length, dirent + 16);
    buffer.writeUInt32LE((entry.mode >> 12) & 15, dirent + 20);
    entry.name.copy(buffer, dirent + 24);
    at += (head + 24 + entry.name.length + 7) & ~7;
  }
  return { buffer, taken };
}

/** Writes `struct fuse_out_header` in front of an answer. `error`: positive errno, or 0. */
export function writeHeader(buffer: Buffer, totalSize: number, unique: bigint, error: number): void {
  buffer.writeUInt32LE(totalSize, 0);
  buffer.writeInt32LE(-error, 4);
  buffer.writeBigUInt64LE(unique, 8);
}
