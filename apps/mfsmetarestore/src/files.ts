/** The files that a restore reads and writes. */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

import { END_MARKER, HEADER_BYTES, ImageError, readImageHeader, type RestoreFiles } from '@wapiti-fs/metadata';
import { lockOwner } from '@wapiti-fs/runtime';

/** One read call takes at most so much. */
const READ_BYTES = 1 << 30;
const LINE_END_BYTES = 200_032;
const LF = 10;
const EMERGENCY = 'metadata.mfs.emergency';
const EMERGENCY_FOLDERS = [
  '/',
  '/tmp',
  '/var',
  '/usr',
  '/usr/share',
  '/usr/local',
  '/usr/local/var',
  '/usr/local/share',
];

function withFd<T>(path: string, flags: string, use: (fd: number) => T): T {
  const fd = openSync(path, flags);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

/** Images of a big file system do not fit into one read call. */
function readWhole(path: string): Buffer {
  return withFd(path, 'r', (fd) => {
    const whole = Buffer.allocUnsafe(fstatSync(fd).size);
    let done = 0;
    while (done < whole.length) {
      const got = readSync(fd, whole, done, Math.min(READ_BYTES, whole.length - done), done);
      if (got === 0) break;
      done += got;
    }
    return whole.subarray(0, done);
  });
}

export function folderFiles(folder: string): RestoreFiles {
  const path = (name: string): string => (isAbsolute(name) ? name : join(folder, name));
  return {
    list: () =>
      readdirSync(folder, { withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => entry.name),
    read: (name) => readWhole(path(name)),
    readEnds: (name, headBytes, tailBytes) =>
      withFd(path(name), 'r', (fd) => {
        const { size } = fstatSync(fd);
        const head = Buffer.alloc(Math.min(headBytes, size));
        const tail = Buffer.alloc(Math.min(tailBytes, size));
        readSync(fd, head, 0, head.length, 0);
        readSync(fd, tail, 0, tail.length, size - tail.length);
        return { head, tail };
      }),
  };
}

/** Where a master stores its image when its data folder cannot take it (spec 06 §7.3). */
export function emergencyImages(): string[] {
  return [homedir(), ...EMERGENCY_FOLDERS].map((folder) => join(folder, EMERGENCY)).filter((path) => existsSync(path));
}

/** Pid of the master that runs in a folder. */
export function runningMaster(folder: string): number | undefined {
  const path = join(folder, '.mfsmaster.lock');
  return existsSync(path) ? withFd(path, 'r+', (fd) => lockOwner(fd, path)) : undefined;
}

/** Version and id of an image file; undefined if there is none, or no usable one. */
export function imageAt(path: string): { readonly version: number; readonly metaid: bigint } | undefined {
  if (!existsSync(path)) return undefined;
  const { head, tail } = folderFiles('.').readEnds(path, HEADER_BYTES, END_MARKER.length);
  try {
    return readImageHeader(head, tail);
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}

/** Takes an incomplete last line out of the file that the next master appends to; the bytes cut off. */
export function cutTornLine(path: string): number {
  if (!existsSync(path)) return 0;
  return withFd(path, 'r+', (fd) => {
    const { size } = fstatSync(fd);
    const tail = Buffer.alloc(Math.min(LINE_END_BYTES, size));
    readSync(fd, tail, 0, tail.length, size - tail.length);
    const torn = tail.length - (tail.lastIndexOf(LF) + 1);
    if (torn === 0) return 0;
    ftruncateSync(fd, size - torn);
    fsyncSync(fd);
    return torn;
  });
}

/** Writes to a temporary name first: a crash leaves either the old or the new file. */
export function replaceFile(path: string, pieces: Iterable<Buffer>): void {
  const temporary = `${path}.tmp`;
  const fd = openSync(temporary, 'w', 0o640);
  try {
    for (const piece of pieces) for (let at = 0; at < piece.length;) at += writeSync(fd, piece, at);
    fsyncSync(fd);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  withFd(dirname(path), 'r', fsyncSync);
}
