/** Live setters of trash time, storage class, extra attributes and archive flags, and their getters: spec 09 §16, §27. */
import {
  DISABLE_SETEATTR,
  DISABLE_SETSCLASS,
  DISABLE_SETTRASH,
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_NOECACHE,
  EATTR_UNDELETABLE,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MFS_ERROR_QUOTA,
  SESFLAG_ADMIN,
  SMODE_DECREASE,
  SMODE_EXCHANGE,
  SMODE_INCREASE,
  SMODE_RMASK,
  SMODE_SET,
  SMODE_TMASK,
} from '@wapiti-fs/protocol';
import type { MetadataStore } from '../store/store.js';
import { type Ctx, resolve } from './access.js';
import { classVerdict, eattrVerdict, hasSettings, isForeign, trashtimeVerdict, walk } from './apply/setters.js';
import type { WalkResult } from './apply/setters.js';
import { isReadOnly } from './entries.js';
import type { Metadata } from './metadata.js';
import { directoriesAbove, quotaFits } from './quota.js';
import { OK, refuse, type Refused } from './results.js';

const MAX_SMODE = SMODE_TMASK | SMODE_RMASK;
const LAST_GOAL = 9;
const MAX_TRASH_S = 65535 * 3600;
const SECONDS_PER_HOUR = 3600;
const ADMIN_BITS = EATTR_UNDELETABLE | EATTR_APPENDONLY | EATTR_IMMUTABLE;

type Changed = Refused | ({ readonly status: 0 } & Readonly<WalkResult>);

const isRecursive = (smode: number): boolean => (smode & SMODE_RMASK) !== 0;

/** Whether a value is outside what the session may set. */
function isBeyond(smode: number, value: number, min: number, max: number): boolean {
  const mode = smode & SMODE_TMASK;
  return (mode !== SMODE_INCREASE && value < min) || (mode !== SMODE_DECREASE && value > max);
}

function counted({ changed, notchanged, denied }: WalkResult): Changed {
  return { ...OK, changed, notchanged, denied };
}

/** SETTRASHTIME. @param seconds rounded up to hours; more than 65535 hours are taken as 65535 */
export function setTrashtime(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  seconds: number,
  smode: number,
): Changed {
  const { store } = metadata;
  if ((ctx.session.disables & DISABLE_SETTRASH) !== 0) return refuse(MFS_ERROR_EPERM);
  const limits = store.tables.sessions.get(ctx.session.id);
  if (limits !== undefined && isBeyond(smode, seconds, limits.mintrashtime, limits.maxtrashtime))
    return refuse(MFS_ERROR_EPERM);
  if (smode > MAX_SMODE) return refuse(MFS_ERROR_EINVAL);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (!hasSettings(store, inode)) return refuse(MFS_ERROR_EPERM);
  const trashtime = Math.min(seconds, MAX_TRASH_S);
  const request = { uid: ctx.uid, trashtime, smode };
  if (!isRecursive(smode) && trashtimeVerdict(store, inode, request) === 'denied') return refuse(MFS_ERROR_EPERM);
  const none = { changed: 0, notchanged: 0, denied: 0 };
  return counted(metadata.perform<'SETTRASHTIME'>({ op: 'SETTRASHTIME', ts: ctx.now, inode, ...request, ...none }));
}

/** SETEATTR. */
export function setEattr(metadata: Metadata, ctx: Ctx, inodeNumber: number, eattr: number, smode: number): Changed {
  const { store } = metadata;
  if ((ctx.session.disables & DISABLE_SETEATTR) !== 0) return refuse(MFS_ERROR_EPERM);
  if (smode > MAX_SMODE) return refuse(MFS_ERROR_EINVAL);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  if ((ctx.session.sesflags & SESFLAG_ADMIN) === 0 && (eattr & ADMIN_BITS) !== 0) return refuse(MFS_ERROR_EPERM);
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  const request = { uid: ctx.uid, eattr, smode };
  if (!isRecursive(smode) && eattrVerdict(store, inode, request).verdict === 'denied') return refuse(MFS_ERROR_EPERM);
  const none = { changed: 0, notchanged: 0, denied: 0 };
  return counted(metadata.perform<'SETEATTR'>({ op: 'SETEATTR', ts: ctx.now, inode, ...request, ...none }));
}

/**
 * SETSCLASS. Ids of classes: the caller has found names (an unknown name is EINVAL).
 * @param src of the exchange; `dst` for goals, 1 for other settings by name
 */
export function setStorageClass(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  src: number,
  dst: number,
  smode: number,
): Changed {
  const { store } = metadata;
  const { sclasses, sessions } = store.tables;
  if ((ctx.session.disables & DISABLE_SETSCLASS) !== 0) return refuse(MFS_ERROR_EPERM);
  if (!sclasses.has(src) || !sclasses.has(dst)) return refuse(MFS_ERROR_EINVAL);
  const limits = sessions.get(ctx.session.id);
  if (limits !== undefined && dst <= LAST_GOAL && isBeyond(smode, dst, limits.mingoal, limits.maxgoal))
    return refuse(MFS_ERROR_EPERM);
  if (smode > MAX_SMODE) return refuse(MFS_ERROR_EINVAL);
  const mode = smode & SMODE_TMASK;
  const single = mode === SMODE_SET || mode === SMODE_EXCHANGE;
  if (!single && dst > LAST_GOAL) return refuse(MFS_ERROR_EINVAL);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (!hasSettings(store, inode)) return refuse(MFS_ERROR_EPERM);
  const admin = (ctx.session.sesflags & SESFLAG_ADMIN) !== 0;
  const request = { uid: ctx.uid, src, dst, smode };
  if (!isRecursive(smode) && classVerdict(store, inode, request, admin) === 'denied') return refuse(MFS_ERROR_EPERM);
  if ((mode === SMODE_SET || mode === SMODE_INCREASE) && !classFits(store, inode, request, admin))
    return refuse(MFS_ERROR_QUOTA);
  const none = { changed: 0, notchanged: 0, denied: 0 };
  const guarded = isRecursive(smode) && [...sclasses.values()].some((sclass) => sclass.adminOnly);
  if (admin || !guarded)
    return counted(metadata.perform<'SETSCLASS'>({ op: 'SETSCLASS', ts: ctx.now, inode, ...request, ...none }));
  // A replay knows nothing of the session's rights: one line for each object really changed (spec 09 §33 no. 26).
  for (const at of [...walk(store, inode, true)]) {
    if (!hasSettings(store, at)) continue;
    const verdict = classVerdict(store, at, request, false);
    none[verdict]++;
    if (verdict === 'changed')
      metadata.perform<'SETSCLASS'>({
        ...{ op: 'SETSCLASS', ts: ctx.now, inode: at, uid: ctx.uid, src, dst, smode: mode },
        ...{ changed: 1, notchanged: 0, denied: 0 },
      });
  }
  return counted(none);
}

/** Quotas of realsize when files get more copies (spec 09 §16.3). */
function classFits(
  store: MetadataStore,
  start: number,
  request: { uid: number; src: number; dst: number; smode: number },
  admin: boolean,
): boolean {
  const { quotas } = store.tables;
  if (quotas.size === 0) return true;
  const growth = new Map<number, number>();
  for (const inode of walk(store, start, isRecursive(request.smode))) {
    if (!store.nodes.isFile(inode) || classVerdict(store, inode, request, admin) !== 'changed') continue;
    const { size } = store.stats.contribution(inode);
    const more = size * (store.goalFactor(request.dst) - store.goalFactor(store.nodes.sclass.get(inode)));
    if (more <= 0) continue;
    for (const directory of directoriesAbove(store, inode))
      if (quotas.has(directory)) growth.set(directory, (growth.get(directory) ?? 0) + more);
  }
  return [...growth].every(([directory, realsize]) => quotaFits(store, directory, { realsize }));
}

/** ARCHCTL with command set (`archived`) or clear; counts chunks, denied ones are files. */
export function setArchived(metadata: Metadata, ctx: Ctx, inodeNumber: number, archived: boolean): Changed {
  const { store } = metadata;
  if ((ctx.session.disables & DISABLE_SETEATTR) !== 0) return refuse(MFS_ERROR_EPERM);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (!hasSettings(store, inode)) return refuse(MFS_ERROR_EPERM);
  const immutable = (store.nodes.eattr.get(inode) & EATTR_IMMUTABLE) !== 0;
  if (store.nodes.isFile(inode) && (immutable || isForeign(store, inode, ctx.uid))) return refuse(MFS_ERROR_EPERM);
  const none = { changed: 0, notchanged: 0, denied: 0 };
  const cmd = archived ? 1 : 0;
  return counted(metadata.perform<'ARCHCHG'>({ op: 'ARCHCHG', ts: ctx.now, inode, uid: ctx.uid, cmd, ...none }));
}

/** Objects by value: trash time in seconds, class id, or extra attributes. */
export interface SettingCounts {
  readonly status: 0;
  readonly files: ReadonlyMap<number, number>;
  readonly directories: ReadonlyMap<number, number>;
}

/** GETTRASHTIME, GETSCLASS, GETEATTR; other inodes than directories count as files. Values ascend. */
export function countSettings(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  setting: 'trashtime' | 'sclass' | 'eattr',
  recursive: boolean,
): Refused | SettingCounts {
  const { store } = metadata;
  const { nodes } = store;
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (setting !== 'eattr' && !hasSettings(store, inode)) return refuse(MFS_ERROR_EPERM);
  const counts = { files: new Map<number, number>(), directories: new Map<number, number>() };
  for (const at of walk(store, inode, recursive)) {
    if (setting !== 'eattr' && !hasSettings(store, at)) continue;
    let value = nodes[setting].get(at);
    if (setting === 'trashtime') value *= SECONDS_PER_HOUR;
    if (setting === 'eattr' && !nodes.isDirectory(at)) value &= ~EATTR_NOECACHE;
    const map = nodes.isDirectory(at) ? counts.directories : counts.files;
    map.set(value, (map.get(value) ?? 0) + 1);
  }
  const sorted = (map: Map<number, number>): Map<number, number> => new Map([...map].sort(([a], [b]) => a - b));
  return { ...OK, files: sorted(counts.files), directories: sorted(counts.directories) };
}

/** ARCHCTL with command get: chunks, and files by how many of their chunks are archived. */
export function countArchived(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
):
  | Refused
  | { status: 0; archived: number; notArchived: number; allArchived: number; partlyArchived: number; none: number } {
  const { store } = metadata;
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (!hasSettings(store, inode)) return refuse(MFS_ERROR_EPERM);
  const counts = { archived: 0, notArchived: 0, allArchived: 0, partlyArchived: 0, none: 0 };
  for (const at of walk(store, inode, true)) {
    if (!store.nodes.isFile(at)) continue;
    let archived = 0;
    let chunks = 0;
    for (const { chunkId } of store.nodes.chunks(at)) {
      chunks++;
      const slot = store.chunks.find(chunkId);
      if (slot !== 0 && store.chunks.archived(slot)) archived++;
    }
    counts.archived += archived;
    counts.notArchived += chunks - archived;
    if (chunks === 0) continue;
    if (archived === chunks) counts.allArchived++;
    else if (archived > 0) counts.partlyArchived++;
    else counts.none++;
  }
  return { ...OK, ...counts };
}
