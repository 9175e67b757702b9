/** Live operations that share chunks between files: append and snapshots. Spec 09 §12, §14. */
import {
  APPEND_SLICE_FROM_NEG,
  APPEND_SLICE_TO_NEG,
  DISABLE_APPENDCHUNKS,
  DISABLE_RMDIR,
  DISABLE_SNAPSHOT,
  DISABLE_UNLINK,
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_SNAPSHOT,
  MFS_ERROR_EACCES,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MFS_ERROR_INDEXTOOBIG,
  MFS_ERROR_QUOTA,
  MFS_MAX_CHUNK_INDEX,
  MFSCHUNKSIZE,
  MODE_MASK_R,
  MODE_MASK_W,
  MODE_MASK_X,
  SESFLAG_ATTRBIT,
  SNAPSHOT_MODE_DELETE,
  SNAPSHOT_MODE_FORCE_REMOVAL,
} from '@wapiti-fs/protocol';
import { type DirectoryStats, fileSize, noStats } from '../store/stats.js';
import type { MetadataStore } from '../store/store.js';
import { type Ctx, mayAccess, PROTECTED, resolve, stickyAllows } from './access.js';
import { walk } from './apply/setters.js';
import { snapshotTest } from './apply/snapshot.js';
import { isReadOnly } from './entries.js';
import type { Metadata } from './metadata.js';
import { isAtOrAbove, isLegalName } from './primitives.js';
import { quotaAllows, quotaFits } from './quota.js';
import { OK, refuse, type Refused } from './results.js';

const chunksOf = (length: number): number => Math.ceil(length / MFSCHUNKSIZE);

/** APPEND_SLICE: chunks [from, to) of `source`; `changed` tells whether the target has become longer. */
export function appendSlice(
  metadata: Metadata,
  ctx: Ctx,
  targetNumber: number,
  sourceNumber: number,
  flags: number,
  from: number,
  to: number,
): Refused | { status: 0; inode: number; length: number; changed: boolean } {
  const { store } = metadata;
  const { nodes } = store;
  if ((ctx.session.disables & DISABLE_APPENDCHUNKS) !== 0) return refuse(MFS_ERROR_EPERM);
  if (targetNumber === sourceNumber) return refuse(MFS_ERROR_EINVAL);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  const src = resolve(store, ctx.session, sourceNumber);
  const dst = resolve(store, ctx.session, targetNumber);
  if (src === 0 || dst === 0) return refuse(MFS_ERROR_ENOENT);
  if (!nodes.isFile(src)) return refuse(MFS_ERROR_EPERM);
  if (!mayAccess(store, ctx, src, MODE_MASK_R)) return refuse(MFS_ERROR_EACCES);
  if (!nodes.isFile(dst) || (nodes.eattr.get(dst) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
  if (!mayAccess(store, ctx, dst, MODE_MASK_W)) return refuse(MFS_ERROR_EACCES);
  const sourceLength = nodes.length.get(src);
  const length = nodes.length.get(dst);
  const count = chunksOf(sourceLength);
  const first = (flags & APPEND_SLICE_FROM_NEG) !== 0 ? Math.max(0, count - from) : from;
  const end = Math.min(count, (flags & APPEND_SLICE_TO_NEG) !== 0 ? count - to : to);
  if (end <= first) return { ...OK, inode: dst, length, changed: false };
  const base = chunksOf(length);
  if (base + end - first - 1 > MFS_MAX_CHUNK_INDEX) return refuse(MFS_ERROR_INDEXTOOBIG);
  const added = end === count ? sourceLength - first * MFSCHUNKSIZE : (end - first) * MFSCHUNKSIZE;
  const longer = base * MFSCHUNKSIZE + added;
  const entryAt = (i: number): number => (i < base ? nodes.chunkAt(dst, i) : nodes.chunkAt(src, first + i - base));
  const size =
    fileSize(longer, base + end - first, (i) => entryAt(i) !== 0).size -
    fileSize(length, nodes.chunkCount(dst), (i) => nodes.chunkAt(dst, i) !== 0).size;
  const realsize = size * store.goalFactor(nodes.sclass.get(dst));
  if (!quotaAllows(store, dst, { length: longer - length, size, realsize })) return refuse(MFS_ERROR_QUOTA);
  metadata.commit({ op: 'APPEND', ts: ctx.now, dst, src, from: first, to: end - 1 });
  return { ...OK, inode: dst, length: longer, changed: true };
}

/** SNAPSHOT: makes a copy, or with SNAPSHOT_MODE_DELETE removes one (`source` 0). */
export function snapshot(
  metadata: Metadata,
  ctx: Ctx,
  sourceNumber: number,
  directoryNumber: number,
  name: Buffer,
  smode: number,
  umask: number,
): Refused {
  const refusal =
    (smode & SNAPSHOT_MODE_DELETE) !== 0
      ? checkRemoval(metadata.store, ctx, sourceNumber, directoryNumber, name, smode)
      : checkCopy(metadata.store, ctx, sourceNumber, directoryNumber, name, smode);
  if (refusal !== 0) return refuse(refusal);
  metadata.perform<'SNAPSHOT'>({
    op: 'SNAPSHOT',
    ts: ctx.now,
    src: sourceNumber === 0 ? 0 : resolve(metadata.store, ctx.session, sourceNumber),
    dstParent: resolve(metadata.store, ctx.session, directoryNumber),
    name: Buffer.from(name),
    smode,
    sesflags: ctx.session.sesflags | SESFLAG_ATTRBIT,
    uid: ctx.uid,
    gids: ctx.gids,
    cumask: umask | ctx.session.umask,
    ...{ checksum: 0, removed: 0, same: 0, existing: 0, hardlinks: 0, created: 0 },
  });
  return OK;
}

function checkCopy(
  store: MetadataStore,
  ctx: Ctx,
  sourceNumber: number,
  directoryNumber: number,
  name: Buffer,
  smode: number,
): number {
  const { nodes } = store;
  if ((ctx.session.disables & DISABLE_SNAPSHOT) !== 0) return MFS_ERROR_EPERM;
  if (isReadOnly(ctx)) return MFS_ERROR_EROFS;
  if (sourceNumber === 0) return MFS_ERROR_EINVAL;
  const source = resolve(store, ctx.session, sourceNumber);
  const directory = resolve(store, ctx.session, directoryNumber);
  if (source === 0 || directory === 0) return MFS_ERROR_ENOENT;
  if ((nodes.eattr.get(directory) & EATTR_IMMUTABLE) !== 0) return MFS_ERROR_EPERM;
  if (!mayAccess(store, ctx, source, MODE_MASK_R)) return MFS_ERROR_EACCES;
  if (!nodes.isDirectory(directory)) return MFS_ERROR_EPERM;
  if (nodes.isDirectory(source) && isAtOrAbove(store, source, directory)) return MFS_ERROR_EINVAL;
  if (!mayAccess(store, ctx, directory, MODE_MASK_W | MODE_MASK_X)) return MFS_ERROR_EACCES;
  if (!isLegalName(name)) return MFS_ERROR_EINVAL;
  const merged: [number, number][] = [];
  const status = snapshotTest(store, source, directory, name, smode, (from, into) => merged.push([from, into]));
  if (status !== 0) return status;
  return copyFits(store, source, directory, merged) ? 0 : MFS_ERROR_QUOTA;
}

/** Quotas above and inside the destination: the source's sums without what exists already (spec 09 §14.1). */
function copyFits(
  store: MetadataStore,
  source: number,
  directory: number,
  merged: readonly (readonly [number, number])[],
): boolean {
  if (store.tables.quotas.size === 0) return true;
  const { nodes, edges, stats } = store;
  const demands = new Map<number, DirectoryStats>([[directory, stats.contribution(source)]]);
  for (const [from, into] of merged) if (nodes.isDirectory(into)) demands.set(into, { ...stats.of(from) });
  for (const [, existing] of merged) {
    const own = nodes.isDirectory(existing) ? { ...noStats(), inodes: 1 } : stats.contribution(existing);
    for (const edge of edges.parentEdges(existing)) {
      for (let at = edges.parent(edge), steps = 0; at !== 0 && steps <= merged.length; steps++) {
        const demand = demands.get(at);
        if (demand === undefined) break;
        for (const key of ['inodes', 'length', 'size', 'realsize'] as const) demand[key] -= own[key];
        const above = nodes.firstParentEdge.get(at);
        at = at === directory || above === 0 ? 0 : edges.parent(above);
      }
    }
  }
  for (const [at, demand] of demands) {
    const allowed = at === directory ? quotaAllows(store, at, demand) : quotaFits(store, at, demand);
    if (!allowed) return false;
  }
  return true;
}

function checkRemoval(
  store: MetadataStore,
  ctx: Ctx,
  sourceNumber: number,
  directoryNumber: number,
  name: Buffer,
  smode: number,
): number {
  const { nodes, edges } = store;
  if ((ctx.session.disables & (DISABLE_UNLINK | DISABLE_RMDIR)) !== 0) return MFS_ERROR_EPERM;
  if (isReadOnly(ctx)) return MFS_ERROR_EROFS;
  if (sourceNumber !== 0) return MFS_ERROR_EINVAL;
  const directory = resolve(store, ctx.session, directoryNumber);
  if (directory === 0) return MFS_ERROR_ENOENT;
  if (!nodes.isDirectory(directory)) return MFS_ERROR_EPERM;
  if (!mayAccess(store, ctx, directory, MODE_MASK_W | MODE_MASK_X)) return MFS_ERROR_EACCES;
  if (!isLegalName(name)) return MFS_ERROR_EINVAL;
  const edge = edges.find(directory, name);
  if (edge === 0) return MFS_ERROR_ENOENT;
  const top = edges.child(edge);
  if (!stickyAllows(store, ctx, directory, top)) return MFS_ERROR_EPERM;
  if ((smode & SNAPSHOT_MODE_FORCE_REMOVAL) !== 0) return 0;
  if ((nodes.eattr.get(directory) & (EATTR_APPENDONLY | EATTR_IMMUTABLE)) !== 0) return MFS_ERROR_EPERM;
  for (const inode of walk(store, top, true)) {
    const eattr = nodes.eattr.get(inode);
    if (nodes.isDirectory(inode)) {
      if ((eattr & EATTR_APPENDONLY) !== 0) return MFS_ERROR_EPERM;
      if (!mayAccess(store, ctx, inode, MODE_MASK_W | MODE_MASK_X)) return MFS_ERROR_EACCES;
    }
    if ((eattr & EATTR_SNAPSHOT) === 0 || (eattr & PROTECTED) !== 0) return MFS_ERROR_EPERM;
  }
  return 0;
}
