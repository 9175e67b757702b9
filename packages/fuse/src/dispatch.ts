import { FUSE_LK_FLOCK, FUSE_RELEASE_FLOCK_UNLOCK, FUSE_RELEASE_FLUSH, Opcode, OUT_HEADER_SIZE } from './constants.js';
import { type Awaitable, type Caller, FuseError, type InodeFileSystem } from './filesystem.js';
import {
  attributesAnswer,
  createAnswer,
  directoryAnswer,
  entryAnswer,
  lockAnswer,
  openAnswer,
  readLock,
  readSetattr,
  type RequestReader,
  sizeAnswer,
  statfsAnswer,
  writeAnswer,
} from './kernel.js';

/**
 * Body of an answer: a buffer with room for the header, several buffers (header room in the first), undefined for
 * "success without a body", or `NO_ANSWER`.
 */
export type Answer = Buffer | readonly Buffer[] | undefined | typeof NO_ANSWER;
export const NO_ANSWER = Symbol('no answer');

const ENOSYS = 38;
const ERANGE = 34;

export type Handler = (fs: InodeFileSystem, caller: Caller, inode: number, r: RequestReader) => Awaitable<Answer>;

/** Applies `then` now or when the promise resolves: most answers of a cache need no promise at all. */
function after<T>(value: Awaitable<T>, then: (value: T) => Answer): Awaitable<Answer> {
  return value instanceof Promise ? value.then(then) : then(value);
}

/** A method that a file system may leave out. */
function need<F>(method: F | undefined): F {
  if (method === undefined) throw new FuseError(ENOSYS, 'not implemented');
  return method;
}

const done = (): undefined => undefined;

function xattrAnswer(value: Buffer, room: number): Answer {
  if (room === 0) return sizeAnswer(value.length);
  if (value.length > room) throw new FuseError(ERANGE);
  return [Buffer.allocUnsafe(OUT_HEADER_SIZE), value];
}

function directory(plus: boolean): Handler {
  return (fs, caller, inode, r) => {
    const handle = r.number();
    const offset = r.number();
    const sizeBytes = r.u32();
    return after(
      fs.readdir(caller, inode, handle, offset, sizeBytes, plus),
      (entries) => directoryAnswer(entries, sizeBytes, plus).buffer,
    );
  };
}

function lock(wait: boolean): Handler {
  return (fs, caller, inode, r) => {
    const handle = r.number();
    const owner = r.u64();
    const range = readLock(r);
    const flags = r.u32();
    if (flags & FUSE_LK_FLOCK)
      return after(need(fs.flock).call(fs, caller, inode, handle, owner, range.type, wait), done);
    return after(need(fs.setlk).call(fs, caller, inode, handle, owner, range, wait), done);
  };
}

function rename(withFlags: boolean): Handler {
  return (fs, caller, parent, r) => {
    const newParent = r.number();
    const flags = withFlags ? r.u32() : 0;
    if (withFlags) r.skip(4);
    const name = r.name();
    const newName = r.name();
    return after(need(fs.rename).call(fs, caller, parent, name, newParent, newName, flags), done);
  };
}

/** One entry an opcode: reads the request's body, calls the file system, lays out the answer. */
export const handlers: Partial<Record<Opcode, Handler>> = {
  [Opcode.LOOKUP]: (fs, caller, parent, r) => after(fs.lookup(caller, parent, r.name()), entryAnswer),
  [Opcode.FORGET]: (fs, _caller, inode, r) => {
    fs.forget?.(inode, Number(r.u64()));
    return NO_ANSWER;
  },
  [Opcode.BATCH_FORGET]: (fs, _caller, _inode, r) => {
    const count = r.u32();
    r.skip(4);
    for (let i = 0; i < count; i++) fs.forget?.(r.number(), Number(r.u64()));
    return NO_ANSWER;
  },
  [Opcode.GETATTR]: (fs, caller, inode, r) => {
    const flags = r.u32();
    r.skip(4);
    return after(fs.getattr(caller, inode, flags & 1 ? r.number() : undefined), attributesAnswer);
  },
  [Opcode.SETATTR]: (fs, caller, inode, r) => after(fs.setattr(caller, inode, readSetattr(r)), attributesAnswer),
  [Opcode.READLINK]: (fs, caller, inode) =>
    after(need(fs.readlink).call(fs, caller, inode), (target) => [Buffer.allocUnsafe(OUT_HEADER_SIZE), target]),
  [Opcode.SYMLINK]: (fs, caller, parent, r) => {
    const name = r.name();
    return after(need(fs.symlink).call(fs, caller, parent, name, r.name()), entryAnswer);
  },
  [Opcode.MKNOD]: (fs, caller, parent, r) => {
    const [mode, rdev, umask] = [r.u32(), r.u32(), r.u32()];
    r.skip(4);
    return after(need(fs.mknod).call(fs, caller, parent, r.name(), mode, rdev, umask), entryAnswer);
  },
  [Opcode.MKDIR]: (fs, caller, parent, r) => {
    const [mode, umask] = [r.u32(), r.u32()];
    return after(need(fs.mkdir).call(fs, caller, parent, r.name(), mode, umask), entryAnswer);
  },
  [Opcode.UNLINK]: (fs, caller, parent, r) => after(need(fs.unlink).call(fs, caller, parent, r.name()), done),
  [Opcode.RMDIR]: (fs, caller, parent, r) => after(need(fs.rmdir).call(fs, caller, parent, r.name()), done),
  [Opcode.RENAME]: rename(false),
  [Opcode.RENAME2]: rename(true),
  [Opcode.LINK]: (fs, caller, newParent, r) => {
    const inode = r.number();
    return after(need(fs.link).call(fs, caller, inode, newParent, r.name()), entryAnswer);
  },
  [Opcode.OPEN]: (fs, caller, inode, r) => after(fs.open(caller, inode, r.u32()), openAnswer),
  [Opcode.CREATE]: (fs, caller, parent, r) => {
    const [flags, mode, umask] = [r.u32(), r.u32(), r.u32()];
    r.skip(4);
    return after(need(fs.create).call(fs, caller, parent, r.name(), mode, flags, umask), createAnswer);
  },
  [Opcode.READ]: (fs, caller, inode, r) => {
    const [handle, offset, sizeBytes] = [r.number(), r.number(), r.u32()];
    return after(fs.read(caller, inode, handle, offset, sizeBytes), (data) => [
      Buffer.allocUnsafe(OUT_HEADER_SIZE),
      ...(Buffer.isBuffer(data) ? [data] : data),
    ]);
  },
  [Opcode.WRITE]: (fs, caller, inode, r) => {
    const [handle, offset, sizeBytes] = [r.number(), r.number(), r.u32()];
    r.skip(20); // write flags, lock owner, open flags, padding
    return after(need(fs.write).call(fs, caller, inode, handle, offset, r.view(sizeBytes)), writeAnswer);
  },
  [Opcode.STATFS]: (fs, caller, inode) => after(fs.statfs(caller, inode), statfsAnswer),
  [Opcode.FLUSH]: (fs, caller, inode, r) => {
    const handle = r.number();
    r.skip(8);
    return after(need(fs.flush).call(fs, caller, inode, handle, r.u64()), done);
  },
  [Opcode.RELEASE]: (fs, caller, inode, r) => {
    const handle = r.number();
    r.skip(4);
    const flags = r.u32();
    const owner = r.u64();
    const owned = (flags & (FUSE_RELEASE_FLUSH | FUSE_RELEASE_FLOCK_UNLOCK)) !== 0;
    return after(fs.release?.(caller, inode, handle, flags, owned ? owner : undefined), done);
  },
  [Opcode.FSYNC]: (fs, caller, inode, r) => {
    const handle = r.number();
    return after(need(fs.fsync).call(fs, caller, inode, handle, (r.u32() & 1) !== 0), done);
  },
  [Opcode.OPENDIR]: (fs, caller, inode, r) =>
    fs.opendir === undefined
      ? openAnswer({ handle: 0, flags: 0 })
      : after(fs.opendir(caller, inode, r.u32()), openAnswer),
  [Opcode.READDIR]: directory(false),
  [Opcode.READDIRPLUS]: directory(true),
  [Opcode.RELEASEDIR]: (fs, caller, inode, r) => after(fs.releasedir?.(caller, inode, r.number()), done),
  [Opcode.FSYNCDIR]: (fs, caller, inode, r) => after(need(fs.fsyncdir).call(fs, caller, inode, r.number()), done),
  [Opcode.ACCESS]: (fs, caller, inode, r) => after(need(fs.access).call(fs, caller, inode, r.u32()), done),
  [Opcode.SETXATTR]: (fs, caller, inode, r) => {
    const [sizeBytes, flags] = [r.u32(), r.u32()];
    const name = r.name();
    return after(need(fs.setxattr).call(fs, caller, inode, name, Buffer.from(r.view(sizeBytes)), flags), done);
  },
  [Opcode.GETXATTR]: (fs, caller, inode, r) => {
    const room = r.u32();
    r.skip(4);
    return after(need(fs.getxattr).call(fs, caller, inode, r.name()), (value) => xattrAnswer(value, room));
  },
  [Opcode.LISTXATTR]: (fs, caller, inode, r) => {
    const room = r.u32();
    return after(need(fs.listxattr).call(fs, caller, inode), (value) => xattrAnswer(value, room));
  },
  [Opcode.REMOVEXATTR]: (fs, caller, inode, r) => after(need(fs.removexattr).call(fs, caller, inode, r.name()), done),
  [Opcode.GETLK]: (fs, caller, inode, r) => {
    const [handle, owner] = [r.number(), r.u64()] as const;
    return after(need(fs.getlk).call(fs, caller, inode, handle, owner, readLock(r)), lockAnswer);
  },
  [Opcode.SETLK]: lock(false),
  [Opcode.SETLKW]: lock(true),
  [Opcode.DESTROY]: (fs) => {
    fs.destroy?.();
    return undefined;
  },
};
