import { fsyncSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

import { type Disk, DiskError, type DiskFile } from './disk.js';
import { syncFolder, withFd } from './folder-files.js';

/** What is written next to a file before it takes its place. */
export const TEMPORARY_SUFFIX = '.tmp';

/**
 * Replaces a file as a whole: written beside it, synced, renamed over it, the folder synced. After a crash there is the old file
 * or the new one, never a part. On failure the old file is untouched and the temporary one removed.
 */
export async function atomicWriteFile(
  disk: Disk,
  path: string,
  contents: Buffer | readonly Buffer[],
  mode = 0o640,
): Promise<void> {
  await atomicReplace(disk, path, (file) => file.write(contents, 0), mode);
}

/** As {@link atomicWriteFile}, the contents being written by `fill`. */
export async function atomicReplace(
  disk: Disk,
  path: string,
  fill: (file: DiskFile) => Promise<void>,
  mode = 0o640,
): Promise<void> {
  const temporary = path + TEMPORARY_SUFFIX;
  const file = await disk.open(temporary, 'w', mode);
  try {
    try {
      await fill(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(temporary, path);
  } catch (error) {
    await disk.unlink(temporary).catch(() => undefined); // the reason of the failure is what counts
    throw error;
  }
  await disk.syncDirectory(dirname(path));
}

/** As {@link atomicWriteFile}, at once: for tools, and for what a daemon does before it serves. Errors of the system pass through. */
export function atomicReplaceSync(path: string, pieces: Iterable<Buffer>, mode = 0o640): void {
  const temporary = path + TEMPORARY_SUFFIX;
  try {
    writeSyncedFile(temporary, pieces, mode);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** Writes a file from its start, at once; when this returns it is on the disk. Errors of the system pass through. */
export function writeSyncedFile(path: string, pieces: Iterable<Buffer>, mode: number): void {
  withFd(
    path,
    'w',
    (fd) => {
      for (const piece of pieces) for (let at = 0; at < piece.length;) at += writeSync(fd, piece, at);
      fsyncSync(fd);
    },
    mode,
  );
}

/**
 * The whole of a file; undefined when there is none.
 *
 * @param maxBytes a longer file is a DiskError `EFBIG`
 */
export async function readWholeFile(disk: Disk, path: string, maxBytes = 2 ** 31 - 1): Promise<Buffer | undefined> {
  return withDiskFile(disk, path, async (file) => {
    const { sizeBytes } = await file.stat();
    if (sizeBytes > maxBytes) throw new DiskError('EFBIG', 'read', path);
    const contents = Buffer.allocUnsafe(sizeBytes);
    return contents.subarray(0, await file.read(contents, 0));
  });
}

/** Opens a file for reading, hands it to `use` and closes it; undefined when there is no such file. */
export async function withDiskFile<T>(
  disk: Disk,
  path: string,
  use: (file: DiskFile) => Promise<T>,
): Promise<T | undefined> {
  let file: DiskFile;
  try {
    file = await disk.open(path, 'r');
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
