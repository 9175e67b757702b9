/** What the API tells about files, with the members of `fs.Stats`, `fs.Dirent` and `fs.StatsFs`. */
import {
  type AttributeRecord,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_FIFO,
  TYPE_FILE,
  TYPE_SOCKET,
  TYPE_SYMLINK,
} from '@wapiti-fs/protocol';

/** Size of a block in `statfs` and `blksize`: what the file system reads and writes at once. */
export const BLOCK_SIZE = 65536;
const SECTOR_SIZE = 512;

const FILE_TYPE_BITS: Readonly<Record<number, number>> = {
  [TYPE_FILE]: 0o100000,
  [TYPE_DIRECTORY]: 0o040000,
  [TYPE_SYMLINK]: 0o120000,
  [TYPE_FIFO]: 0o010000,
  [TYPE_BLOCKDEV]: 0o060000,
  [TYPE_CHARDEV]: 0o020000,
  [TYPE_SOCKET]: 0o140000,
};

abstract class Typed {
  /** TYPE_* code of the wire. */
  protected abstract readonly type: number;

  isFile(): boolean {
    return this.type === TYPE_FILE;
  }
  isDirectory(): boolean {
    return this.type === TYPE_DIRECTORY;
  }
  isSymbolicLink(): boolean {
    return this.type === TYPE_SYMLINK;
  }
  isFIFO(): boolean {
    return this.type === TYPE_FIFO;
  }
  isSocket(): boolean {
    return this.type === TYPE_SOCKET;
  }
  isBlockDevice(): boolean {
    return this.type === TYPE_BLOCKDEV;
  }
  isCharacterDevice(): boolean {
    return this.type === TYPE_CHARDEV;
  }
}

/** As `fs.Stats`; times have whole seconds. */
export class Stats extends Typed {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blksize = BLOCK_SIZE;
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  protected readonly type: number;

  constructor(inode: number, attributes: AttributeRecord, size = attributes.length) {
    super();
    this.type = attributes.type;
    this.ino = inode;
    this.mode = (FILE_TYPE_BITS[attributes.type] ?? 0) | attributes.mode;
    this.nlink = attributes.nlink;
    this.uid = attributes.uid;
    this.gid = attributes.gid;
    this.rdev = attributes.rdev;
    this.size = size;
    this.blocks = attributes.type === TYPE_FILE ? Math.ceil(size / SECTOR_SIZE) : 0;
    this.atimeMs = attributes.atime * 1000;
    this.mtimeMs = attributes.mtime * 1000;
    this.ctimeMs = attributes.ctime * 1000;
  }

  get atime(): Date {
    return new Date(this.atimeMs);
  }
  get mtime(): Date {
    return new Date(this.mtimeMs);
  }
  get ctime(): Date {
    return new Date(this.ctimeMs);
  }
}

/** As `fs.Dirent`. */
export class Dirent extends Typed {
  constructor(
    readonly name: string,
    /** The name as stored; `name` is made from it as UTF-8. */
    readonly nameBytes: Buffer,
    readonly parentPath: string,
    readonly ino: number,
    protected readonly type: number,
  ) {
    super();
  }
}

/** As `fs.StatsFs`, in blocks of `bsize` bytes, with what MooseFS knows beside. */
export interface StatsFs {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  /** Bytes held by deleted files in the trash. */
  readonly trashBytes: number;
  /** Bytes held by deleted files that are still open. */
  readonly sustainedBytes: number;
}
