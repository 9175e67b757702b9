import { readFileSync } from 'node:fs';

import {
  FUSE_ASYNC_DIO,
  FUSE_ASYNC_READ,
  FUSE_ATOMIC_O_TRUNC,
  FUSE_BIG_WRITES,
  FUSE_DO_READDIRPLUS,
  FUSE_DONT_MASK,
  FUSE_EXPORT_SUPPORT,
  FUSE_FLOCK_LOCKS,
  FUSE_KERNEL_MINOR_VERSION,
  FUSE_KERNEL_VERSION,
  FUSE_MAX_PAGES,
  FUSE_MIN_MINOR_VERSION,
  FUSE_NOTIFY_INVAL_ENTRY,
  FUSE_NOTIFY_INVAL_INODE,
  FUSE_PARALLEL_DIROPS,
  FUSE_POSIX_LOCKS,
  FUSE_READDIRPLUS_AUTO,
  FUSE_WRITEBACK_CACHE,
  IN_HEADER_SIZE,
  Opcode,
  OUT_HEADER_SIZE,
} from './constants.js';
import { type Answer, type Handler, handlers, NO_ANSWER } from './dispatch.js';
import { type Caller, FuseError, type InodeFileSystem } from './filesystem.js';
import { RequestReader, writeHeader } from './kernel.js';

export interface SessionOptions {
  /** Largest WRITE the kernel may send; also the size of reads. Default 1 MiB. */
  readonly maxWriteBytes?: number;
  readonly maxReadaheadBytes?: number;
  /** The kernel gathers small writes in its page cache (and owns the file's size while it is open). */
  readonly writebackCache?: boolean;
  readonly readdirPlus?: boolean;
  /** Locks are asked from the file system; otherwise they stay local to the kernel. */
  readonly posixLocks?: boolean;
  readonly flock?: boolean;
  /** Requests the kernel keeps in flight in the background (read-ahead, write-back). */
  readonly maxBackground?: number;
  /** Errno of an error that is not a FuseError; undefined: a defect, answered with EIO and reported. */
  readonly errnoOf?: (error: unknown) => number | undefined;
  /** Whether a thread waits for an answer only to die. Default: asks /proc. */
  readonly isBeingKilled?: (pid: number) => boolean;
}

/** Where answers go: one message to the kernel, in parts. */
export type SendToKernel = (parts: Buffer[]) => void;

const EIO = 5;
const ENOSYS = 38;
const EINTR = 4;
const EAGAIN = 11;
/** Where the handle is in the answer to CREATE: behind the entry. */
const CREATE_HANDLE_AT = OUT_HEADER_SIZE + 128;
/** Bit of SIGKILL in the sets of pending signals. */
const SIGKILL_BIT = 1n << 8n;
const WAITING_LOCK = Opcode.SETLKW;
const NEVER_ANSWERED: ReadonlySet<number> = new Set([Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.INTERRUPT]);

/**
 * The kernel's side of one mount, without I/O: takes request messages, calls the file system, produces answers. A defect
 * or refusal in one request answers that request with an errno and touches no other.
 */
export class FuseSession {
  private readonly waiting = new Map<bigint, AbortController>();
  /** Requests without an answer yet, with the thread that waits for it. */
  private readonly pendingRequests = new Map<bigint, number>();
  private initialized: () => void = () => undefined;
  /** Resolves when the kernel and this session have agreed on how to talk. */
  readonly ready = new Promise<void>((resolve) => (this.initialized = resolve));

  constructor(
    private readonly fs: InodeFileSystem,
    private readonly send: SendToKernel,
    private readonly options: SessionOptions = {},
    private readonly onDefect: (error: unknown, opcode: number) => void = () => undefined,
  ) {}

  /** Requests handed to the file system and not answered yet. */
  get pending(): number {
    return this.pendingRequests.size;
  }

  /**
   * Handles one message read from the kernel. Undefined: answered; else it resolves when it is answered. Until then the data of a
   * WRITE, a view of the message, must stay as they are.
   */
  handle(message: Buffer): Promise<void> | undefined {
    if (message.length < IN_HEADER_SIZE) {
      this.onDefect(new FuseError(EIO, `message of ${message.length} bytes`), 0);
      return undefined;
    }
    const opcode = message.readUInt32LE(4) as Opcode;
    const unique = message.readBigUInt64LE(8);
    const inode = message.readUInt32LE(16) + message.readUInt32LE(20) * 0x100000000;
    const reader = new RequestReader(message, IN_HEADER_SIZE, Math.min(message.length, message.readUInt32LE(0)));
    const handler = handlers[opcode];
    if (handler === undefined && opcode !== Opcode.INIT && opcode !== Opcode.INTERRUPT) {
      this.refuse(unique, ENOSYS);
      return undefined;
    }
    let signal: AbortSignal | undefined;
    if (opcode === WAITING_LOCK) {
      const controller = new AbortController();
      this.waiting.set(unique, controller);
      signal = controller.signal;
    }
    const caller: Caller = {
      unique,
      uid: message.readUInt32LE(24),
      gid: message.readUInt32LE(28),
      pid: message.readUInt32LE(32),
      signal,
    };
    let result;
    try {
      if (opcode === Opcode.INIT) {
        this.init(unique, reader);
        return undefined;
      }
      if (opcode === Opcode.INTERRUPT) {
        this.interrupt(unique, reader);
        return undefined;
      }
      result = (handler as Handler)(this.fs, caller, inode, reader);
    } catch (error) {
      this.fail(unique, opcode, error);
      return undefined;
    }
    if (!(result instanceof Promise)) {
      this.succeed(unique, result);
      return undefined;
    }
    this.pendingRequests.set(unique, caller.pid);
    return result.then(
      (answer) => {
        if (this.pendingRequests.delete(unique)) this.succeed(unique, answer);
        else this.unwanted(caller, opcode, inode, answer);
      },
      (error: unknown) => {
        if (this.pendingRequests.delete(unique)) this.fail(unique, opcode, error);
      },
    );
  }

  /** Message that drops cached attributes and data of an inode (`lengthBytes` 0: to the end of the file). */
  static invalidateInode(inode: number, offset = 0, lengthBytes = 0): Buffer {
    const buffer = Buffer.alloc(OUT_HEADER_SIZE + 24);
    writeNotify(buffer, FUSE_NOTIFY_INVAL_INODE);
    buffer.writeBigUInt64LE(BigInt(inode), OUT_HEADER_SIZE);
    buffer.writeBigInt64LE(BigInt(offset), OUT_HEADER_SIZE + 8);
    buffer.writeBigInt64LE(BigInt(lengthBytes), OUT_HEADER_SIZE + 16);
    return buffer;
  }

  /** Message that drops a cached name. */
  static invalidateEntry(parent: number, name: Buffer): Buffer {
    const buffer = Buffer.alloc(OUT_HEADER_SIZE + 16 + name.length + 1);
    writeNotify(buffer, FUSE_NOTIFY_INVAL_ENTRY);
    buffer.writeBigUInt64LE(BigInt(parent), OUT_HEADER_SIZE);
    buffer.writeUInt32LE(name.length, OUT_HEADER_SIZE + 8);
    name.copy(buffer, OUT_HEADER_SIZE + 16);
    return buffer;
  }

  private init(unique: bigint, r: RequestReader): void {
    const major = r.u32();
    const minor = r.u32();
    const readahead = r.u32();
    const offered = r.u32();
    if (major !== FUSE_KERNEL_VERSION || minor < FUSE_MIN_MINOR_VERSION) {
      this.onDefect(
        new FuseError(EIO, `kernel speaks FUSE ${major}.${minor}, 7.${FUSE_MIN_MINOR_VERSION} is needed`),
        Opcode.INIT,
      );
      return this.refuse(unique, 71); // EPROTO
    }
    const o = this.options;
    const wanted =
      FUSE_ASYNC_READ |
      FUSE_BIG_WRITES |
      FUSE_ATOMIC_O_TRUNC |
      FUSE_DONT_MASK |
      FUSE_EXPORT_SUPPORT |
      FUSE_ASYNC_DIO |
      FUSE_PARALLEL_DIROPS |
      FUSE_MAX_PAGES |
      (o.readdirPlus === false ? 0 : FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO) |
      (o.writebackCache === true ? FUSE_WRITEBACK_CACHE : 0) |
      (o.posixLocks === true ? FUSE_POSIX_LOCKS : 0) |
      (o.flock === true ? FUSE_FLOCK_LOCKS : 0);
    const maxWrite = o.maxWriteBytes ?? 1 << 20;
    const maxBackground = o.maxBackground ?? 64;
    const buffer = Buffer.alloc(OUT_HEADER_SIZE + 64);
    const at = OUT_HEADER_SIZE;
    buffer.writeUInt32LE(FUSE_KERNEL_VERSION, at);
    buffer.writeUInt32LE(Math.min(minor, FUSE_KERNEL_MINOR_VERSION), at + 4);
    buffer.writeUInt32LE(Math.min(readahead, o.maxReadaheadBytes ?? readahead), at + 8);
    buffer.writeUInt32LE((wanted & offered) >>> 0, at + 12);
    buffer.writeUInt16LE(maxBackground, at + 16);
    buffer.writeUInt16LE(Math.floor((maxBackground * 3) / 4), at + 18);
    buffer.writeUInt32LE(maxWrite, at + 20);
    buffer.writeUInt32LE(1_000_000_000, at + 24); // times have whole seconds
    buffer.writeUInt16LE(Math.ceil(maxWrite / 4096), at + 28);
    this.succeed(unique, buffer);
    this.initialized();
  }

  /**
   * A signal for a thread that waits for an answer. A waiting lock is given up. Everything else goes on, since programs do not
   * expect EINTR from files, unless the thread is being killed: then it is let go, whatever the cluster is waiting for.
   */
  private interrupt(unique: bigint, r: RequestReader): void {
    const target = r.u64();
    const lock = this.waiting.get(target);
    if (lock !== undefined) return lock.abort(new FuseError(EINTR));
    const pid = this.pendingRequests.get(target);
    // it may have overtaken its request: the kernel sends it again, unless the request is answered
    if (pid === undefined) return this.refuse(unique, EAGAIN);
    if (!(this.options.isBeingKilled ?? isBeingKilled)(pid)) return;
    this.pendingRequests.delete(target);
    this.refuse(target, EINTR);
  }

  /** The answer to a request of a thread that was killed meanwhile: what it opened is closed. */
  private unwanted(caller: Caller, opcode: Opcode, inode: number, answer: Answer): void {
    const handleAt =
      opcode === Opcode.CREATE
        ? CREATE_HANDLE_AT
        : opcode === Opcode.OPEN || opcode === Opcode.OPENDIR
          ? OUT_HEADER_SIZE
          : 0;
    if (handleAt === 0 || !Buffer.isBuffer(answer)) return;
    const handle = Number(answer.readBigUInt64LE(handleAt));
    const opened = opcode === Opcode.CREATE ? Number(answer.readBigUInt64LE(OUT_HEADER_SIZE)) : inode;
    const released =
      opcode === Opcode.OPENDIR
        ? this.fs.releasedir?.(caller, opened, handle)
        : this.fs.release?.(caller, opened, handle, 0, undefined);
    Promise.resolve(released).catch((error: unknown) => this.onDefect(error, opcode));
  }

  private succeed(unique: bigint, answer: Answer): void {
    this.waiting.delete(unique);
    if (answer === NO_ANSWER) return;
    const parts =
      answer === undefined ? [Buffer.allocUnsafe(OUT_HEADER_SIZE)] : Buffer.isBuffer(answer) ? [answer] : [...answer];
    let total = 0;
    for (const part of parts) total += part.length;
    writeHeader(parts[0] as Buffer, total, unique, 0);
    this.send(parts);
  }

  private fail(unique: bigint, opcode: number, error: unknown): void {
    this.waiting.delete(unique);
    const errno = error instanceof FuseError ? error.errno : this.options.errnoOf?.(error);
    if (errno === undefined) this.onDefect(error, opcode);
    if (NEVER_ANSWERED.has(opcode)) return;
    this.refuse(unique, errno ?? EIO);
  }

  private refuse(unique: bigint, errno: number): void {
    const buffer = Buffer.allocUnsafe(OUT_HEADER_SIZE);
    writeHeader(buffer, OUT_HEADER_SIZE, unique, errno);
    this.send([buffer]);
  }
}

function isBeingKilled(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1');
    return [...text.matchAll(/^(?:Sig|Shd)Pnd:\s*([0-9a-f]+)$/gm)].some(
      ([, set]) => (BigInt(`0x${set as string}`) & SIGKILL_BIT) !== 0n,
    );
  } catch {
    return false;
  }
}

function writeNotify(buffer: Buffer, code: number): void {
  buffer.writeUInt32LE(buffer.length, 0);
  buffer.writeInt32LE(code, 4);
  buffer.writeBigUInt64LE(0n, 8);
}
