import { dirname } from 'node:path';

import { type Disk, DiskError, type DiskFile } from './disk.js';

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

/**
 * The whole of a file; undefined when there is none.
 *
 * @param maxBytes a longer file is a DiskError `EFBIG`
 */
export async function readWholeFile(disk: Disk, path: string, maxBytes = 2 ** 31 - 1): Promise<Buffer | undefined> {
  let file: DiskFile;
  try {
    file = await disk.open(path, 'r');
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { sizeBytes } = await file.stat();
    if (sizeBytes > maxBytes) throw new DiskError('EFBIG', 'read', path);
    const contents = Buffer.allocUnsafe(sizeBytes);
    return contents.subarray(0, await file.read(contents, 0));
  } finally {
    await file.close();
  }
}
