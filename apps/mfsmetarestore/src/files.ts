/** The files that a restore reads and writes. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { END_MARKER, HEADER_BYTES, ImageError, readImageHeader } from '@wapiti-fs/metadata';
import { FolderFiles, lockOwner, withFd } from '@wapiti-fs/runtime';

export { emergencyImages, FolderFiles } from '@wapiti-fs/runtime';

/** Pid of the master that runs in a folder. */
export function runningMaster(folder: string): number | undefined {
  const path = join(folder, '.mfsmaster.lock');
  return existsSync(path) ? withFd(path, 'r+', (fd) => lockOwner(fd, path)) : undefined;
}

/** Version and id of an image file; undefined if there is none, or no usable one. */
export function imageAt(path: string): { readonly version: number; readonly metaid: bigint } | undefined {
  if (!existsSync(path)) return undefined;
  const { head, tail } = new FolderFiles('.').readEnds(path, HEADER_BYTES, END_MARKER.length);
  try {
    return readImageHeader(head, tail);
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
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
