/** Open directories (spec 13 §4.8). */
import { type Caller, type DirectoryEntry, FuseError, type OpenReply } from '@wapiti-fs/fuse';
import { DISABLE_READDIR } from '@wapiti-fs/protocol';

import type { MountContext } from './context.js';
import { EBADF, EPERM } from './errors.js';
import { modeOfType } from './kernel-attributes.js';
import type { ListedEntry, OpenDirectory } from './open-directories.js';

/** Sizes of struct fuse_dirent and fuse_direntplus without the name. */
const [ENTRY_BYTES, ENTRY_PLUS_BYTES] = [24, 24 + 128];
const [DOT, DOT_DOT] = [Buffer.from('.'), Buffer.from('..')];

export class Directories {
  constructor(private readonly context: MountContext) {}

  /** The listing is fetched here: one request tells permission and contents. */
  async opendir(caller: Caller, inode: number): Promise<OpenReply> {
    const { context } = this;
    context.counters.add('opendir');
    if (context.disables & DISABLE_READDIR) throw new FuseError(EPERM);
    const listing = await this.fetch(caller, inode);
    const { handle, directory } = context.openDirectories.open(inode, caller);
    directory.fill(listing);
    return { handle, flags: 0 };
  }

  private fetch(caller: Caller, inode: number): Promise<readonly ListedEntry[]> {
    return this.context.client.directories.readPlusOrPlain(this.context.who(caller), inode);
  }

  async readdir(
    caller: Caller,
    handle: number,
    offset: number,
    sizeBytes: number,
    plus: boolean,
  ): Promise<readonly DirectoryEntry[]> {
    const { context } = this;
    const directory = context.openDirectories.get(handle);
    if (directory === undefined) throw new FuseError(EBADF, `no open directory ${handle}`);
    context.counters.add(plus ? 'readdirplus' : offset === 0 ? 'readdir.with_attrs' : 'readdir.with_attrs+');
    // rewinddir(3) asks for what is there now
    if (offset === 0 && !directory.fresh) directory.fill(await this.fetch(caller, directory.inode));
    directory.fresh = false;
    return this.page(directory, offset, sizeBytes, plus);
  }

  private page(directory: OpenDirectory, offset: number, sizeBytes: number, plus: boolean): DirectoryEntry[] {
    const { entries } = directory;
    const head = plus ? ENTRY_PLUS_BYTES : ENTRY_BYTES;
    const page: DirectoryEntry[] = [];
    let size = 0;
    for (let index = offset; index < entries.length; index++) {
      const { name, inode, type, attributes } = entries[index] as ListedEntry;
      size += (head + name.length + 7) & ~7;
      if (size > sizeBytes && page.length > 0) break;
      const isLink = name.equals(DOT) || name.equals(DOT_DOT);
      const entry =
        plus && attributes !== undefined && !isLink ? this.context.entry(inode, attributes, false) : undefined;
      page.push({ name, inode, mode: modeOfType(type), nextOffset: index + 1, entry });
    }
    return page;
  }

  releasedir(handle: number): void {
    this.context.counters.add('releasedir');
    this.context.openDirectories.close(handle);
  }
}
