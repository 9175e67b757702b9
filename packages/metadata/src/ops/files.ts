/** Live operations on the content of files: planning and committing chunk writes, lengths. Spec 09 §9-§11. */
import {
  EATTR_IMMUTABLE,
  MFS_ERROR_CHUNKLOST,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MFS_ERROR_INDEXTOOBIG,
  MFS_ERROR_LOCKED,
  MFS_ERROR_NOCHUNK,
  MFS_ERROR_QUOTA,
  MFSCHUNKSIZE,
  MFSHDRSIZE,
  MFS_MAX_CHUNK_INDEX,
  SESFLAG_READONLY,
  DISABLE_READ,
  DISABLE_WRITE,
} from '@wapiti-fs/protocol';
import { fileSize } from '../store/stats.js';
import type { Ctx } from './access.js';
import type { Metadata } from './metadata.js';
import { quotaAllows } from './quota.js';
import { OK, refuse, type Refused } from './results.js';

/**
 * What the chunk layer must do: `new` create chunk `chunkId` version 1, after {@link FileOperations.commitWrite} and before
 * {@link confirmCreation}; `duplicate` make a copy of `oldChunkId`, after {@link reserveCopy} and before {@link useCopy}, and plan
 * anew; `existing` use it, after raising the version where the layer finds that necessary.
 */
export interface WritePlan {
  readonly status: 0;
  readonly action: 'new' | 'duplicate' | 'existing';
  readonly inode: number;
  readonly index: number;
  /** 0 = hole. */
  readonly oldChunkId: number;
  readonly chunkId: number;
  readonly sclass: number;
}

export class FileOperations {
  constructor(private readonly metadata: Metadata) {}

  /** Spec 09 §10.1: chunk 0 = hole. */
  readChunk(
    ctx: Ctx,
    inode: number,
    index: number,
  ): Refused | { status: 0; length: number; chunkId: number; version: number } {
    const { nodes, chunks } = this.metadata.store;
    if ((ctx.session.disables & DISABLE_READ) !== 0) return refuse(MFS_ERROR_EPERM);
    if (!nodes.exists(inode)) return refuse(MFS_ERROR_ENOENT);
    if (!nodes.isFile(inode)) return refuse(MFS_ERROR_EPERM);
    if (index > MFS_MAX_CHUNK_INDEX) return refuse(MFS_ERROR_INDEXTOOBIG);
    const length = nodes.length.get(inode);
    const chunkId = nodes.chunkAt(inode, index);
    if (chunkId === 0) return { ...OK, length, chunkId: 0, version: 0 };
    const slot = chunks.find(chunkId);
    if (slot === 0) return refuse(MFS_ERROR_NOCHUNK);
    if (chunks.lockedTo(slot) >= ctx.now) return refuse(MFS_ERROR_LOCKED);
    return { ...OK, length, chunkId, version: chunks.version(slot) };
  }

  /** Spec 09 §10.2 without the checks of space and servers. Changes nothing. @param continues the request is a CONTINUEOP */
  planWrite(ctx: Ctx, inode: number, index: number, continues: boolean): Refused | WritePlan {
    const { nodes, chunks } = this.metadata.store;
    if ((ctx.session.disables & DISABLE_WRITE) !== 0) return refuse(MFS_ERROR_EPERM);
    if ((ctx.session.sesflags & SESFLAG_READONLY) !== 0) return refuse(MFS_ERROR_EROFS);
    if (!nodes.exists(inode)) return refuse(MFS_ERROR_ENOENT);
    if (!nodes.isFile(inode) || (nodes.eattr.get(inode) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
    if (index > MFS_MAX_CHUNK_INDEX) return refuse(MFS_ERROR_INDEXTOOBIG);
    const { quotas } = this.metadata.store.tables;
    if (quotas.size > 0 && !quotaAllows(this.metadata.store, inode, this.writeDemand(inode, index)))
      return refuse(MFS_ERROR_QUOTA);
    const oldChunkId = nodes.chunkAt(inode, index);
    const sclass = nodes.sclass.get(inode);
    let action: WritePlan['action'] = 'new';
    let chunkId = chunks.nextChunkId;
    if (oldChunkId !== 0) {
      const slot = chunks.find(oldChunkId);
      if (slot === 0) return refuse(MFS_ERROR_NOCHUNK);
      if (!continues && chunks.lockedTo(slot) >= ctx.now) return refuse(MFS_ERROR_LOCKED);
      const references = chunks.referenceCount(slot);
      if (references === 0) return refuse(MFS_ERROR_CHUNKLOST);
      action = references > 1 ? 'duplicate' : 'existing';
      if (action === 'existing') chunkId = oldChunkId;
    }
    return { status: 0, action, inode, index, oldChunkId, chunkId, sclass };
  }

  /**
   * Carries out a plan in the same turn as it was made. @param opflag as the reference writes it: the chunkservers have something to
   * do. False: they have done it, or (`new`) the end is confirmed.
   */
  commitWrite(now: number, plan: WritePlan, opflag: boolean): { length: number; version: number } {
    const { inode, index, chunkId } = plan;
    this.metadata.commit({ op: 'WRITE', ts: now, inode, index, opflag: opflag ? 1 : 0, canmodmtime: 0, chunkId });
    const { nodes, chunks } = this.metadata.store;
    return { length: nodes.length.get(inode), version: chunks.version(chunks.find(chunkId)) };
  }

  /** The chunkservers failed (spec 09 §10.5). */
  rollback(now: number, plan: WritePlan): void {
    const { nodes } = this.metadata.store;
    const { inode, index, chunkId } = plan;
    if (nodes.isFile(inode) && nodes.chunkAt(inode, index) === chunkId) {
      this.metadata.commit({ op: 'ROLLBACK', ts: now, inode, index, previousChunkId: plan.oldChunkId, chunkId });
    } else this.unlock(now, chunkId);
  }

  /** Spec 09 §10.4: `length` 0 only unlocks. */
  writeEnd(ctx: Ctx, chunkId: number, inode: number, length: number): Refused {
    const { nodes } = this.metadata.store;
    if ((ctx.session.disables & DISABLE_WRITE) !== 0) return refuse(MFS_ERROR_EPERM);
    if ((ctx.session.sesflags & SESFLAG_READONLY) !== 0) return refuse(MFS_ERROR_EROFS);
    if (length > 0) {
      if (!nodes.exists(inode)) return refuse(MFS_ERROR_ENOENT);
      if (!nodes.isFile(inode)) return refuse(MFS_ERROR_EPERM);
      const more = length - nodes.length.get(inode);
      if (more > 0 && !quotaAllows(this.metadata.store, inode, { length: more })) {
        // Unlocked all the same, or clients would wait for the lock's end (spec 09 §33 no. 6).
        this.unlock(ctx.now, chunkId);
        return refuse(MFS_ERROR_QUOTA);
      }
      if (more > 0) {
        this.metadata.commit({ op: 'LENGTH', ts: ctx.now, inode, length, canmodmtime: 0 });
        const { reservations } = this.metadata;
        if (length >= (reservations.get(inode) ?? Infinity)) reservations.delete(inode);
      }
    }
    return this.unlock(ctx.now, chunkId) ? OK : refuse(MFS_ERROR_NOCHUNK);
  }

  /** A whole chunk is counted before it is written (spec 09 §10.2 step 4). */
  private writeDemand(inode: number, index: number): { length: number; size: number; realsize: number } {
    const { store } = this.metadata;
    const { nodes } = store;
    const length = nodes.length.get(inode);
    const last = length === 0 ? 0 : Math.floor((length - 1) / MFSCHUNKSIZE);
    const present = nodes.chunkAt(inode, index) !== 0;
    let size = MFSCHUNKSIZE + MFSHDRSIZE;
    if (present && index < last) size = 0;
    else if (present && index === last) size -= fileSize(length, index + 1, (i) => i === index).size;
    const realsize = size * store.goalFactor(nodes.sclass.get(inode));
    return { length: Math.max(0, index * MFSCHUNKSIZE - length), size, realsize };
  }

  private unlock(now: number, chunkId: number): boolean {
    if (this.metadata.store.chunks.find(chunkId) === 0) return false;
    this.metadata.commit({ op: 'UNLOCK', ts: now, chunkId });
    return true;
  }
}
