/** Access times, and times that clients report in batches: spec 09 §8. */
import { ATIME_FILES_AND_RELATIVE_ONLY, ATIME_FILES_ONLY, ATIME_NEVER, ATIME_RELATIVE_ONLY } from '@wapiti-fs/protocol';
import { type Ctx, resolve } from './access.js';
import type { Metadata } from './metadata.js';

const DAY_S = 86400;

function isRelativelyDue({ store }: Metadata, inode: number, time: number): boolean {
  const atime = store.nodes.atime.get(inode);
  const ctime = store.nodes.ctime.get(inode);
  const mtime = store.nodes.mtime.get(inode);
  return (atime <= ctime && time >= ctime) || (atime <= mtime && time >= mtime) || atime + DAY_S < time;
}

/** A directory or symlink was read. */
export function touchRead(metadata: Metadata, now: number, inode: number): void {
  const { atimeMode } = metadata.options;
  if (metadata.store.nodes.atime.get(inode) === now) return;
  if (atimeMode === ATIME_FILES_ONLY || atimeMode === ATIME_FILES_AND_RELATIVE_ONLY || atimeMode === ATIME_NEVER)
    return;
  if (atimeMode === ATIME_RELATIVE_ONLY && !isRelativelyDue(metadata, inode, now)) return;
  metadata.commit({ op: 'ACCESS', ts: now, inode });
}

/** AMTIME_INODES: times of reads and writes that a client has collected; what is unknown or older is skipped. */
export function syncTimes(
  metadata: Metadata,
  ctx: Ctx,
  items: readonly { readonly inode: number; readonly atime: number; readonly mtime: number }[],
): void {
  const { nodes } = metadata.store;
  const { atimeMode } = metadata.options;
  const relative = atimeMode === ATIME_RELATIVE_ONLY || atimeMode === ATIME_FILES_AND_RELATIVE_ONLY;
  for (const item of items) {
    if (item.inode === 0 || (item.atime === 0 && item.mtime === 0)) continue;
    const inode = resolve(metadata.store, ctx.session, item.inode, true);
    if (inode === 0) continue;
    let atime = nodes.atime.get(inode);
    let mtime = nodes.mtime.get(inode);
    let ctime = nodes.ctime.get(inode);
    const readAllowed = atimeMode !== ATIME_NEVER && (!relative || isRelativelyDue(metadata, inode, item.atime));
    const read = item.atime > atime && readAllowed;
    const written = item.mtime > mtime;
    if (!read && !written) continue;
    if (read) atime = item.atime;
    if (written) mtime = ctime = item.mtime;
    metadata.commit({ op: 'AMTIME', ts: ctx.now, inode, atime, mtime, ctime });
  }
}
