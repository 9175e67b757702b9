/** Effects that walk over a tree: extra attributes, trash time, storage class (spec 08 §6.3) and archive flags (§6.4). */
import {
  EATTR_IMMUTABLE,
  EATTR_NOECACHE,
  EATTR_NOOWNER,
  MFS_ERROR_EINVAL,
  MFS_ERROR_EPERM,
  SMODE_DECREASE,
  SMODE_EXCHANGE,
  SMODE_INCREASE,
  SMODE_RMASK,
  SMODE_SET,
  SMODE_TMASK,
} from '@wapiti-fs/protocol';
import type { MetadataStore } from '../../store/store.js';
import { setFileClass } from '../primitives.js';
import type { ChangeOf } from '../records.js';
import { check, checkNode, type Handlers } from './checks.js';

export interface WalkResult {
  changed: number;
  notchanged: number;
  denied: number;
}
type Verdict = keyof WalkResult;

const LAST_GOAL = 9;
const SECONDS_PER_HOUR = 3600;

/** An inode and, if asked, everything below it; a file once for each of its names. */
export function* walk(store: MetadataStore, inode: number, recursive: boolean): Generator<number> {
  const { nodes, edges } = store;
  const pending = [inode];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    yield at;
    if (!recursive || !nodes.isDirectory(at)) continue;
    for (const edge of edges.childEdges(at)) pending.push(edges.child(edge));
  }
}

export const isForeign = (store: MetadataStore, inode: number, uid: number): boolean =>
  uid !== 0 && (store.nodes.eattr.get(inode) & EATTR_NOOWNER) === 0 && uid !== store.nodes.uid.get(inode);

const isImmutable = (store: MetadataStore, inode: number): boolean =>
  (store.nodes.eattr.get(inode) & EATTR_IMMUTABLE) !== 0;

/** Trash time as stored, in hours: the reference's 32-bit arithmetic, cut to 16 bits (spec 09 §16.2). */
export const trashHours = (seconds: number): number =>
  Math.floor(((seconds + SECONDS_PER_HOUR - 1) >>> 0) / SECONDS_PER_HOUR) & 0xffff;

/** Whether a class or trash time can be set on the inode at all. */
export const hasSettings = (store: MetadataStore, inode: number): boolean =>
  store.nodes.isDirectory(inode) || store.nodes.isFile(inode);

export function eattrVerdict(
  store: MetadataStore,
  inode: number,
  { uid, eattr, smode }: { uid: number; eattr: number; smode: number },
): { verdict: Verdict; value: number } {
  const { nodes } = store;
  const old = nodes.eattr.get(inode);
  const locked = isImmutable(store, inode) && (eattr & EATTR_NOOWNER) !== 0;
  if (isForeign(store, inode, uid) || locked) return { verdict: 'denied', value: old };
  const legal = nodes.isDirectory(inode) ? 0xff : 0xff & ~EATTR_NOECACHE;
  const current = old & legal;
  const bits = eattr & legal;
  const mode = smode & SMODE_TMASK;
  let value = current;
  if (mode === SMODE_SET) value = bits;
  else if (mode === SMODE_INCREASE) value = current | bits;
  else if (mode === SMODE_DECREASE) value = current & ~bits;
  return { verdict: value === current ? 'notchanged' : 'changed', value };
}

export function trashtimeVerdict(
  store: MetadataStore,
  inode: number,
  { uid, trashtime, smode }: { uid: number; trashtime: number; smode: number },
): Verdict {
  if (isForeign(store, inode, uid) || isImmutable(store, inode)) return 'denied';
  return moves(store.nodes.trashtime.get(inode), trashHours(trashtime), smode, -1) ? 'changed' : 'notchanged';
}

/** @param admin whether the session may deal with classes that are for administrators */
export function classVerdict(
  store: MetadataStore,
  inode: number,
  { uid, src, dst, smode }: { uid: number; src: number; dst: number; smode: number },
  admin: boolean,
): Verdict {
  const old = store.nodes.sclass.get(inode);
  const { sclasses } = store.tables;
  const guarded = [old, dst].some((sclass) => sclasses.get(sclass)?.adminOnly === true);
  if (isForeign(store, inode, uid) || isImmutable(store, inode) || (guarded && !admin)) return 'denied';
  return moves(old, dst, smode, src) ? 'changed' : 'notchanged';
}

function moves(old: number, wanted: number, smode: number, source: number): boolean {
  const mode = smode & SMODE_TMASK;
  if (mode === SMODE_INCREASE) return old < wanted;
  if (mode === SMODE_DECREASE) return old > wanted;
  if (mode === SMODE_EXCHANGE) return old === source && old !== wanted;
  return old !== wanted;
}

/** Whether administrator's rights explain the counters of a record (a session without them skips objects: spec 08 §8.2). */
function ranAsAdmin(store: MetadataStore, change: ChangeOf<'SETSCLASS'>): boolean {
  if (![...store.tables.sclasses.values()].some((sclass) => sclass.adminOnly)) return true;
  const counts = { changed: 0, notchanged: 0, denied: 0 };
  const changedFiles = new Set<number>();
  for (const inode of walk(store, change.inode, (change.smode & SMODE_RMASK) !== 0)) {
    if (!hasSettings(store, inode)) continue;
    const verdict = classVerdict(store, inode, change, true);
    const again = verdict === 'changed' && store.nodes.nlink.get(inode) > 1 && changedFiles.has(inode);
    counts[again ? 'notchanged' : verdict]++;
    if (verdict === 'changed' && store.nodes.isFile(inode) && store.nodes.nlink.get(inode) > 1) changedFiles.add(inode);
  }
  return change.denied === counts.denied;
}

const noCounts = (): WalkResult => ({ changed: 0, notchanged: 0, denied: 0 });

export const settersEffects = {
  SETEATTR(store, change) {
    const { nodes } = store;
    checkNode(store, change, change.inode);
    check(change.smode <= (SMODE_TMASK | SMODE_RMASK), change, MFS_ERROR_EINVAL, `mode ${change.smode}`);
    const recursive = (change.smode & SMODE_RMASK) !== 0;
    const counts = noCounts();
    for (const inode of walk(store, change.inode, recursive)) {
      const { verdict, value } = eattrVerdict(store, inode, change);
      check(recursive || verdict !== 'denied', change, MFS_ERROR_EPERM, `not the owner of inode ${inode}`);
      counts[verdict]++;
      if (verdict !== 'denied') nodes.eattr.set(inode, value);
      if (verdict === 'changed') nodes.ctime.set(inode, change.ts);
    }
    return counts;
  },
  SETTRASHTIME(store, change) {
    const { nodes } = store;
    checkNode(store, change, change.inode);
    check(change.smode <= (SMODE_TMASK | SMODE_RMASK), change, MFS_ERROR_EINVAL, `mode ${change.smode}`);
    check(hasSettings(store, change.inode), change, MFS_ERROR_EPERM, `inode ${change.inode} has no trash time`);
    const recursive = (change.smode & SMODE_RMASK) !== 0;
    const counts = noCounts();
    for (const inode of walk(store, change.inode, recursive)) {
      if (!hasSettings(store, inode)) continue;
      const verdict = trashtimeVerdict(store, inode, change);
      check(recursive || verdict !== 'denied', change, MFS_ERROR_EPERM, `not the owner of inode ${inode}`);
      counts[verdict]++;
      if (verdict !== 'changed') continue;
      nodes.trashtime.set(inode, trashHours(change.trashtime));
      nodes.ctime.set(inode, change.ts);
    }
    return counts;
  },
  SETSCLASS(store, change) {
    checkNode(store, change, change.inode);
    const mode = change.smode & SMODE_TMASK;
    const single = mode !== SMODE_INCREASE && mode !== SMODE_DECREASE;
    check(change.src > 0 && change.dst > 0, change, MFS_ERROR_EINVAL, 'storage class 0');
    check(single || change.dst <= LAST_GOAL, change, MFS_ERROR_EINVAL, `class ${change.dst} is not a goal`);
    check(change.smode <= (SMODE_TMASK | SMODE_RMASK), change, MFS_ERROR_EINVAL, `mode ${change.smode}`);
    check(hasSettings(store, change.inode), change, MFS_ERROR_EPERM, `inode ${change.inode} has no class`);
    const recursive = (change.smode & SMODE_RMASK) !== 0;
    const admin = ranAsAdmin(store, change);
    const counts = noCounts();
    for (const inode of walk(store, change.inode, recursive)) {
      if (!hasSettings(store, inode)) continue;
      const verdict = classVerdict(store, inode, change, admin);
      check(recursive || verdict !== 'denied', change, MFS_ERROR_EPERM, `not permitted on inode ${inode}`);
      counts[verdict]++;
      if (verdict !== 'changed') continue;
      if (store.nodes.isFile(inode)) setFileClass(store, inode, change.dst);
      else store.nodes.sclass.set(inode, change.dst);
      store.nodes.ctime.set(inode, change.ts);
    }
    return counts;
  },
  ARCHCHG(store, change) {
    const { nodes, chunks } = store;
    const { cmd, uid } = change;
    checkNode(store, change, change.inode);
    check(hasSettings(store, change.inode), change, MFS_ERROR_EPERM, `inode ${change.inode} has no chunks`);
    // The background check sets flags of protected files too (spec 08 §8.2).
    const background = uid === 0 && cmd === 1 && change.denied === 0 && nodes.isFile(change.inode);
    const counts = noCounts();
    for (const inode of walk(store, change.inode, true)) {
      if (!nodes.isFile(inode)) continue;
      if (isForeign(store, inode, uid) || (isImmutable(store, inode) && !background)) {
        counts.denied++;
        continue;
      }
      if (cmd === 0) nodes.ctime.set(inode, change.ts);
      for (const { chunkId } of nodes.chunks(inode)) {
        const slot = chunks.find(chunkId);
        if (slot === 0 || chunks.archived(slot) === (cmd === 1)) counts.notchanged++;
        else {
          chunks.setArchived(slot, cmd === 1);
          counts.changed++;
        }
      }
    }
    check(counts.denied === 0 || nodes.isDirectory(change.inode), change, MFS_ERROR_EPERM, 'not permitted');
    return counts;
  },
} satisfies Handlers;
