/**
 * A disk in memory that can fail in every way a real one does: errors at chosen calls, a full disk, torn writes, and a crash that
 * loses what was not synced.
 *
 * Durability: the contents of a file are safe after `sync` of it; its name only after `syncDirectory` of its folder. A rename
 * between two folders needs both.
 */
import { posix } from 'node:path';

import { type Disk, DiskError, type DiskFile, type DiskSpace, type DiskStat, type OpenFlags } from './disk.js';
import type { Random } from './random.js';

export type DiskOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'truncate'
  | 'fsync'
  | 'rename'
  | 'unlink'
  | 'mkdir'
  | 'rmdir'
  | 'readdir'
  | 'stat'
  | 'statfs';

/** A fault to inject. */
export interface DiskFault {
  readonly operation: DiskOperation;
  /** Which files; default all. For `rename` the old name counts. */
  readonly path?: string | RegExp;
  /** Errno name the call fails with. */
  readonly code: string;
  /** So many matching calls pass before. Default 0. */
  readonly skip?: number;
  /** So many calls fail. Default 1; `Infinity`: until {@link MemoryDisk.repair}. */
  readonly times?: number;
  /** Of a failing write: so many bytes are written nevertheless. */
  readonly writtenBytes?: number;
}

const UNLIMITED_BYTES = 2 ** 40;

type Change = { readonly position: number; readonly bytes: Buffer } | { readonly sizeBytes: number };

class MemoryInode {
  data = Buffer.alloc(0);
  sizeBytes = 0;
  /** Contents as of the last sync, and what was done since. */
  durable = Buffer.alloc(0);
  changes: Change[] = [];
  mtimeMs = 0;

  constructor(readonly mode: number) {}

  apply(change: Change): void {
    const end = 'sizeBytes' in change ? change.sizeBytes : change.position + change.bytes.length;
    if (end > this.data.length) {
      const grown = Buffer.alloc(Math.max(end, 2 * this.data.length));
      this.data.copy(grown, 0, 0, this.sizeBytes);
      this.data = grown;
    }
    if ('sizeBytes' in change) {
      if (end < this.sizeBytes) this.data.fill(0, end, this.sizeBytes);
      this.sizeBytes = end;
    } else {
      change.bytes.copy(this.data, change.position);
      this.sizeBytes = Math.max(this.sizeBytes, end);
    }
  }

  sync(): void {
    this.durable = Buffer.from(this.contents());
    this.changes = [];
  }

  contents(): Buffer {
    return this.data.subarray(0, this.sizeBytes);
  }

  /** Back to what is durable; with `random`, any of the later changes may have reached the disk too, the writes also in part. */
  crash(random: Random | undefined): void {
    const { changes } = this;
    this.data = Buffer.from(this.durable);
    this.sizeBytes = this.data.length;
    this.changes = [];
    for (const change of random === undefined ? [] : changes) {
      const fate = random?.below(3);
      if (fate === 0 || random === undefined) continue;
      if (fate === 1 || 'sizeBytes' in change) this.apply(change);
      else this.apply({ ...change, bytes: change.bytes.subarray(0, random.below(change.bytes.length + 1)) });
    }
    this.sync();
  }
}

class MemoryFolder {
  entries = new Map<string, MemoryInode | MemoryFolder>();
  durable = new Map<string, MemoryInode | MemoryFolder>();
  mtimeMs = 0;

  constructor(readonly mode: number) {}
}

export interface MemoryDiskOptions {
  /** Default: no limit (and `statfs` tells of 1 TiB). */
  readonly capacityBytes?: number;
  /** Wall clock for modification times. */
  readonly nowMs?: () => number;
}

export class MemoryDisk implements Disk {
  private readonly root = new MemoryFolder(0o755);
  private faults: { fault: DiskFault; skip: number; times: number }[] = [];
  private generation = 0;
  capacityBytes: number;
  /** Calls so far, for placing faults at each of them in turn. */
  readonly counts: Record<DiskOperation, number> = {
    open: 0,
    read: 0,
    write: 0,
    truncate: 0,
    fsync: 0,
    rename: 0,
    unlink: 0,
    mkdir: 0,
    rmdir: 0,
    readdir: 0,
    stat: 0,
    statfs: 0,
  };

  constructor(private readonly options: MemoryDiskOptions = {}) {
    this.capacityBytes = options.capacityBytes ?? Infinity;
  }

  // ---- faults ----------------------------------------------------------------------------------------------------

  fail(fault: DiskFault): void {
    this.faults.push({ fault, skip: fault.skip ?? 0, times: fault.times ?? 1 });
  }

  /** Takes all faults away. */
  repair(): void {
    this.faults = [];
  }

  /**
   * The machine stops and comes back: open files are gone, and with them all that was not synced. With `random` some of it has
   * reached the disk all the same, writes also in part.
   */
  crash(random?: Random): void {
    this.generation++;
    const visit = (folder: MemoryFolder): void => {
      const kept = random !== undefined && random.below(2) === 1 ? folder.entries : folder.durable;
      folder.entries = new Map(kept);
      folder.durable = new Map(kept);
      for (const entry of folder.entries.values()) {
        if (entry instanceof MemoryFolder) visit(entry);
        else entry.crash(random);
      }
    };
    visit(this.root);
  }

  get usedBytes(): number {
    let sum = 0;
    const visit = (folder: MemoryFolder): void => {
      for (const entry of folder.entries.values()) {
        if (entry instanceof MemoryFolder) visit(entry);
        else sum += entry.sizeBytes;
      }
    };
    visit(this.root);
    return sum;
  }

  /** Counts the call and fails it when a fault says so; `partial` gets the bytes a failing write still writes. */
  private meet(operation: DiskOperation, path: string, partial?: (sizeBytes: number) => void): void {
    this.counts[operation]++;
    const met = this.faults.find(({ fault, times }) => {
      if (fault.operation !== operation || times <= 0) return false;
      if (fault.path === undefined) return true;
      return typeof fault.path === 'string' ? posix.normalize(fault.path) === path : fault.path.test(path);
    });
    if (met === undefined) return;
    if (met.skip > 0) {
      met.skip--;
      return;
    }
    met.times--;
    partial?.(met.fault.writtenBytes ?? 0);
    throw new DiskError(met.fault.code, operation, path);
  }

  // ---- Disk ------------------------------------------------------------------------------------------------------

  async open(given: string, flags: OpenFlags, mode = 0o666): Promise<DiskFile> {
    const path = normal(given);
    this.meet('open', path);
    const { folder, name } = this.place('open', path);
    let inode = folder.entries.get(name);
    if (inode instanceof MemoryFolder || name === '') throw new DiskError('EISDIR', 'open', path);
    if (inode === undefined) {
      if (flags === 'r' || flags === 'r+') throw new DiskError('ENOENT', 'open', path);
      inode = new MemoryInode(mode);
      folder.entries.set(name, inode);
      inode.mtimeMs = folder.mtimeMs = this.now();
    } else if (flags === 'wx') throw new DiskError('EEXIST', 'open', path);
    else if (flags === 'w') this.change(inode, { sizeBytes: 0 });
    return this.file(path, inode, flags);
  }

  private file(path: string, inode: MemoryInode, flags: OpenFlags): DiskFile {
    const { generation } = this;
    let open = true;
    const enter = (operation: DiskOperation, needsWrite: boolean, partial?: (sizeBytes: number) => void): void => {
      if (!open || generation !== this.generation) throw new DiskError('EBADF', operation, path);
      if (needsWrite && flags === 'r') throw new DiskError('EBADF', operation, path);
      this.meet(operation, path, partial);
    };
    return {
      path,
      read: async (buffer, positionBytes) => {
        enter('read', false);
        if (flags === 'w' || flags === 'wx' || flags === 'a') throw new DiskError('EBADF', 'read', path);
        return inode.contents().copy(buffer, 0, Math.min(positionBytes, inode.sizeBytes));
      },
      write: async (parts, positionBytes) => {
        const bytes = Buffer.isBuffer(parts) ? Buffer.from(parts) : Buffer.concat(parts);
        const position = flags === 'a' ? inode.sizeBytes : positionBytes;
        const put = (sizeBytes: number): void => {
          if (sizeBytes > 0) this.change(inode, { position, bytes: bytes.subarray(0, sizeBytes) });
        };
        enter('write', true, put);
        const room = this.roomBytes() + Math.max(0, inode.sizeBytes - position);
        if (bytes.length > room) {
          put(Math.max(0, room));
          throw new DiskError('ENOSPC', 'write', path);
        }
        put(bytes.length);
      },
      truncate: async (sizeBytes) => {
        enter('truncate', true);
        this.change(inode, { sizeBytes });
      },
      sync: async () => {
        enter('fsync', false);
        inode.sync();
      },
      stat: async () => {
        enter('stat', false);
        return statOf(inode);
      },
      close: async () => {
        open = false;
      },
    };
  }

  async rename(given: string, givenTo: string): Promise<void> {
    const from = normal(given);
    const to = normal(givenTo);
    this.meet('rename', from);
    const source = this.place('rename', from);
    const target = this.place('rename', to);
    const moved = source.folder.entries.get(source.name);
    if (moved === undefined) throw new DiskError('ENOENT', 'rename', from);
    if (from === to) return;
    if (moved instanceof MemoryFolder && to.startsWith(`${from}/`)) throw new DiskError('EINVAL', 'rename', from);
    const replaced = target.folder.entries.get(target.name);
    if (replaced instanceof MemoryFolder) {
      if (!(moved instanceof MemoryFolder)) throw new DiskError('EISDIR', 'rename', to);
      if (replaced.entries.size > 0) throw new DiskError('ENOTEMPTY', 'rename', to);
    } else if (replaced !== undefined && moved instanceof MemoryFolder) throw new DiskError('ENOTDIR', 'rename', to);
    source.folder.entries.delete(source.name);
    target.folder.entries.set(target.name, moved);
    source.folder.mtimeMs = target.folder.mtimeMs = this.now();
  }

  async unlink(given: string): Promise<void> {
    const path = normal(given);
    this.meet('unlink', path);
    const { folder, name } = this.place('unlink', path);
    const entry = folder.entries.get(name);
    if (entry === undefined) throw new DiskError('ENOENT', 'unlink', path);
    if (entry instanceof MemoryFolder) throw new DiskError('EISDIR', 'unlink', path);
    folder.entries.delete(name);
    folder.mtimeMs = this.now();
  }

  async mkdir(given: string, options: { recursive?: boolean; mode?: number } = {}): Promise<void> {
    const path = normal(given);
    this.meet('mkdir', path);
    if (options.recursive) {
      const parent = posix.dirname(path);
      if (parent !== path && this.find(parent) === undefined) await this.mkdir(parent, options);
      if (this.find(path) instanceof MemoryFolder) return;
    }
    const { folder, name } = this.place('mkdir', path);
    if (name === '' || folder.entries.has(name)) throw new DiskError('EEXIST', 'mkdir', path);
    const made = new MemoryFolder(options.mode ?? 0o777);
    made.mtimeMs = folder.mtimeMs = this.now();
    folder.entries.set(name, made);
  }

  async rmdir(given: string): Promise<void> {
    const path = normal(given);
    this.meet('rmdir', path);
    const { folder, name } = this.place('rmdir', path);
    const entry = folder.entries.get(name);
    if (entry === undefined) throw new DiskError('ENOENT', 'rmdir', path);
    if (!(entry instanceof MemoryFolder)) throw new DiskError('ENOTDIR', 'rmdir', path);
    if (entry.entries.size > 0) throw new DiskError('ENOTEMPTY', 'rmdir', path);
    folder.entries.delete(name);
    folder.mtimeMs = this.now();
  }

  async readdir(given: string): Promise<string[]> {
    const path = normal(given);
    this.meet('readdir', path);
    return [...this.folder('readdir', path).entries.keys()].sort();
  }

  async stat(given: string): Promise<DiskStat | undefined> {
    const path = normal(given);
    this.meet('stat', path);
    const entry = this.find(path);
    return entry === undefined ? undefined : statOf(entry);
  }

  async statfs(given: string): Promise<DiskSpace> {
    const path = normal(given);
    this.meet('statfs', path);
    if (this.find(path) === undefined) throw new DiskError('ENOENT', 'statfs', path);
    const totalBytes = Math.min(this.capacityBytes, UNLIMITED_BYTES);
    return { totalBytes, availableBytes: Math.max(0, totalBytes - this.usedBytes) };
  }

  async syncDirectory(given: string): Promise<void> {
    const path = normal(given);
    this.meet('fsync', path);
    const folder = this.folder('fsync', path);
    folder.durable = new Map(folder.entries);
  }

  /** Adding up what is used is only worth it when it is limited. */
  private roomBytes(): number {
    return this.capacityBytes === Infinity ? Infinity : this.capacityBytes - this.usedBytes;
  }

  // ---- the tree --------------------------------------------------------------------------------------------------

  private now(): number {
    return this.options.nowMs?.() ?? 0;
  }

  private change(inode: MemoryInode, change: Change): void {
    inode.apply(change);
    inode.changes.push(change);
    inode.mtimeMs = this.now();
  }

  private find(path: string): MemoryInode | MemoryFolder | undefined {
    let at: MemoryInode | MemoryFolder | undefined = this.root;
    for (const name of path.split('/').filter(Boolean))
      at = at instanceof MemoryFolder ? at.entries.get(name) : undefined;
    return at;
  }

  private folder(operation: DiskOperation, path: string): MemoryFolder {
    const entry = this.find(path);
    if (entry === undefined) throw new DiskError('ENOENT', operation, path);
    if (!(entry instanceof MemoryFolder)) throw new DiskError('ENOTDIR', operation, path);
    return entry;
  }

  private place(operation: DiskOperation, path: string): { folder: MemoryFolder; name: string } {
    return { folder: this.folder(operation, posix.dirname(path)), name: posix.basename(path) };
  }
}

function normal(path: string): string {
  const joined = posix.normalize(`/${path}`);
  return joined.length > 1 && joined.endsWith('/') ? joined.slice(0, -1) : joined;
}

function statOf(entry: MemoryInode | MemoryFolder): DiskStat {
  const { mtimeMs, mode } = entry;
  return entry instanceof MemoryFolder
    ? { kind: 'directory', sizeBytes: 0, mtimeMs, mode }
    : { kind: 'file', sizeBytes: entry.sizeBytes, mtimeMs, mode };
}
