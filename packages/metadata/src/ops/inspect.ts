/** Sums, places and health of files: spec 09 §6.11, §18.3, §28. */
import {
  EATTR_IMMUTABLE,
  MFS_ERROR_EACCES,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MFS_ROOT_ID,
  MODE_MASK_W,
  QUOTA_FLAG_HLENGTH,
  QUOTA_FLAG_HREALSIZE,
  QUOTA_FLAG_HSIZE,
  QUOTA_FLAG_SLENGTH,
  QUOTA_FLAG_SREALSIZE,
  QUOTA_FLAG_SSIZE,
  TYPE_SUSTAINED,
  TYPE_TRASH,
} from '@wapiti-fs/protocol';
import type { DirectoryStats } from '../store/stats.js';
import { type Ctx, mayAccess, resolve } from './access.js';
import { isReadOnly, shown } from './entries.js';
import type { Metadata } from './metadata.js';
import { isAtOrAbove } from './primitives.js';
import { directoriesAbove } from './quota.js';
import { OK, refuse, type Refused } from './results.js';

/** GETDIRSTATS: a directory with itself, or a file. */
export function directoryStats(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
): Refused | { status: 0; stats: DirectoryStats } {
  const { store } = metadata;
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (!store.nodes.isDirectory(inode) && !store.nodes.isFile(inode)) return refuse(MFS_ERROR_EPERM);
  return { ...OK, stats: store.stats.contribution(inode) };
}

/** Bytes as STATFS answers them. */
export interface Space {
  total: number;
  available: number;
  free: number;
}

const SPACE_LIMITS = [
  ['realsize', 'srealsize', QUOTA_FLAG_SREALSIZE, 'hrealsize', QUOTA_FLAG_HREALSIZE],
  ['size', 'ssize', QUOTA_FLAG_SSIZE, 'hsize', QUOTA_FLAG_HSIZE],
  ['length', 'slength', QUOTA_FLAG_SLENGTH, 'hlength', QUOTA_FLAG_HLENGTH],
] as const;

/**
 * STATFS: the cluster's space as quotas of the session's folder and all above leave it, and the inodes in it (spec 09 §18.3). All 0
 * if the folder is gone.
 */
export function sessionSpace(metadata: Metadata, ctx: Ctx, space: Readonly<Space>): Space & { inodes: number } {
  const { store } = metadata;
  const root = ctx.session.rootInode === 0 ? MFS_ROOT_ID : ctx.session.rootInode;
  if (!store.nodes.isDirectory(root)) return { total: 0, available: 0, free: 0, inodes: 0 };
  const clip = (total: number, available: number): [number, number] => {
    for (const directory of directoriesAbove(store, root)) {
      const quota = store.tables.quotas.get(directory);
      if (quota === undefined) continue;
      const current = store.stats.of(directory);
      for (const [quantity, soft, softFlag, hard, hardFlag] of SPACE_LIMITS) {
        const limits = [];
        if ((quota.flags & softFlag) !== 0) limits.push(quota[soft]);
        if ((quota.flags & hardFlag) !== 0) limits.push(quota[hard]);
        if (limits.length === 0) continue;
        const limit = Math.min(...limits);
        available = Math.min(available, Math.max(0, limit - current[quantity]));
        total = Math.min(total, limit);
        if (current[quantity] + available < total) total = current[quantity] + available;
      }
    }
    return [total, available];
  };
  const [first, available] = clip(space.total, space.available);
  const [total, free] = clip(first, space.free);
  return { total, available, free, inodes: store.stats.of(root).inodes + 1 };
}

/** PARENTS: directories that hold the inode, within the session's folder; none for a deleted file (spec 09 §33 no. 27). */
export function parents(metadata: Metadata, ctx: Ctx, inodeNumber: number): Refused | { status: 0; inodes: number[] } {
  const { store } = metadata;
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  const inodes: number[] = [];
  for (const edge of store.edges.parentEdges(inode)) {
    const parent = store.edges.parent(edge);
    if (parent !== 0 && isAtOrAbove(store, ctx.session.rootInode, parent)) inodes.push(shown(ctx, parent));
  }
  return { ...OK, inodes };
}

/** PATHS: names of the inode relative to the session's folder. */
export function paths(metadata: Metadata, ctx: Ctx, inodeNumber: number): Refused | { status: 0; paths: Buffer[] } {
  const { store } = metadata;
  const { nodes, edges } = store;
  const { rootInode } = ctx.session;
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  const type = nodes.type.get(inode);
  if (type === TYPE_TRASH || type === TYPE_SUSTAINED) {
    const path = edges.name(nodes.firstParentEdge.get(inode));
    const kind = type === TYPE_TRASH ? './TRASH (' : './SUSTAINED (';
    return { ...OK, paths: [Buffer.concat([Buffer.from(kind), path, Buffer.from(')')])] };
  }
  if (inode === rootInode || inode === MFS_ROOT_ID) return { ...OK, paths: [Buffer.from('/')] };
  const found: Buffer[] = [];
  for (const edge of edges.parentEdges(inode)) {
    const parts: Buffer[] = [];
    let at = edge;
    let inside = false;
    while (at !== 0) {
      parts.unshift(edges.name(at));
      const parent = edges.parent(at);
      inside = parent === rootInode;
      if (inside || parent === 0) break;
      parts.unshift(Buffer.from('/'));
      at = nodes.firstParentEdge.get(parent);
    }
    if (inside) found.push(Buffer.concat(parts));
  }
  return { ...OK, paths: found };
}

/** CHECK of a whole file: chunks by their number of valid copies (10 = ten or more), and holes in its chunk list. */
export function checkFile(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  validCopies: (chunkId: number) => number,
): Refused | { status: 0; byCopies: number[]; holes: number } {
  const { store } = metadata;
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (!store.nodes.isFile(inode)) return refuse(MFS_ERROR_EPERM);
  const byCopies = new Array<number>(11).fill(0);
  let holes = 0;
  for (let i = 0; i < store.nodes.chunkCount(inode); i++) {
    const chunkId = store.nodes.chunkAt(inode, i);
    if (chunkId === 0) holes++;
    else {
      const copies = Math.min(10, validCopies(chunkId));
      byCopies[copies] = (byCopies[copies] ?? 0) + 1;
    }
  }
  return { ...OK, byCopies, holes };
}

/**
 * REPAIR (spec 09 §28.2). `judge` says what is to be done with a chunk: 'keep' (usable copies, locked, or not certain: no
 * chunkserver connected), 'erase', or the version to go back to.
 */
export function repairFile(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  judge: (chunkId: number) => 'keep' | 'erase' | number,
): Refused | { status: 0; notChanged: number; erased: number; repaired: number } {
  const { store } = metadata;
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (!store.nodes.isFile(inode)) return refuse(MFS_ERROR_EPERM);
  if ((store.nodes.eattr.get(inode) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
  if (!mayAccess(store, ctx, inode, MODE_MASK_W)) return refuse(MFS_ERROR_EACCES);
  const counts = { notChanged: 0, erased: 0, repaired: 0 };
  for (let index = 0; index < store.nodes.chunkCount(inode); index++) {
    const chunkId = store.nodes.chunkAt(inode, index);
    const slot = chunkId === 0 ? 0 : store.chunks.find(chunkId);
    const locked = slot !== 0 && store.chunks.lockedTo(slot) >= ctx.now;
    const verdict = chunkId === 0 || locked ? 'keep' : judge(chunkId);
    if (verdict === 'keep' || (verdict !== 'erase' && slot === 0)) {
      counts.notChanged++;
      continue;
    }
    const version = verdict === 'erase' ? 0 : verdict;
    metadata.commit({ op: 'REPAIR', ts: ctx.now, inode, index, version });
    counts[version === 0 ? 'erased' : 'repaired']++;
  }
  return { ...OK, ...counts };
}
