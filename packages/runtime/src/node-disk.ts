import fs from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Stats } from 'node:fs';

import { type Disk, DiskError, type DiskFile, type DiskStat } from './disk.js';
import { errorCode } from './errors.js';

/** Buffers that one writev takes (IOV_MAX). */
const MAX_PARTS = 1024;

async function call<T>(operation: string, path: string, action: Promise<T>): Promise<T> {
  try {
    return await action;
  } catch (error) {
    if (error instanceof DiskError) throw error;
    throw new DiskError(errorCode(error) ?? 'EIO', operation, path, { cause: error });
  }
}

function statOf(stats: Stats): DiskStat {
  return {
    kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other',
    sizeBytes: stats.size,
    mtimeMs: stats.mtimeMs,
    mode: stats.mode & 0o7777,
  };
}

class NodeFile implements DiskFile {
  constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly appending: boolean,
  ) {}

  read(buffer: Buffer, positionBytes: number): Promise<number> {
    return call('read', this.path, this.readAll(buffer, positionBytes));
  }

  private async readAll(buffer: Buffer, positionBytes: number): Promise<number> {
    let done = 0;
    while (done < buffer.length) {
      const { bytesRead } = await this.handle.read(buffer, done, buffer.length - done, positionBytes + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  write(parts: Buffer | readonly Buffer[], positionBytes: number): Promise<void> {
    return call('write', this.path, this.writeAll(Buffer.isBuffer(parts) ? [parts] : parts, positionBytes));
  }

  private async writeAll(parts: readonly Buffer[], positionBytes: number): Promise<void> {
    let left = parts.filter((part) => part.length > 0);
    let position = positionBytes;
    while (left.length > 0) {
      const { bytesWritten } = await this.handle.writev(
        left.slice(0, MAX_PARTS),
        this.appending ? undefined : position,
      );
      if (bytesWritten === 0) throw new DiskError('EIO', 'write', this.path);
      position += bytesWritten;
      left = without(left, bytesWritten);
    }
  }

  truncate(sizeBytes: number): Promise<void> {
    return call('truncate', this.path, this.handle.truncate(sizeBytes));
  }

  sync(): Promise<void> {
    return call('fsync', this.path, this.handle.sync());
  }

  async stat(): Promise<DiskStat> {
    return statOf(await call('stat', this.path, this.handle.stat()));
  }

  close(): Promise<void> {
    return call('close', this.path, this.handle.close());
  }
}

/** What remains of `parts` behind their first bytes. */
function without(parts: readonly Buffer[], sizeBytes: number): Buffer[] {
  let skip = sizeBytes;
  const left: Buffer[] = [];
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length;
    else {
      left.push(skip === 0 ? part : part.subarray(skip));
      skip = 0;
    }
  }
  return left;
}

/** The real disk. */
export const nodeDisk: Disk = {
  async open(path, flags, mode = 0o666) {
    return new NodeFile(path, await call('open', path, fs.open(path, flags, mode)), flags === 'a');
  },
  rename: (from, to) => call('rename', from, fs.rename(from, to)),
  unlink: (path) => call('unlink', path, fs.unlink(path)),
  mkdir: async (path, options = {}) => void (await call('mkdir', path, fs.mkdir(path, options))),
  rmdir: (path) => call('rmdir', path, fs.rmdir(path)),
  readdir: async (path) => (await call('readdir', path, fs.readdir(path))).sort(),
  async stat(path) {
    try {
      return statOf(await fs.stat(path));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw new DiskError(errorCode(error) ?? 'EIO', 'stat', path, { cause: error });
    }
  },
  async statfs(path) {
    const { bsize, blocks, bavail } = await call('statfs', path, fs.statfs(path));
    return { totalBytes: blocks * bsize, availableBytes: bavail * bsize };
  },
  async syncDirectory(path) {
    const handle = await call('open', path, fs.open(path, 'r'));
    try {
      await call('fsync', path, handle.sync());
    } finally {
      await handle.close();
    }
  },
};
