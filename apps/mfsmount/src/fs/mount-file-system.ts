/** The cluster as the kernel asks for it: every request goes to the part that knows how, special files are kept apart. */
import {
  type AttributeChanges,
  type AttributesReply,
  type Awaitable,
  type Caller,
  type DirectoryEntry,
  type Entry,
  FuseError,
  type InodeFileSystem,
  type Lock,
  type OpenReply,
  type StatFs,
} from '@wapiti-fs/fuse';

import { type ContextParts, MountContext } from './context.js';
import { Directories } from './directories.js';
import { EACCES, ENOTDIR, EPERM, hasCode } from './errors.js';
import { Files } from './files.js';
import { Inodes } from './inodes.js';
import { LockOperations } from './locks.js';
import { Names } from './names.js';
import { OpenFiles } from './open-files.js';
import { paramsText, statsText } from './reports.js';
import { isSpecial, SpecialFiles } from './special-files.js';
import { masterInfo } from './master-info.js';
import { Xattrs } from './xattrs.js';

export class MountFileSystem implements InodeFileSystem {
  readonly context: MountContext;
  private readonly openFiles = new OpenFiles();
  private readonly names: Names;
  private readonly inodes: Inodes;
  private readonly directories: Directories;
  private readonly files: Files;
  private readonly xattrs: Xattrs;
  private readonly locks: LockOperations;
  private readonly specials: SpecialFiles;

  constructor(parts: ContextParts) {
    const context = new MountContext(parts);
    this.context = context;
    this.names = new Names(context);
    this.inodes = new Inodes(context, this.openFiles);
    this.directories = new Directories(context);
    this.xattrs = new Xattrs(context);
    this.files = new Files(context, this.openFiles, this.names, this.xattrs);
    this.locks = new LockOperations(context, this.openFiles, (file) => this.files.sync(file));
    this.specials = new SpecialFiles({
      masterInfo: () => masterInfo(context.client.session),
      stats: () => statsText(context),
      params: () => paramsText(context),
      resetStats: () => context.counters.reset(),
    });
  }

  lookup(caller: Caller, parent: number, name: Buffer): Awaitable<Entry> {
    const special = this.specials.lookup(parent, name);
    if (special !== undefined) {
      this.context.counters.add('lookup.internal');
      return special;
    }
    const anywhere = this.specials.lookupAnywhere(name);
    if (anywhere === undefined) return this.names.lookup(caller, parent, name);
    return Promise.resolve(this.names.lookup(caller, parent, name)).catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return anywhere;
      throw error;
    });
  }

  getattr(caller: Caller, inode: number): Awaitable<AttributesReply> {
    return isSpecial(inode) ? this.specials.getattr(inode) : this.inodes.getattr(caller, inode);
  }

  async setattr(caller: Caller, inode: number, changes: AttributeChanges): Promise<AttributesReply> {
    if (isSpecial(inode)) return this.specials.setattr(inode);
    const reply = await this.inodes.setattr(caller, inode, changes);
    if (changes.mode !== undefined) this.xattrs.modeChanged(inode);
    return reply;
  }

  readlink(caller: Caller, inode: number): Awaitable<Buffer> {
    return this.names.readlink(caller, inode);
  }

  symlink(caller: Caller, parent: number, name: Buffer, target: Buffer): Promise<Entry> {
    this.specials.refuseName(parent, name);
    return this.names.symlink(caller, parent, name, target);
  }

  mknod(caller: Caller, parent: number, name: Buffer, mode: number, rdev: number, umask: number): Promise<Entry> {
    this.specials.refuseName(parent, name);
    return this.names.mknod(caller, parent, name, mode, rdev, umask);
  }

  mkdir(caller: Caller, parent: number, name: Buffer, mode: number, umask: number): Promise<Entry> {
    this.specials.refuseName(parent, name);
    return this.names.mkdir(caller, parent, name, mode, umask);
  }

  unlink(caller: Caller, parent: number, name: Buffer): Promise<void> {
    this.specials.refuseName(parent, name);
    return this.names.unlink(caller, parent, name);
  }

  rmdir(caller: Caller, parent: number, name: Buffer): Promise<void> {
    this.specials.refuseName(parent, name);
    return this.names.rmdir(caller, parent, name);
  }

  rename(
    caller: Caller,
    parent: number,
    name: Buffer,
    newParent: number,
    newName: Buffer,
    flags: number,
  ): Promise<void> {
    this.specials.refuseName(parent, name);
    this.specials.refuseName(newParent, newName);
    return this.names.rename(caller, parent, name, newParent, newName, flags);
  }

  link(caller: Caller, inode: number, newParent: number, newName: Buffer): Promise<Entry> {
    if (isSpecial(inode)) throw new FuseError(EACCES);
    this.specials.refuseName(newParent, newName);
    return this.names.link(caller, inode, newParent, newName);
  }

  open(caller: Caller, inode: number, flags: number): Awaitable<OpenReply> {
    return isSpecial(inode) ? this.specials.open(caller, inode, flags) : this.files.open(caller, inode, flags);
  }

  create(
    caller: Caller,
    parent: number,
    name: Buffer,
    mode: number,
    flags: number,
    umask: number,
  ): Promise<Entry & { open: OpenReply }> {
    this.specials.refuseName(parent, name);
    return this.files.create(caller, parent, name, mode, flags, umask);
  }

  read(
    _caller: Caller,
    inode: number,
    handle: number,
    offset: number,
    sizeBytes: number,
  ): Awaitable<Buffer | readonly Buffer[]> {
    if (isSpecial(inode)) return this.specials.read(handle, offset, sizeBytes);
    return this.files.read(handle, offset, sizeBytes);
  }

  write(caller: Caller, inode: number, handle: number, offset: number, data: Buffer): Awaitable<number> {
    if (isSpecial(inode)) return this.specials.write(inode, handle, data.length);
    return this.files.write(caller, handle, offset, data);
  }

  flush(_caller: Caller, inode: number, handle: number, lockOwner: bigint): Awaitable<void> {
    if (isSpecial(inode)) return undefined;
    return this.files.flush(handle, lockOwner, (file, owner) => this.locks.unlockAll(file, owner));
  }

  fsync(_caller: Caller, inode: number, handle: number): Awaitable<void> {
    return isSpecial(inode) ? undefined : this.files.fsync(handle);
  }

  async release(
    _caller: Caller,
    inode: number,
    handle: number,
    _flags: number,
    lockOwner: bigint | undefined,
  ): Promise<void> {
    if (isSpecial(inode)) return this.specials.release(handle);
    await this.locks.release(this.files.release(handle), lockOwner);
  }

  opendir(caller: Caller, inode: number): Awaitable<OpenReply> {
    if (isSpecial(inode)) throw new FuseError(ENOTDIR);
    return this.directories.opendir(caller, inode);
  }

  readdir(
    caller: Caller,
    _inode: number,
    handle: number,
    offset: number,
    sizeBytes: number,
    plus: boolean,
  ): Promise<readonly DirectoryEntry[]> {
    return this.directories.readdir(caller, handle, offset, sizeBytes, plus);
  }

  releasedir(_caller: Caller, _inode: number, handle: number): void {
    this.directories.releasedir(handle);
  }

  statfs(): Promise<StatFs> {
    return this.inodes.statfs();
  }

  access(caller: Caller, inode: number, mask: number): Awaitable<void> {
    return isSpecial(inode) ? this.specials.access(mask) : this.inodes.access(caller, inode, mask);
  }

  setxattr(caller: Caller, inode: number, name: Buffer, value: Buffer, flags: number): Promise<void> {
    this.refuseSpecial(inode);
    return this.xattrs.setxattr(caller, inode, name, value, flags);
  }

  getxattr(caller: Caller, inode: number, name: Buffer): Awaitable<Buffer> {
    this.refuseSpecial(inode);
    return this.xattrs.getxattr(caller, inode, name);
  }

  listxattr(caller: Caller, inode: number): Awaitable<Buffer> {
    this.refuseSpecial(inode);
    return this.xattrs.listxattr(caller, inode);
  }

  removexattr(caller: Caller, inode: number, name: Buffer): Promise<void> {
    this.refuseSpecial(inode);
    return this.xattrs.removexattr(caller, inode, name);
  }

  getlk(_caller: Caller, inode: number, handle: number, owner: bigint, lock: Lock): Promise<Lock | undefined> {
    this.refuseSpecial(inode);
    return this.locks.getlk(handle, owner, lock);
  }

  setlk(caller: Caller, inode: number, handle: number, owner: bigint, lock: Lock, wait: boolean): Promise<void> {
    this.refuseSpecial(inode);
    return this.locks.setlk(caller, handle, owner, lock, wait);
  }

  flock(
    caller: Caller,
    inode: number,
    handle: number,
    owner: bigint,
    type: Lock['type'],
    wait: boolean,
  ): Promise<void> {
    this.refuseSpecial(inode);
    return this.locks.flock(caller, handle, owner, type, wait);
  }

  /**
   * The connection to the master was away: what other clients wrote meanwhile was not told. Nothing read before is used any more;
   * what was written here stays. Returns the inodes whose contents the kernel is to forget, too.
   */
  forgetContents(): number[] {
    const opened = [...this.openFiles.opened()];
    for (const data of opened) {
      data.invalidate();
      this.context.openDirectories.inodeChanged(data.inode);
    }
    return opened.map(({ inode }) => inode);
  }

  /** Resolves when all data of closed files have been written. */
  drained(): Promise<void> {
    return this.files.drained();
  }

  private refuseSpecial(inode: number): void {
    if (isSpecial(inode)) throw new FuseError(EPERM);
  }
}
