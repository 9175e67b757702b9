/** TRUNCATE: the chunk that is cut is cut on the chunkservers first, so that it may have to wait for them (spec 13 §4.4). */
import {
  CLTOMA_FUSE_TRUNCATE,
  MATOCL_FUSE_TRUNCATE,
  MFS_ERROR_CHUNKBUSY,
  MFS_ERROR_CHUNKLOST,
  MFS_ERROR_CSNOTPRESENT,
  MFS_ERROR_EAGAIN,
  MFS_ERROR_LOCKED,
  MFS_ERROR_NOCHUNKSERVERS,
  MFS_ERROR_NOSPACE,
  MFS_ERROR_NOTDONE,
} from '@wapiti-fs/protocol';

import type { MfsError } from '../errors.js';
import { type Asker, at, identity, type Ok } from './caller.js';
import type { Caller } from './types.js';

export type Truncated = Omit<Ok<ReturnType<typeof MATOCL_FUSE_TRUNCATE.decode>>, 'variant' | 'msgid'>;

const LOCKED_RETRY_MS = 10;
const STEP_MS = 300;
/** The tenth try comes after 11 s, the thirtieth after 130 s. */
const FEW_TRIES = 10;
const TRIES = 30;

/**
 * Refusals that pass, and how often to try; that of a lock is not counted. NOSPACE is also what a master says when the servers of
 * the chunk went away under the operation (spec 03 §12.3), CHUNKLOST when one has come back and is still telling what it holds.
 */
const PASSING = new Map<number | undefined, number>([
  [MFS_ERROR_EAGAIN, TRIES],
  [MFS_ERROR_CHUNKBUSY, TRIES],
  [MFS_ERROR_NOTDONE, TRIES],
  [MFS_ERROR_CSNOTPRESENT, TRIES],
  [MFS_ERROR_NOCHUNKSERVERS, TRIES],
  [MFS_ERROR_NOSPACE, FEW_TRIES],
  [MFS_ERROR_CHUNKLOST, FEW_TRIES],
]);

export async function truncate(
  asker: Asker,
  caller: Caller,
  inode: number,
  length: number,
  flags: number,
): Promise<Truncated> {
  const request = { inode, flags, ...identity(caller), length };
  let tries = 0;
  for (;;) {
    try {
      return await asker.ask(CLTOMA_FUSE_TRUNCATE, MATOCL_FUSE_TRUNCATE, request, at('truncate', caller, inode));
    } catch (error) {
      const { status } = error as MfsError;
      let waitMs = LOCKED_RETRY_MS;
      if (status !== MFS_ERROR_LOCKED) {
        if (++tries >= (PASSING.get(status) ?? 0)) throw error;
        waitMs = 1 + (tries - 1) * STEP_MS;
      }
      await asker.session.pause(waitMs, caller.signal);
    }
  }
}
