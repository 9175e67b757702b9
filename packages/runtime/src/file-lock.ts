/** POSIX record locks, which Node.js has no call for: the locks by which daemons of both implementations see each other. */
import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';

/** The part of koffi used here: its own types cannot be imported from a CommonJS module. */
interface Koffi {
  load(library: string): { func(prototype: string): unknown };
  errno(): number;
}

const koffi = createRequire(__filename)('koffi') as Koffi;

const F_TLOCK = 2;

type Lockf = (fd: number, command: number, sizeBytes: number) => number;
let lockf: Lockf | undefined;

/**
 * Takes an exclusive lock on the whole of an open, writable file, without waiting. Another process that holds it is an error with
 * `code` EAGAIN or EACCES. The lock ends when any descriptor of this process on the file is closed.
 *
 * @param path only for the error's text
 */
export function lockWholeFile(fd: number, path: string): void {
  lockf ??= koffi.load('libc.so.6').func('int lockf(int fd, int cmd, int64_t len)') as Lockf;
  if (lockf(fd, F_TLOCK, 0) === 0) return;
  const code = getSystemErrorName(-koffi.errno());
  const text = code === 'EAGAIN' || code === 'EACCES' ? 'already locked by another process' : code;
  throw Object.assign(new Error(`${path}: ${text}`), { code });
}
