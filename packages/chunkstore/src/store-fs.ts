/**
 * The file system calls of the store. Thin on purpose: `read` and `write` are the callbacks of `node:fs` themselves, so
 * that the data path pays nothing for it, and a fault test can replace any single call.
 */
import * as fs from 'node:fs';

export type IoCallback = (error: NodeJS.ErrnoException | null, sizeBytes: number) => void;

export interface StoreFs {
  read(fd: number, buffer: Buffer, offset: number, length: number, position: number, callback: IoCallback): void;
  write(fd: number, buffer: Buffer, offset: number, length: number, position: number, callback: IoCallback): void;
  writev(fd: number, parts: readonly Buffer[], position: number, callback: IoCallback): void;
  open(path: string, flags: number, mode?: number): Promise<number>;
  close(fd: number): Promise<void>;
  fileSize(fd: number): Promise<number>;
  truncate(fd: number, sizeBytes: number): Promise<void>;
  sync(fd: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  rmdir(path: string): Promise<void>;
  readdir(path: string): Promise<string[]>;
  stat(path: string): Promise<fs.Stats>;
  statfs(
    path: string,
  ): Promise<{ bsize: number; blocks: number; bfree: number; bavail: number; files: number; ffree: number }>;
  readFile(path: string): Promise<Buffer>;
  writeFile(path: string, content: Buffer, mode: number): Promise<void>;
}

function promised<T>(start: (done: (error: NodeJS.ErrnoException | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, value) => (error === null ? resolve(value) : reject(error))));
}

export const nodeStoreFs: StoreFs = {
  read: (fd, buffer, offset, length, position, callback) => fs.read(fd, buffer, offset, length, position, callback),
  write: (fd, buffer, offset, length, position, callback) => fs.write(fd, buffer, offset, length, position, callback),
  writev: (fd, parts, position, callback) => fs.writev(fd, parts, position, callback),
  open: (path, flags, mode) => promised<number>((done) => fs.open(path, flags, mode ?? 0o666, done)),
  close: (fd) => promised<void>((done) => fs.close(fd, (error) => done(error ?? null, undefined))),
  fileSize: (fd) => promised<fs.Stats>((done) => fs.fstat(fd, done)).then((stats) => stats.size),
  truncate: (fd, sizeBytes) => promised<void>((done) => fs.ftruncate(fd, sizeBytes, (error) => done(error, undefined))),
  sync: (fd) => promised<void>((done) => fs.fsync(fd, (error) => done(error, undefined))),
  rename: (from, to) => fs.promises.rename(from, to),
  unlink: (path) => fs.promises.unlink(path),
  mkdir: (path) => fs.promises.mkdir(path),
  rmdir: (path) => fs.promises.rmdir(path),
  readdir: (path) => fs.promises.readdir(path),
  stat: (path) => fs.promises.stat(path),
  statfs: (path) => fs.promises.statfs(path),
  readFile: (path) => fs.promises.readFile(path),
  writeFile: (path, content, mode) => fs.promises.writeFile(path, content, { mode }),
};

/** Reads exactly `length` bytes; fewer is an error (`short read`). */
export function readExactly(
  io: StoreFs,
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
  position: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (done: number): void => {
      io.read(fd, buffer, offset + done, length - done, position + done, (error, sizeBytes) => {
        if (error) reject(error);
        else if (sizeBytes === 0) reject(new Error(`short read: ${done} of ${length} bytes at ${position}`));
        else if (done + sizeBytes < length) step(done + sizeBytes);
        else resolve();
      });
    };
    step(0);
  });
}

/** Writes all bytes; the kernel may take them in several steps. */
export function writeFully(
  io: StoreFs,
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
  position: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (done: number): void => {
      io.write(fd, buffer, offset + done, length - done, position + done, (error, sizeBytes) => {
        if (error) reject(error);
        else if (done + sizeBytes < length) step(done + sizeBytes);
        else resolve();
      });
    };
    step(0);
  });
}

/** Writes several buffers of `sizeBytes` in all, one behind the other. */
export function writeParts(
  io: StoreFs,
  fd: number,
  parts: readonly Buffer[],
  sizeBytes: number,
  position: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    io.writev(fd, parts, position, (error, writtenBytes) => {
      if (error) reject(error);
      else if (writtenBytes === sizeBytes) resolve();
      else writeRest(io, fd, parts, writtenBytes, position).then(resolve, reject);
    });
  });
}

/** The kernel took fewer bytes than it was given: the rest goes piece by piece. */
async function writeRest(
  io: StoreFs,
  fd: number,
  parts: readonly Buffer[],
  doneBytes: number,
  position: number,
): Promise<void> {
  let start = 0;
  for (const part of parts) {
    const from = Math.max(0, doneBytes - start);
    if (from < part.length) await writeFully(io, fd, part, from, part.length - from, position + start + from);
    start += part.length;
  }
}
