/**
 * Errors handed to the kernel: `errno` is the positive number. Answers as any other ("no such attribute" before every write), so
 * they carry no stack, which would cost more than the rest of the answer.
 */
export class FuseError extends Error {
  constructor(
    readonly errno: number,
    message = `errno ${errno}`,
  ) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'FuseError';
  }
}

/** Who asks. `unique` identifies the request; `signal` (lock waits only) is aborted when the caller was interrupted. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly unique: bigint;
  readonly signal?: AbortSignal | undefined;
}

/** Attributes as the kernel takes them. Times in whole seconds since 1970; `mode` with the type bits of stat(2). */
export interface Attributes {
  readonly inode: number;
  readonly sizeBytes: number;
  readonly blocks: number;
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Device number in the kernel's 32-bit encoding. */
  readonly rdev: number;
  readonly blockSizeBytes: number;
}

/** A name that was found or made. `inode` 0 says "does not exist" and lets the kernel keep that for `entryTimeoutMs`. */
export interface Entry {
  readonly inode: number;
  readonly generation?: number;
  readonly entryTimeoutMs: number;
  readonly attributesTimeoutMs: number;
  readonly attributes: Attributes;
}

export interface AttributesReply {
  readonly timeoutMs: number;
  readonly attributes: Attributes;
}

export interface OpenReply {
  /** Handle, handed back with every later request on the open file: 0…2^53-1. */
  readonly handle: number;
  /** FOPEN_* bits. */
  readonly flags: number;
}

export interface DirectoryEntry {
  readonly name: Buffer;
  readonly inode: number;
  /** File type bits as in `mode`. */
  readonly mode: number;
  /** Position after this entry, > 0: where a later readdir goes on. */
  readonly nextOffset: number;
  /** Only for readdirplus. */
  readonly entry?: Entry | undefined;
}

export interface StatFs {
  readonly blockSizeBytes: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly availableBlocks: number;
  readonly files: number;
  readonly freeFiles: number;
  readonly nameMax: number;
}

/** What SETATTR changes; absent: unchanged. Times in seconds, or 'now'. */
export interface AttributeChanges {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly sizeBytes?: number;
  readonly atime?: number | 'now';
  readonly mtime?: number | 'now';
  /** Handle of the open file through which ftruncate(2) or futimens(2) came. */
  readonly handle?: number;
}

/** A record lock; `endInclusive` 2^63-1 is "to the end of the file". */
export interface Lock {
  readonly start: bigint;
  readonly endInclusive: bigint;
  readonly type: 'read' | 'write' | 'unlock';
  readonly pid: number;
}

export type Awaitable<T> = T | Promise<T>;

/**
 * A file system by inode numbers, as both transports call it. A method may answer at once or with a promise; it refuses
 * by throwing {@link FuseError}. Methods left out answer ENOSYS, which makes the kernel stop asking.
 */
export interface InodeFileSystem {
  lookup(caller: Caller, parent: number, name: Buffer): Awaitable<Entry>;
  /** `count` lookups of the inode are forgotten by the kernel; no answer. */
  forget?(inode: number, count: number): void;
  getattr(caller: Caller, inode: number, handle?: number): Awaitable<AttributesReply>;
  setattr(caller: Caller, inode: number, changes: AttributeChanges): Awaitable<AttributesReply>;
  readlink?(caller: Caller, inode: number): Awaitable<Buffer>;
  symlink?(caller: Caller, parent: number, name: Buffer, target: Buffer): Awaitable<Entry>;
  mknod?(caller: Caller, parent: number, name: Buffer, mode: number, rdev: number, umask: number): Awaitable<Entry>;
  mkdir?(caller: Caller, parent: number, name: Buffer, mode: number, umask: number): Awaitable<Entry>;
  unlink?(caller: Caller, parent: number, name: Buffer): Awaitable<void>;
  rmdir?(caller: Caller, parent: number, name: Buffer): Awaitable<void>;
  /** `flags`: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2 of renameat2(2). */
  rename?(
    caller: Caller,
    parent: number,
    name: Buffer,
    newParent: number,
    newName: Buffer,
    flags: number,
  ): Awaitable<void>;
  link?(caller: Caller, inode: number, newParent: number, newName: Buffer): Awaitable<Entry>;
  open(caller: Caller, inode: number, flags: number): Awaitable<OpenReply>;
  create?(
    caller: Caller,
    parent: number,
    name: Buffer,
    mode: number,
    flags: number,
    umask: number,
  ): Awaitable<Entry & { open: OpenReply }>;
  /** Up to `sizeBytes` bytes, fewer only at the end of the file; several buffers are written out without joining. */
  read(
    caller: Caller,
    inode: number,
    handle: number,
    offset: number,
    sizeBytes: number,
  ): Awaitable<Buffer | readonly Buffer[]>;
  /** `data` belongs to the callee from here on. Number of bytes taken. */
  write?(caller: Caller, inode: number, handle: number, offset: number, data: Buffer): Awaitable<number>;
  flush?(caller: Caller, inode: number, handle: number, lockOwner: bigint): Awaitable<void>;
  release?(
    caller: Caller,
    inode: number,
    handle: number,
    flags: number,
    lockOwner: bigint | undefined,
  ): Awaitable<void>;
  fsync?(caller: Caller, inode: number, handle: number, dataOnly: boolean): Awaitable<void>;
  opendir?(caller: Caller, inode: number, flags: number): Awaitable<OpenReply>;
  /** Entries from `offset` on (0: from the start); at least one unless at the end. `plus`: with `entry`. */
  readdir(
    caller: Caller,
    inode: number,
    handle: number,
    offset: number,
    sizeBytes: number,
    plus: boolean,
  ): Awaitable<readonly DirectoryEntry[]>;
  releasedir?(caller: Caller, inode: number, handle: number): Awaitable<void>;
  fsyncdir?(caller: Caller, inode: number, handle: number): Awaitable<void>;
  statfs(caller: Caller, inode: number): Awaitable<StatFs>;
  /** `mask`: R 4, W 2, X 1. */
  access?(caller: Caller, inode: number, mask: number): Awaitable<void>;
  setxattr?(caller: Caller, inode: number, name: Buffer, value: Buffer, flags: number): Awaitable<void>;
  getxattr?(caller: Caller, inode: number, name: Buffer): Awaitable<Buffer>;
  /** Names, each ended by a zero byte. */
  listxattr?(caller: Caller, inode: number): Awaitable<Buffer>;
  removexattr?(caller: Caller, inode: number, name: Buffer): Awaitable<void>;
  /** The lock that is in the way, or undefined. */
  getlk?(caller: Caller, inode: number, handle: number, owner: bigint, lock: Lock): Awaitable<Lock | undefined>;
  setlk?(caller: Caller, inode: number, handle: number, owner: bigint, lock: Lock, wait: boolean): Awaitable<void>;
  flock?(
    caller: Caller,
    inode: number,
    handle: number,
    owner: bigint,
    type: Lock['type'],
    wait: boolean,
  ): Awaitable<void>;
  /** The mount ends. */
  destroy?(): void;
}
