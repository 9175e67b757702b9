/** Attributes, permissions and space (spec 13 §4.4, §4.10). */
import { type AttributeChanges, type AttributesReply, type Caller, FuseError, type StatFs } from '@wapiti-fs/fuse';
import { type AttributeRecord, MFS_MAX_FILE_SIZE, MFS_NAME_MAX, TRUNCATE_FLAG_OPENED } from '@wapiti-fs/protocol';

import type { MountContext } from './context.js';
import { EACCES, EFBIG, EIO } from './errors.js';
import type { Identity } from './groups.js';
import type { OpenFiles } from './open-files.js';

const BLOCK_SIZE_BYTES = 65536;
const FILES_BASE = 1_000_000_000 + 3 * 1_000_000 + 1 * 10_000 + 17 * 100 + 1;

export class Inodes {
  constructor(
    private readonly context: MountContext,
    private readonly files: OpenFiles,
  ) {}

  getattr(caller: Caller, inode: number): AttributesReply | Promise<AttributesReply> {
    const { context } = this;
    const listed = context.openDirectories.findInode(caller, inode);
    if (listed?.attributes !== undefined) {
      context.counters.add('getattr-cached');
      return context.attributesReply(inode, listed.attributes, false);
    }
    context.counters.add('getattr');
    return context.client
      .getattr(context.who(caller), inode)
      .then((attributes) => context.attributesReply(inode, attributes));
  }

  async setattr(caller: Caller, inode: number, changes: AttributeChanges): Promise<AttributesReply> {
    const { context } = this;
    context.counters.add('setattr');
    const { sizeBytes, handle, mode, uid, gid, atime, mtime } = changes;
    const who = context.who(caller);
    let record: AttributeRecord | undefined;
    const opening = handle === undefined ? undefined : this.files.get(handle).opening;
    if (opening !== undefined) await opening;
    if (sizeBytes !== undefined) record = await this.setSize(who, inode, sizeBytes, handle);
    const others = { mode, uid, gid, atime, mtime };
    const some = Object.values(others).some((one) => one !== undefined);
    // without anything to set only ctime changes, as by chown(-1, -1)
    if (some || record === undefined)
      record = await context.client.setattr(who, inode, {
        ...others,
        sugidClearMode: context.settings.sugidClearMode,
      });
    context.openDirectories.inodeChanged(inode);
    return context.attributesReply(inode, record);
  }

  private async setSize(
    who: Identity,
    inode: number,
    sizeBytes: number,
    handle: number | undefined,
  ): Promise<AttributeRecord> {
    if (sizeBytes >= MFS_MAX_FILE_SIZE) throw new FuseError(EFBIG);
    if (handle !== undefined && !this.files.get(handle).writable) throw new FuseError(EACCES);
    const flags = handle === undefined ? 0 : TRUNCATE_FLAG_OPENED;
    let record = undefined as AttributeRecord | undefined;
    const perform = async (): Promise<number> => {
      record = (await this.context.client.truncate(who, inode, sizeBytes, flags)).attributes;
      return record.length;
    };
    const data = this.context.data.find(inode);
    if (data === undefined) await perform();
    else await data.truncate(perform);
    if (record === undefined) throw new FuseError(EIO, 'the truncation was not performed');
    return record;
  }

  access(caller: Caller, inode: number, mask: number): Promise<void> {
    this.context.counters.add('access');
    return this.context.client.access(this.context.who(caller), inode, mask & 7);
  }

  async statfs(): Promise<StatFs> {
    this.context.counters.add('statfs');
    const space = await this.context.client.statfs();
    const blocks = (bytes: number): number => Math.floor(bytes / BLOCK_SIZE_BYTES);
    return {
      blockSizeBytes: BLOCK_SIZE_BYTES,
      blocks: blocks(space.totalSpace),
      freeBlocks: blocks(space.freeSpace),
      availableBlocks: blocks(space.availSpace),
      files: FILES_BASE + space.inodes,
      freeFiles: FILES_BASE,
      nameMax: MFS_NAME_MAX,
    };
  }
}
