import { opendirSync, statSync } from 'node:fs';

import { UsageError } from './options/settings.js';

/** Throws UsageError unless `path` is a directory that can be mounted on. */
export function checkMountPoint(path: string, nonEmpty: boolean): void {
  let isDirectory;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (error) {
    throw new UsageError(`fuse: bad mount point \`${path}': ${reason(error)}`, true);
  }
  if (!isDirectory) throw new UsageError(`fuse: bad mount point \`${path}': Not a directory`, true);
  if (nonEmpty) return;
  const directory = opendirSync(path);
  try {
    if (directory.readSync() !== null)
      throw new UsageError(`mountpoint '${path}' is not empty: use the option nonempty to mount all the same`);
  } finally {
    directory.closeSync();
  }
}

function reason(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'No such file or directory';
  if (code === 'ENOTCONN')
    return 'Transport endpoint is not connected (a mount of a program that has ended: umount it)';
  return code ?? String(error);
}
