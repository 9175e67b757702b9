/** Quotas: tests before operations, control, and the check of soft limits. Spec 09 §17. */
import {
  MFS_ERROR_EACCES,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MFS_STATUS_OK,
  QUOTA_FLAG_HINODES,
  QUOTA_FLAG_HLENGTH,
  QUOTA_FLAG_HREALSIZE,
  QUOTA_FLAG_HSIZE,
  QUOTA_FLAG_SINODES,
  QUOTA_FLAG_SLENGTH,
  QUOTA_FLAG_SREALSIZE,
  QUOTA_FLAG_SSIZE,
  SESFLAG_ADMIN,
  SESFLAG_READONLY,
} from '@wapiti-fs/protocol';
import type { MetadataStore } from '../store/store.js';
import type { Quota } from '../store/tables.js';
import { type Ctx, resolve } from './access.js';
import type { Metadata } from './metadata.js';
import { refuse, type Refused } from './results.js';

/** What an operation adds; lengths and sizes in bytes. */
export interface QuotaDemand {
  readonly inodes?: number;
  readonly length?: number;
  readonly size?: number;
  readonly realsize?: number;
}

const QUANTITIES = [
  ['inodes', 'sinodes', QUOTA_FLAG_SINODES, 'hinodes', QUOTA_FLAG_HINODES],
  ['length', 'slength', QUOTA_FLAG_SLENGTH, 'hlength', QUOTA_FLAG_HLENGTH],
  ['size', 'ssize', QUOTA_FLAG_SSIZE, 'hsize', QUOTA_FLAG_HSIZE],
  ['realsize', 'srealsize', QUOTA_FLAG_SREALSIZE, 'hrealsize', QUOTA_FLAG_HREALSIZE],
] as const;

/** Directories at or above an inode, along all its names. */
export function* directoriesAbove(store: MetadataStore, inode: number): Generator<number> {
  const seen = new Set<number>();
  const pending = [inode];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (at === 0 || seen.has(at)) continue;
    seen.add(at);
    if (store.nodes.isDirectory(at)) yield at;
    for (const edge of store.edges.parentEdges(at)) pending.push(store.edges.parent(edge));
  }
}

function fits(store: MetadataStore, quota: Quota, demand: QuotaDemand): boolean {
  const current = store.stats.of(quota.inode);
  return QUANTITIES.every(([quantity, soft, softFlag, hard, hardFlag]) => {
    const more = demand[quantity] ?? 0;
    if (more <= 0) return true;
    const total = current[quantity] + more;
    if ((quota.flags & hardFlag) !== 0 && total > quota[hard]) return false;
    return quota.exceeded === 0 || (quota.flags & softFlag) === 0 || total <= quota[soft];
  });
}

/** Whether the quota of one directory, if it has one, leaves room. */
export function quotaFits(store: MetadataStore, directory: number, demand: QuotaDemand): boolean {
  const quota = store.tables.quotas.get(directory);
  return quota === undefined || fits(store, quota, demand);
}

/** Whether all quotas at and above `inode` leave room (spec 09 §17.3). */
export function quotaAllows(store: MetadataStore, inode: number, demand: QuotaDemand): boolean {
  if (store.tables.quotas.size === 0) return true;
  for (const directory of directoriesAbove(store, inode)) {
    const quota = store.tables.quotas.get(directory);
    if (quota !== undefined && !fits(store, quota, demand)) return false;
  }
  return true;
}

/** The rule of RENAME: quotas on the way to the target that are not above the source, each with all above it. */
export function renameAllowed(
  store: MetadataStore,
  sourceParent: number,
  targetParent: number,
  inode: number,
  replaced: number,
): boolean {
  const { quotas } = store.tables;
  if (quotas.size === 0) return true;
  const moved = store.stats.contribution(inode);
  const gone = replaced === 0 ? undefined : store.stats.contribution(replaced);
  const demand = {
    inodes: Math.max(0, moved.inodes - (gone?.inodes ?? 0)),
    length: Math.max(0, moved.length - (gone?.length ?? 0)),
    size: Math.max(0, moved.size - (gone?.size ?? 0)),
    realsize: Math.max(0, moved.realsize - (gone?.realsize ?? 0)),
  };
  const above = new Set(directoriesAbove(store, sourceParent));
  for (const directory of directoriesAbove(store, targetParent))
    if (quotas.has(directory) && !above.has(directory) && !quotaAllows(store, directory, demand)) return false;
  return true;
}

export type QuotaLimits = Omit<Quota, 'inode' | 'graceperiod' | 'exceeded' | 'flags' | 'stimestamp'>;
const NO_LIMITS: QuotaLimits = {
  sinodes: 0,
  hinodes: 0,
  slength: 0,
  hlength: 0,
  ssize: 0,
  hsize: 0,
  srealsize: 0,
  hrealsize: 0,
};

export interface QuotaRequest {
  /** QUOTA_FLAG_* bits; 0 only asks. */
  readonly flags: number;
  /** Absent = the limits named by `flags` are deleted. */
  readonly set?: QuotaLimits & { readonly graceperiod: number };
  /** uid that root of the session is mapped to. */
  readonly rootuid: number;
}

export interface QuotaState extends QuotaLimits {
  readonly status: 0;
  readonly flags: number;
  readonly graceperiod: number;
  readonly current: { inodes: number; length: number; size: number; realsize: number };
}

/** QUOTACONTROL (spec 09 §17.2). */
export function quotaControl(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  request: QuotaRequest,
): Refused | QuotaState {
  const { store } = metadata;
  const { sesflags, rootInode } = ctx.session;
  const changes = request.flags !== 0;
  if (changes && request.rootuid !== 0) return refuse(MFS_ERROR_EACCES);
  if (changes && (sesflags & SESFLAG_READONLY) !== 0) return refuse(MFS_ERROR_EROFS);
  if ((changes && (sesflags & SESFLAG_ADMIN) === 0) || rootInode === 0) return refuse(MFS_ERROR_EPERM);
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (!store.nodes.isDirectory(inode)) return refuse(MFS_ERROR_EPERM);
  const old = store.tables.quotas.get(inode);
  if (changes) {
    const { set } = request;
    const kept = old?.flags ?? 0;
    const flags = set === undefined ? kept & ~request.flags : kept | request.flags;
    const limits = { ...NO_LIMITS };
    for (const [, soft, softFlag, hard, hardFlag] of QUANTITIES) {
      for (const [limit, flag] of [
        [soft, softFlag],
        [hard, hardFlag],
      ] as const) {
        if ((flags & flag) === 0) continue;
        limits[limit] = (set !== undefined && (request.flags & flag) !== 0 ? set[limit] : old?.[limit]) ?? 0;
      }
    }
    const record = flags === 0 ? { exceeded: 0, stimestamp: 0 } : { exceeded: 0, stimestamp: 0, ...old };
    const graceperiod = flags === 0 ? 0 : set?.graceperiod || (old?.graceperiod ?? 0);
    const { exceeded, stimestamp } = record;
    metadata.commit({ op: 'QUOTA', ts: ctx.now, inode, exceeded, flags, stimestamp, ...limits, graceperiod });
  }
  const { inodes, length, size, realsize } = store.stats.of(inode);
  const quota = store.tables.quotas.get(inode) ?? { ...NO_LIMITS, flags: 0, graceperiod: 0 };
  const { sinodes, hinodes, slength, hlength, ssize, hsize, srealsize, hrealsize } = quota;
  const limits = { sinodes, hinodes, slength, hlength, ssize, hsize, srealsize, hrealsize };
  const current = { inodes, length, size, realsize };
  return { status: MFS_STATUS_OK, flags: quota.flags, graceperiod: quota.graceperiod, ...limits, current };
}

/** Starts and ends grace periods; call each second (spec 09 §17.4). */
export function checkSoftQuotas(metadata: Metadata, now: number): void {
  const { store } = metadata;
  for (const quota of [...store.tables.quotas.values()]) {
    const current = store.stats.of(quota.inode);
    const over = QUANTITIES.some(
      ([quantity, soft, flag]) => (quota.flags & flag) !== 0 && current[quantity] > quota[soft],
    );
    const stimestamp = over ? quota.stimestamp || now : 0;
    const exceeded = stimestamp !== 0 && stimestamp + quota.graceperiod < now ? 1 : 0;
    if (stimestamp !== quota.stimestamp || exceeded !== quota.exceeded)
      metadata.commit({ op: 'QUOTA', ts: now, ...quota, stimestamp, exceeded });
  }
}
