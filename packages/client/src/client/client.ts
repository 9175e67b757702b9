/**
 * The file system by inodes: what a mount and the path-based API are built on. One method per request of spec 02 §6-§10; each waits
 * while the master is away and rejects with an {@link MfsError}.
 */
import {
  CHUNKOPFLAG_CONTINUEOP,
  CLTOMA_FUSE_ACCESS,
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_LINK,
  CLTOMA_FUSE_LOOKUP,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_MKNOD,
  CLTOMA_FUSE_OPEN,
  CLTOMA_FUSE_READ_CHUNK,
  CLTOMA_FUSE_READLINK,
  CLTOMA_FUSE_RENAME,
  CLTOMA_FUSE_RMDIR,
  CLTOMA_FUSE_SETATTR,
  CLTOMA_FUSE_STATFS,
  CLTOMA_FUSE_SYMLINK,
  CLTOMA_FUSE_UNLINK,
  CLTOMA_FUSE_WRITE_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK_END,
  MATOCL_FUSE_ACCESS,
  MATOCL_FUSE_CREATE,
  MATOCL_FUSE_GETATTR,
  MATOCL_FUSE_LINK,
  MATOCL_FUSE_LOOKUP,
  MATOCL_FUSE_MKDIR,
  MATOCL_FUSE_MKNOD,
  MATOCL_FUSE_OPEN,
  MATOCL_FUSE_READ_CHUNK,
  MATOCL_FUSE_READLINK,
  MATOCL_FUSE_RENAME,
  MATOCL_FUSE_RMDIR,
  MATOCL_FUSE_SETATTR,
  MATOCL_FUSE_STATFS,
  MATOCL_FUSE_SYMLINK,
  MATOCL_FUSE_UNLINK,
  MATOCL_FUSE_WRITE_CHUNK,
  MATOCL_FUSE_WRITE_CHUNK_END,
  OPEN_AFTER_CREATE,
  SET_ATIME_FLAG,
  SET_ATIME_NOW_FLAG,
  SET_GID_FLAG,
  SET_MODE_FLAG,
  SET_MTIME_FLAG,
  SET_MTIME_NOW_FLAG,
  SET_UID_FLAG,
  SUGID_CLEAR_MODE_EXT,
  TYPE_DIRECTORY,
  TYPE_SYMLINK,
} from '@wapiti-fs/protocol';

import type { ChunkLocation, ChunkMaster } from '../data/chunk-master.js';
import type { MasterSession } from '../session/session.js';
import { Asker, at, dataOf, identity } from './caller.js';
import { Directories } from './directories.js';
import { Locks } from './locks.js';
import { Resent } from './resent.js';
import { truncate, type Truncated } from './truncate.js';
import type { AttributeChange, Caller, Entry, LookupResult, OpenResult, SpaceInfo } from './types.js';
import { Xattrs } from './xattrs.js';

export class MfsClient implements ChunkMaster {
  readonly directories: Directories;
  readonly xattrs: Xattrs;
  readonly locks: Locks;
  private readonly asker: Asker;
  private readonly resent: Resent;

  constructor(readonly session: MasterSession) {
    this.asker = new Asker(session);
    this.directories = new Directories(this.asker);
    this.xattrs = new Xattrs(this.asker);
    this.locks = new Locks(this.asker);
    this.resent = new Resent(this);
  }

  // ---- names -----------------------------------------------------------------------------------------------------

  async lookup(caller: Caller, parent: number, name: Buffer): Promise<LookupResult> {
    const { inode, attributes, lflags, chunkZero } = await this.asker.ask(
      CLTOMA_FUSE_LOOKUP,
      MATOCL_FUSE_LOOKUP,
      { parent, name, ...identity(caller) },
      at('lookup', caller, parent, name),
    );
    return {
      inode,
      attributes,
      lflags,
      chunkZero: chunkZero && {
        length: attributes.length,
        chunkId: chunkZero.chunkId,
        version: chunkZero.version,
        servers: chunkZero.locations,
      },
    };
  }

  /** `mode` unmasked; the master takes `umask` away, unless a default ACL decides (spec 02 §5.4). */
  mkdir(caller: Caller, parent: number, name: Buffer, mode: number, umask = 0, copySgid = true): Promise<Entry> {
    const since = this.session.masterNowS();
    return this.asker.ask(
      CLTOMA_FUSE_MKDIR,
      MATOCL_FUSE_MKDIR,
      { parent, name, mode: mode & 0o7777, cumask: umask, ...identity(caller), copySgid: copySgid ? 1 : 0 },
      at('mkdir', caller, parent, name),
      this.resent.made(caller, parent, name, TYPE_DIRECTORY, since),
    );
  }

  /** `type`: TYPE_FILE, FIFO, BLOCKDEV, CHARDEV or SOCKET; `rdev` in the kernel's 32-bit encoding. */
  mknod(caller: Caller, parent: number, name: Buffer, type: number, mode: number, umask = 0, rdev = 0): Promise<Entry> {
    const since = this.session.masterNowS();
    return this.asker.ask(
      CLTOMA_FUSE_MKNOD,
      MATOCL_FUSE_MKNOD,
      { parent, name, type, mode: mode & 0o7777, cumask: umask, ...identity(caller), rdev },
      at('mknod', caller, parent, name),
      this.resent.made(caller, parent, name, type, since),
    );
  }

  symlink(caller: Caller, parent: number, name: Buffer, target: Buffer): Promise<Entry> {
    const since = this.session.masterNowS();
    return this.asker.ask(
      CLTOMA_FUSE_SYMLINK,
      MATOCL_FUSE_SYMLINK,
      { parent, name, target: Buffer.concat([target, Buffer.alloc(1)]), ...identity(caller) },
      at('symlink', caller, parent, name),
      this.resent.made(caller, parent, name, TYPE_SYMLINK, since, target),
    );
  }

  /** Resolves to the inode that lost the name; 0 when that is not known. */
  async unlink(caller: Caller, parent: number, name: Buffer): Promise<number> {
    const answer = await this.asker.ask(
      CLTOMA_FUSE_UNLINK,
      MATOCL_FUSE_UNLINK,
      { parent, name, ...identity(caller) },
      at('unlink', caller, parent, name),
      this.resent.removed(),
    );
    return answer.inode;
  }

  /** As {@link unlink} for an empty directory. */
  async rmdir(caller: Caller, parent: number, name: Buffer): Promise<number> {
    const answer = await this.asker.ask(
      CLTOMA_FUSE_RMDIR,
      MATOCL_FUSE_RMDIR,
      { parent, name, ...identity(caller) },
      at('rmdir', caller, parent, name),
      this.resent.removed(),
    );
    return answer.inode;
  }

  /** Replaces `newName` when it exists. Types are not compared by the master: that is the caller's matter (spec 02 §6.11). */
  rename(caller: Caller, parent: number, name: Buffer, newParent: number, newName: Buffer): Promise<Entry> {
    const since = this.session.masterNowS();
    return this.asker.ask(
      CLTOMA_FUSE_RENAME,
      MATOCL_FUSE_RENAME,
      { parentSrc: parent, nameSrc: name, parentDst: newParent, nameDst: newName, ...identity(caller) },
      at('rename', caller, parent, name),
      this.resent.renamed(caller, newParent, newName, since),
    );
  }

  link(caller: Caller, inode: number, newParent: number, newName: Buffer): Promise<Entry> {
    return this.asker.ask(
      CLTOMA_FUSE_LINK,
      MATOCL_FUSE_LINK,
      { inode, parentDst: newParent, nameDst: newName, ...identity(caller) },
      at('link', caller, newParent, newName),
      this.resent.linked(caller, inode, newParent, newName),
    );
  }

  // ---- attributes ------------------------------------------------------------------------------------------------

  async getattr(caller: Caller, inode: number): Promise<Entry['attributes']> {
    const { attributes } = await this.asker.ask(
      CLTOMA_FUSE_GETATTR,
      MATOCL_FUSE_GETATTR,
      {
        variant: 'full',
        inode,
        opened: this.opened(inode),
        uid: caller.uid,
        gid: caller.gids[0] ?? 0,
      },
      at('getattr', caller, inode),
    );
    return attributes;
  }

  /** Without any member set only ctime changes, as by chown(-1, -1). The length is changed by {@link truncate}. */
  async setattr(caller: Caller, inode: number, change: AttributeChange): Promise<Entry['attributes']> {
    const { mode, uid, gid, atime, mtime } = change;
    let setmask = 0;
    if (mode !== undefined) setmask |= SET_MODE_FLAG;
    if (uid !== undefined) setmask |= SET_UID_FLAG;
    if (gid !== undefined) setmask |= SET_GID_FLAG;
    if (atime !== undefined) setmask |= atime === 'now' ? SET_ATIME_NOW_FLAG : SET_ATIME_FLAG;
    if (mtime !== undefined) setmask |= mtime === 'now' ? SET_MTIME_NOW_FLAG : SET_MTIME_FLAG;
    if (atime !== undefined || mtime !== undefined) this.session.times.forget(inode);
    const { attributes } = await this.asker.ask(
      CLTOMA_FUSE_SETATTR,
      MATOCL_FUSE_SETATTR,
      {
        inode,
        opened: this.opened(inode),
        ...identity(caller),
        setmask,
        mode: (mode ?? 0) & 0o7777,
        attrUid: uid ?? 0,
        attrGid: gid ?? 0,
        atime: typeof atime === 'number' ? seconds(atime) : 0,
        mtime: typeof mtime === 'number' ? seconds(mtime) : 0,
        winattr: 0,
        sugidClearMode: change.sugidClearMode ?? SUGID_CLEAR_MODE_EXT,
      },
      at('setattr', caller, inode),
    );
    return attributes;
  }

  /**
   * Sets the length, or what else TRUNCATE_FLAG_* say (spec 02 §6.6); waits for chunkservers that are away. With RESERVE, `length`
   * is the number of bytes to append and `prevLength` of the answer where they go; sent again after a failover, it may leave a hole
   * of that size (spec 13 §2.12).
   */
  truncate(caller: Caller, inode: number, length: number, flags = 0): Promise<Truncated> {
    return truncate(this.asker, caller, inode, length, flags);
  }

  /** `mask`: MODE_MASK_* bits. */
  access(caller: Caller, inode: number, mask: number): Promise<void> {
    return this.asker.tell(
      CLTOMA_FUSE_ACCESS,
      MATOCL_FUSE_ACCESS,
      { inode, ...identity(caller), mask },
      at('access', caller, inode),
    );
  }

  async readlink(caller: Caller, inode: number): Promise<Buffer> {
    const { target } = await this.asker.ask(
      CLTOMA_FUSE_READLINK,
      MATOCL_FUSE_READLINK,
      { inode },
      at('readlink', caller, inode),
    );
    return target;
  }

  async statfs(signal?: AbortSignal): Promise<SpaceInfo> {
    const { value } = await this.session.request(
      CLTOMA_FUSE_STATFS,
      MATOCL_FUSE_STATFS,
      {},
      { operation: 'statfs', signal },
    );
    return value;
  }

  // ---- files -----------------------------------------------------------------------------------------------------

  /** Opens: the inode is held until {@link release}. `flags`: OPEN_* bits of the request. */
  async open(caller: Caller, inode: number, flags: number): Promise<OpenResult> {
    const options = at('open', caller, inode);
    const { value } = await this.session.requestOpen(
      CLTOMA_FUSE_OPEN,
      MATOCL_FUSE_OPEN,
      { inode, ...identity(caller), flags },
      options,
      (answer) => (answer.variant === 'ok' ? inode : undefined),
    );
    return dataOf(value, options);
  }

  /** Opens what a LOOKUP just allowed to open: held at once, so that nobody need wait for the answer; released if that is a refusal. */
  async openAhead(caller: Caller, inode: number, flags: number): Promise<OpenResult> {
    const { openInodes } = this.session;
    openInodes.acquire(inode);
    const request = { inode, ...identity(caller), flags: flags | OPEN_AFTER_CREATE };
    try {
      return await this.asker.ask(CLTOMA_FUSE_OPEN, MATOCL_FUSE_OPEN, request, at('open', caller, inode));
    } catch (error) {
      openInodes.release(inode);
      throw error;
    }
  }

  /** Makes and opens a file: the inode is held until {@link release}. EEXIST when there is one. */
  async create(
    caller: Caller,
    parent: number,
    name: Buffer,
    mode: number,
    umask = 0,
  ): Promise<OpenResult & { readonly inode: number }> {
    const options = at('create', caller, parent, name);
    return this.session.holdReports(async () => {
      const { value, resent } = await this.session.requestOpen(
        CLTOMA_FUSE_CREATE,
        MATOCL_FUSE_CREATE,
        { parent, name, mode: mode & 0o7777, cumask: umask, ...identity(caller) },
        options,
        (answer) => (answer.variant === 'ok' ? answer.inode : undefined),
      );
      if (value.variant === 'ok' || !resent) return dataOf(value, options);
      const made = await this.resent.created(caller, parent, name, value.status);
      if (made === undefined) return dataOf(value, options);
      this.session.openInodes.acquire(made.inode);
      return { inode: made.inode, attributes: made.attributes, oflags: 0 };
    });
  }

  /** One opening less. The master hears of it with the next report, minutes later (spec 02 §12.1). */
  release(inode: number): void {
    this.session.openInodes.release(inode);
  }

  // ---- chunks ----------------------------------------------------------------------------------------------------

  async readChunk(inode: number, chunkIndex: number, flags: number): Promise<ChunkLocation> {
    return location(
      await this.asker.ask(
        CLTOMA_FUSE_READ_CHUNK,
        MATOCL_FUSE_READ_CHUNK,
        { inode, chunkIndex, flags },
        { operation: `read of chunk ${chunkIndex}`, inode },
      ),
    );
  }

  async writeChunk(inode: number, chunkIndex: number, flags: number, sentAgain: () => void): Promise<ChunkLocation> {
    return location(
      await this.asker.ask(
        CLTOMA_FUSE_WRITE_CHUNK,
        MATOCL_FUSE_WRITE_CHUNK,
        { inode, chunkIndex, flags },
        {
          operation: `write of chunk ${chunkIndex}`,
          inode,
          beforeResend: (payload) => {
            payload.writeUInt8(flags | CHUNKOPFLAG_CONTINUEOP, payload.length - 1);
            sentAgain();
          },
        },
      ),
    );
  }

  writeChunkEnd(chunkId: number, inode: number, chunkIndex: number, length: number, flags: number): Promise<void> {
    return this.asker.tell(
      CLTOMA_FUSE_WRITE_CHUNK_END,
      MATOCL_FUSE_WRITE_CHUNK_END,
      { chunkId, inode, chunkIndex, length, flags },
      { operation: `end of write of chunk ${chunkIndex}`, inode },
    );
  }

  private opened(inode: number): number {
    return this.session.openInodes.has(inode) ? 1 : 0;
  }
}

type WithLocations = Omit<ChunkLocation, 'servers'> & { readonly locations: ChunkLocation['servers'] };

function location({ length, chunkId, version, locations }: WithLocations): ChunkLocation {
  return { length, chunkId, version, servers: locations };
}

function seconds(time: number): number {
  return Math.min(Math.max(Math.floor(time), 0), 0xffff_ffff);
}
