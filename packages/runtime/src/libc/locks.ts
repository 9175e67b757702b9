/**
 * POSIX record locks, which the C daemons use on their lock files. Such a lock belongs to the process and ends when the process
 * closes *any* descriptor of the file: never open a locked file a second time.
 */
import { errorCode } from '../errors.js';
import { withFd } from '../folder-files.js';
import { check, libc, LibcError } from './libc.js';

const F_GETLK = 5;
const F_SETLK = 6;
const F_WRLCK = 1;
const F_UNLCK = 2;
const EACCES = 13;
const EAGAIN = 11;

/** Another process holds the lock. */
export class LockedError extends Error {
  readonly code = 'EAGAIN';

  constructor(
    readonly path: string,
    /** Pid of the owner; undefined when it has just let go, 0 when it lives in another pid namespace. */
    readonly owner: number | undefined,
  ) {
    super(`${path}: already locked by another process${owner ? ` (pid:${owner})` : ''}`);
    this.name = 'LockedError';
  }
}

/** `struct flock` for the whole file. */
function wholeFile(type: number): Buffer {
  const flock = Buffer.alloc(32);
  flock.writeInt16LE(type, 0); // l_type; l_whence = SEEK_SET, l_start = l_len = 0
  return flock;
}

/**
 * Takes the write lock of a whole file without waiting; it is held until the descriptor is closed or the process ends.
 *
 * @throws LockedError when another process has it; LibcError for anything else (e.g. a descriptor opened only for reading).
 */
export function lockWholeFile(fd: number, path: string): void {
  const result = libc().fcntlLock(fd, F_SETLK, wholeFile(F_WRLCK));
  if (result === 0) return;
  const errno = libc().errno();
  if (errno === EAGAIN || errno === EACCES) throw new LockedError(path, lockOwner(fd, path));
  throw new LibcError('fcntl', errno, path);
}

/** Pid of the process that keeps us from taking the lock; undefined when it is free (or ours). */
export function lockOwner(fd: number, path: string): number | undefined {
  const flock = wholeFile(F_WRLCK);
  check(libc().fcntlLock(fd, F_GETLK, flock), 'fcntl', path);
  return flock.readInt16LE(0) === F_UNLCK ? undefined : flock.readInt32LE(24);
}

/**
 * Pid of the process that holds the lock file of a daemon; undefined when nobody does, or when there is no such file. Not to be asked
 * of a file that this process has locked itself: it would let go of it.
 */
export function lockFileOwner(path: string): number | undefined {
  try {
    return withFd(path, 'r', (fd) => lockOwner(fd, path));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export function unlockWholeFile(fd: number, path: string): void {
  check(libc().fcntlLock(fd, F_SETLK, wholeFile(F_UNLCK)), 'fcntl', path);
}
