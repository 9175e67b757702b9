/**
 * Live truncate: spec 09 §11. A cut inside a chunk is work for chunkservers before {@link finishTruncate}: with a version raised
 * before, or in a copy (see {@link reserveCopy}).
 */
import {
  type AttributeRecord,
  DISABLE_SETLENGTH,
  DISABLE_TRUNCATE,
  DISABLE_WRITE,
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  MFS_ERROR_CHUNKLOST,
  MFS_ERROR_EACCES,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MFS_ERROR_INDEXTOOBIG,
  MFS_ERROR_LOCKED,
  MFS_ERROR_NOCHUNK,
  MFS_ERROR_QUOTA,
  MFS_MAX_CHUNK_INDEX,
  MFSCHUNKSIZE,
  MODE_MASK_W,
  TRUNCATE_FLAG_OPENED,
  TRUNCATE_FLAG_RESERVE,
  TRUNCATE_FLAG_TIMEFIX,
  TRUNCATE_FLAG_UPDATE,
} from '@wapiti-fs/protocol';
import { fileSize } from '../store/stats.js';
import { attributeRecord, type Ctx, mayAccess, resolve } from './access.js';
import { isReadOnly } from './entries.js';
import type { Metadata } from './metadata.js';
import { quotaAllows } from './quota.js';
import { OK, refuse, type Refused } from './results.js';

/** What chunkservers must do: cut (or extend) `oldChunkId`, or a copy of it under the new id, to `lengthInChunk` bytes. */
export interface ChunkCut {
  readonly action: 'existing' | 'duplicate';
  readonly index: number;
  readonly oldChunkId: number;
  readonly chunkId: number;
  readonly lengthInChunk: number;
  readonly sclass: number;
}

export interface TruncatePlan {
  readonly status: 0;
  readonly inode: number;
  readonly flags: number;
  /** Bytes asked for; with RESERVE those to be added. */
  readonly length: number;
  /** Length before; with RESERVE the offset at which the caller may write. */
  readonly previousLength: number;
  readonly cut?: ChunkCut;
}

function planCut(metadata: Metadata, now: number, inode: number, length: number): Refused | { cut?: ChunkCut } {
  const { nodes, chunks } = metadata.store;
  const lengthInChunk = length % MFSCHUNKSIZE;
  const index = Math.floor(length / MFSCHUNKSIZE);
  const oldChunkId = lengthInChunk === 0 || length === nodes.length.get(inode) ? 0 : nodes.chunkAt(inode, index);
  if (oldChunkId === 0) return {};
  const slot = chunks.find(oldChunkId);
  if (slot === 0) return refuse(MFS_ERROR_NOCHUNK);
  if (chunks.lockedTo(slot) >= now) return refuse(MFS_ERROR_LOCKED);
  const references = chunks.referenceCount(slot);
  if (references === 0) return refuse(MFS_ERROR_CHUNKLOST);
  const common = { index, oldChunkId, lengthInChunk, sclass: nodes.sclass.get(inode) };
  if (references === 1) return { cut: { ...common, action: 'existing', chunkId: oldChunkId } };
  return { cut: { ...common, action: 'duplicate', chunkId: chunks.nextChunkId } };
}

/** Growth of the file's last chunk, as quotas count it (holes cost nothing). */
function growth(metadata: Metadata, inode: number, length: number): { size: number; realsize: number } {
  const { nodes } = metadata.store;
  const entries = nodes.chunkCount(inode);
  const present = (i: number): boolean => nodes.chunkAt(inode, i) !== 0;
  const size = fileSize(length, entries, present).size - fileSize(nodes.length.get(inode), entries, present).size;
  return { size, realsize: size * metadata.store.goalFactor(nodes.sclass.get(inode)) };
}

/** The checks, changing nothing. Status LOCKED: the chunk is busy, ask again when it is not. */
export function planTruncate(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  flags: number,
  length: number,
): Refused | TruncatePlan {
  const { store, reservations } = metadata;
  const { nodes } = store;
  const { disables } = ctx.session;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const noTruncate = (disables & DISABLE_TRUNCATE) !== 0;
  const noSetLength = (disables & DISABLE_SETLENGTH) !== 0;
  const writes = has(TRUNCATE_FLAG_RESERVE) || has(TRUNCATE_FLAG_UPDATE);
  const disabled = writes ? (disables & DISABLE_WRITE) !== 0 : noTruncate && noSetLength;
  if (disabled) return refuse(MFS_ERROR_EPERM);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  const opened = has(TRUNCATE_FLAG_OPENED);
  const inode = resolve(store, ctx.session, inodeNumber, opened);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  const eattr = nodes.eattr.get(inode);
  if ((eattr & EATTR_IMMUTABLE) !== 0 || ((eattr & EATTR_APPENDONLY) !== 0 && !writes)) return refuse(MFS_ERROR_EPERM);
  if (!opened && !mayAccess(store, ctx, inode, MODE_MASK_W)) return refuse(MFS_ERROR_EACCES);
  if (!nodes.isFile(inode)) return refuse(MFS_ERROR_EPERM);
  const old = nodes.length.get(inode);
  const reserves = has(TRUNCATE_FLAG_RESERVE);
  const offset = reserves ? Math.max(reservations.get(inode) ?? 0, old) : old;
  const plan = { ...OK, inode, flags, length, previousLength: offset };
  if (has(TRUNCATE_FLAG_UPDATE)) return plan;
  const target = reserves ? offset + length : length;
  if (!reserves && ((noTruncate && target < old) || (noSetLength && target > old))) return refuse(MFS_ERROR_EPERM);
  if (target > old) {
    if (target > (MFS_MAX_CHUNK_INDEX + 1) * MFSCHUNKSIZE) return refuse(MFS_ERROR_INDEXTOOBIG);
    const demand = { length: target - old, ...growth(metadata, inode, target) };
    if (!quotaAllows(store, inode, demand)) return refuse(MFS_ERROR_QUOTA);
  }
  if (reserves) return plan;
  const planned = planCut(metadata, ctx.now, inode, target);
  return 'status' in planned ? planned : { ...plan, ...planned };
}

/** After the chunkservers have done their part, or at once where they have none. */
export function finishTruncate(
  metadata: Metadata,
  ctx: Ctx,
  plan: TruncatePlan,
): Refused | { status: 0; previousLength: number; attributes: AttributeRecord } {
  const { store, reservations } = metadata;
  const { inode, flags, length, previousLength, cut } = plan;
  const ts = ctx.now;
  if (cut !== undefined && store.chunks.find(cut.chunkId) !== 0)
    metadata.commit({ op: 'UNLOCK', ts, chunkId: cut.chunkId });
  // The file may have been removed while chunkservers worked.
  if (!store.nodes.isFile(inode)) return refuse(MFS_ERROR_ENOENT);
  if ((flags & TRUNCATE_FLAG_RESERVE) !== 0) reservations.set(inode, previousLength + length);
  else {
    reservations.delete(inode);
    const old = store.nodes.length.get(inode);
    const updates = (flags & TRUNCATE_FLAG_UPDATE) !== 0;
    const keepsTimes = updates || ((flags & TRUNCATE_FLAG_TIMEFIX) !== 0 && length === previousLength);
    if (!updates || length > old) metadata.commit({ op: 'LENGTH', ts, inode, length, canmodmtime: keepsTimes ? 0 : 1 });
  }
  return { ...OK, previousLength, attributes: attributeRecord(store, ctx, inode) };
}
