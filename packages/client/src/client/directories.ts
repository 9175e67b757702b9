import {
  type Codec,
  CLTOMA_FUSE_READDIR,
  directoryEntries,
  directoryEntriesWithAttributes,
  EDGEID_MAX,
  GETDIR_FLAG_WITHATTR,
  MATOCL_FUSE_READDIR,
  MFS_ERROR_EACCES,
  ProtocolError,
  Reader,
} from '@wapiti-fs/protocol';

import { MfsError } from '../errors.js';
import { type Asker, at, identity } from './caller.js';
import type { Caller, DirectoryEntry, DirectoryEntryPlus } from './types.js';

const ALL_ENTRIES = 0xffff_ffff;

/** Contents of directories (spec 02 §7), including `.` and `..`. */
export class Directories {
  constructor(private readonly asker: Asker) {}

  read(caller: Caller, inode: number): Promise<DirectoryEntry[]> {
    return this.all(caller, inode, 0, directoryEntries);
  }

  /** With attributes; needs the x permission too (EACCES). */
  async readPlus(caller: Caller, inode: number): Promise<DirectoryEntryPlus[]> {
    const entries = await this.all(caller, inode, GETDIR_FLAG_WITHATTR, directoryEntriesWithAttributes);
    return entries.map(({ name, inode, attributes }) => ({ name, inode, type: attributes.type, attributes }));
  }

  /** With attributes where the caller may have them, otherwise without. */
  async readPlusOrPlain(caller: Caller, inode: number): Promise<(DirectoryEntry & Partial<DirectoryEntryPlus>)[]> {
    try {
      return await this.readPlus(caller, inode);
    } catch (error) {
      if (!(error instanceof MfsError) || error.status !== MFS_ERROR_EACCES) throw error;
      return this.read(caller, inode);
    }
  }

  /**
   * Everything is asked for at once, as by the reference client. A master that gives less tells where to go on; the reference master
   * repeats the position of the request there instead (spec 02 §7), which ends the loop.
   */
  private async all<T>(caller: Caller, inode: number, flags: number, entryList: Codec<T[]>): Promise<T[]> {
    const options = at('readdir', caller, inode);
    const found: T[] = [];
    let position = 0n;
    for (;;) {
      const { nextEdgeId, entries } = await this.asker.ask(
        CLTOMA_FUSE_READDIR,
        MATOCL_FUSE_READDIR,
        { inode, ...identity(caller), flags, maxEntries: ALL_ENTRIES, nextEdgeId: position },
        options,
      );
      let page: T[];
      try {
        page = entryList.read(new Reader(entries), {});
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        const cause = error.at(MATOCL_FUSE_READDIR.name, 'entries');
        throw new MfsError('the master gave an answer that makes no sense', { ...options, code: 'EIO', cause });
      }
      if (found.length === 0) {
        if (nextEdgeId === position || nextEdgeId === EDGEID_MAX) return page;
      }
      for (const entry of page) found.push(entry);
      if (nextEdgeId <= position || nextEdgeId === EDGEID_MAX || page.length === 0) return found;
      position = nextEdgeId;
    }
  }
}
