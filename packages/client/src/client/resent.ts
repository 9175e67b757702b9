/**
 * Requests that change names are sent again when the connection breaks before their answer (spec 13 §2.12). When the first copy was
 * executed, the second one fails with "exists" or "no such entry", which would be an error for a program that did nothing wrong.
 * The master cannot tell copies apart, so the outcome is looked at:
 *
 * - created: the master has the file down as opened by this session, which did not open it otherwise: certainly ours;
 * - made: the name exists with the right type and owner, is still empty, and was made since the request was first sent;
 * - removed: the name is gone, as wanted;
 * - renamed, linked: the new name leads to something that changed since, or to the very inode.
 *
 * What remains: two clients that make the same directory, link or special file within the same seconds, both during a failover, may
 * both believe that it is theirs; and a name that never existed counts as removed.
 */
import {
  CLTOMA_LIST_OPEN_FILES,
  MATOCL_LIST_OPEN_FILES,
  type Message,
  MFS_ERROR_EEXIST,
  MFS_ERROR_ENOENT,
  MFS_ERROR_ENOENT_NOCACHE,
  TYPE_FILE,
  TYPE_SYMLINK,
} from '@wapiti-fs/protocol';

import { MfsError } from '../errors.js';
import type { WhenResent } from './caller.js';
import type { MfsClient } from './client.js';
import type { Caller, Entry, LookupResult } from './types.js';

/** The master's clock as known here may be off by so much; times are whole seconds. */
const CLOCK_SLACK_S = 2;

type OkEntry = { variant: 'ok'; msgid: number } & Entry;

export class Resent {
  constructor(private readonly client: MfsClient) {}

  made(
    caller: Caller,
    parent: number,
    name: Buffer,
    type: number,
    sinceS: number,
    target?: Buffer,
  ): WhenResent<OkEntry> {
    return async (status) => {
      if (status !== MFS_ERROR_EEXIST) return undefined;
      const found = await this.find(caller, parent, name);
      if (found === undefined || found.attributes.type !== type) return undefined;
      const { uid, ctime, length } = found.attributes;
      const { info } = this.client.session;
      const owners = [caller.uid, info.mapallUid, ...(caller.uid === 0 ? [info.rootUid] : [])];
      if (!owners.includes(uid) || ctime < sinceS - CLOCK_SLACK_S) return undefined;
      if (type === TYPE_FILE && length > 0) return undefined;
      if (type === TYPE_SYMLINK && !(await this.client.readlink(caller, found.inode)).equals(target ?? Buffer.alloc(0)))
        return undefined;
      return answerOf(found);
    };
  }

  /** After CREATE with a status: the file, if the first copy of the request made it. */
  async created(caller: Caller, parent: number, name: Buffer, status: number): Promise<LookupResult | undefined> {
    if (status !== MFS_ERROR_EEXIST) return undefined;
    const found = await this.find(caller, parent, name);
    const { session } = this.client;
    if (found?.attributes.type !== TYPE_FILE || session.openInodes.has(found.inode)) return undefined;
    const { value } = await session.request(
      CLTOMA_LIST_OPEN_FILES as Message<{ variant: 'msgid'; msgid: number; sessionId: number }>,
      MATOCL_LIST_OPEN_FILES,
      { variant: 'msgid', sessionId: session.info.sessionId },
      { operation: 'create', inode: found.inode, path: name.toString(), signal: caller.signal },
    );
    // The first number is the msgid.
    return value.numbers.includes(found.inode, 1) ? found : undefined;
  }

  removed(): WhenResent<{ variant: 'ok'; msgid: number; inode: number }> {
    return async (status) => (isAbsent(status) ? { variant: 'ok', msgid: 0, inode: 0 } : undefined);
  }

  renamed(caller: Caller, newParent: number, newName: Buffer, sinceS: number): WhenResent<OkEntry> {
    return async (status) => {
      if (!isAbsent(status)) return undefined;
      const found = await this.find(caller, newParent, newName);
      return found !== undefined && found.attributes.ctime >= sinceS - CLOCK_SLACK_S ? answerOf(found) : undefined;
    };
  }

  linked(caller: Caller, inode: number, newParent: number, newName: Buffer): WhenResent<OkEntry> {
    return async (status) => {
      if (status !== MFS_ERROR_EEXIST) return undefined;
      const found = await this.find(caller, newParent, newName);
      return found?.inode === inode ? answerOf(found) : undefined;
    };
  }

  private async find(caller: Caller, parent: number, name: Buffer): Promise<LookupResult | undefined> {
    try {
      return await this.client.lookup(caller, parent, name);
    } catch (error) {
      if (error instanceof MfsError && error.status !== undefined) return undefined;
      throw error;
    }
  }
}

function isAbsent(status: number): boolean {
  return status === MFS_ERROR_ENOENT || status === MFS_ERROR_ENOENT_NOCACHE;
}

function answerOf({ inode, attributes }: Entry): OkEntry {
  return { variant: 'ok', msgid: 0, inode, attributes };
}
