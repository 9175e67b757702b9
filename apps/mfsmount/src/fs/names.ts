/** Operations on names (spec 13 §4.3, §4.5). */
import { type Caller, type Entry, FuseError } from '@wapiti-fs/fuse';
import { MFS_ERROR_ENOENT, MFS_SYMLINK_MAX, TYPE_FILE } from '@wapiti-fs/protocol';

import { type MountContext, nameKey } from './context.js';
import { EINVAL, ENAMETOOLONG, ENOENT, EPERM, hasCode, statusOf } from './errors.js';
import { typeOfMode } from './kernel-attributes.js';

const EMLINK = 31;
const ROOT = 1;

export class Names {
  constructor(private readonly context: MountContext) {}

  lookup(caller: Caller, parent: number, name: Buffer): Entry | Promise<Entry> {
    const { context } = this;
    context.checkName(name);
    const listed = context.openDirectories.findName(caller, parent, name);
    if (listed?.attributes !== undefined) {
      context.counters.add('lookup.cached.readdir');
      return context.entry(listed.inode, listed.attributes, false);
    }
    if (context.negative.get(nameKey(parent, name)) !== undefined) {
      context.counters.add('lookup.cached.negative');
      throw new FuseError(ENOENT);
    }
    return this.ask(caller, parent, name);
  }

  private async ask(caller: Caller, parent: number, name: Buffer): Promise<Entry> {
    const { context } = this;
    // an export for NFS asks for the parent of the root
    const asked = parent === ROOT && name.equals(Buffer.from('..')) ? Buffer.from('.') : name;
    try {
      const found = await context.client.lookup(context.who(caller), parent, asked);
      const { inode, attributes, chunkZero } = found;
      context.counters.add('lookup.master.positive');
      if (attributes.type === TYPE_FILE) context.lookedUp.put(caller, inode, found.lflags, attributes.length);
      if (chunkZero !== undefined) context.data.offerLocation(inode, 0, chunkZero);
      return context.entry(inode, attributes);
    } catch (error) {
      const isAbsent = hasCode(error, 'ENOENT');
      context.counters.add(isAbsent ? 'lookup.master.negative' : 'lookup.master.error');
      if (statusOf(error) === MFS_ERROR_ENOENT) context.negative.set(nameKey(parent, name), true);
      throw error;
    }
  }

  async mkdir(caller: Caller, parent: number, name: Buffer, mode: number, umask: number): Promise<Entry> {
    const { context } = this;
    context.checkName(name);
    context.counters.add('mkdir');
    const made = await context.client.mkdir(
      context.who(caller),
      parent,
      name,
      mode,
      umask,
      context.settings.mkdirCopySgid,
    );
    this.appeared(parent, name);
    return context.entry(made.inode, made.attributes);
  }

  async mknod(caller: Caller, parent: number, name: Buffer, mode: number, rdev: number, umask: number): Promise<Entry> {
    const { context } = this;
    context.checkName(name);
    const type = typeOfMode(mode);
    if (type === undefined) throw new FuseError(EPERM);
    context.counters.add('mknod');
    const number = type === TYPE_FILE ? 0 : rdev;
    const made = await context.client.mknod(context.who(caller), parent, name, type, mode, umask, number);
    this.appeared(parent, name);
    return context.entry(made.inode, made.attributes);
  }

  async symlink(caller: Caller, parent: number, name: Buffer, target: Buffer): Promise<Entry> {
    const { context } = this;
    context.checkName(name);
    if (target.length + 1 > MFS_SYMLINK_MAX) throw new FuseError(ENAMETOOLONG);
    context.counters.add('symlink');
    const made = await context.client.symlink(context.who(caller), parent, name, target);
    this.appeared(parent, name);
    context.symlinks.set(made.inode, target);
    return context.entry(made.inode, made.attributes);
  }

  readlink(caller: Caller, inode: number): Buffer | Promise<Buffer> {
    const { context } = this;
    const known = context.symlinks.get(inode);
    if (known !== undefined) {
      context.counters.add('readlink.cached');
      return known;
    }
    context.counters.add('readlink.master');
    return context.client.readlink(context.who(caller), inode).then((target) => {
      context.symlinks.set(inode, target);
      context.openDirectories.inodeChanged(inode); // its atime
      return target;
    });
  }

  async link(caller: Caller, inode: number, newParent: number, newName: Buffer): Promise<Entry> {
    const { context } = this;
    context.checkName(newName);
    context.counters.add('link');
    try {
      const made = await context.client.link(context.who(caller), inode, newParent, newName);
      this.appeared(newParent, newName);
      context.openDirectories.inodeChanged(inode);
      return context.entry(made.inode, made.attributes);
    } catch (error) {
      if (hasCode(error, 'ENOSPC')) throw new FuseError(EMLINK);
      throw error;
    }
  }

  async unlink(caller: Caller, parent: number, name: Buffer): Promise<void> {
    const { context } = this;
    context.checkName(name);
    context.counters.add('unlink');
    const inode = await context.client.unlink(context.who(caller), parent, name);
    this.vanished(parent, name, inode);
  }

  async rmdir(caller: Caller, parent: number, name: Buffer): Promise<void> {
    const { context } = this;
    context.checkName(name);
    context.counters.add('rmdir');
    const inode = await context.client.rmdir(context.who(caller), parent, name);
    this.vanished(parent, name, inode);
  }

  async rename(
    caller: Caller,
    parent: number,
    name: Buffer,
    newParent: number,
    newName: Buffer,
    flags: number,
  ): Promise<void> {
    const { context } = this;
    context.checkName(name);
    context.checkName(newName);
    // RENAME_NOREPLACE and RENAME_EXCHANGE: the master has no such request
    if (flags !== 0) throw new FuseError(EINVAL);
    context.counters.add('rename');
    const { inode } = await context.client.rename(context.who(caller), parent, name, newParent, newName);
    this.vanished(parent, name, inode);
    this.appeared(newParent, newName);
  }

  /** A name was made: what was known about it and about its directory is outdated. */
  appeared(parent: number, name: Buffer): void {
    this.context.negative.delete(nameKey(parent, name));
    this.context.openDirectories.nameChanged(parent, name);
  }

  private vanished(parent: number, name: Buffer, inode: number): void {
    this.context.negative.set(nameKey(parent, name), true);
    this.context.openDirectories.nameChanged(parent, name);
    this.context.openDirectories.inodeChanged(inode);
  }
}
