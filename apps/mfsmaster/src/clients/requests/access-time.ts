/** Access and modification times (spec 09 §8). */
import type { MetadataStore } from '@wapiti-fs/metadata';
import {
  ATIME_ALWAYS,
  ATIME_FILES_AND_RELATIVE_ONLY,
  ATIME_FILES_ONLY,
  ATIME_NEVER,
  ATIME_RELATIVE_ONLY,
} from '@wapiti-fs/protocol';

import type { MasterContext } from '../../context.js';
import { ChangelogBlockedError } from '../../storage/changelog.js';

const DAY_S = 86_400;

/** Whether time `t` is news compared with what is stored: the rule of relatime. */
function isRelevant({ nodes }: MetadataStore, inode: number, t: number): boolean {
  const atime = nodes.atime.get(inode);
  const past = (other: number): boolean => atime <= other && t >= other;
  return past(nodes.ctime.get(inode)) || past(nodes.mtime.get(inode)) || atime + DAY_S < t;
}

/** READDIR and READLINK. */
export function touchAccessTime({ metadata, config, nowS }: MasterContext, inode: number): void {
  const mode = config().atimeMode;
  const now = nowS();
  const { store } = metadata;
  if (mode === ATIME_FILES_ONLY || mode === ATIME_FILES_AND_RELATIVE_ONLY || mode === ATIME_NEVER) return;
  if (store.nodes.atime.get(inode) === now || !store.nodes.exists(inode)) return;
  if (mode === ATIME_RELATIVE_ONLY && !isRelevant(store, inode, now)) return;
  try {
    metadata.commit({ op: 'ACCESS', ts: now, inode });
  } catch (error) {
    // reading must work on a full disk too
    if (!(error instanceof ChangelogBlockedError)) throw error;
  }
}

/** One item of AMTIME_INODES; 0 = not changed. */
export function setTimes({ metadata, config, nowS }: MasterContext, inode: number, atime: number, mtime: number): void {
  const { store } = metadata;
  const { nodes } = store;
  if (inode === 0 || (atime === 0 && mtime === 0) || !nodes.exists(inode)) return;
  const mode = config().atimeMode;
  const free = mode === ATIME_ALWAYS || mode === ATIME_FILES_ONLY;
  const newAtime =
    atime > nodes.atime.get(inode) && mode !== ATIME_NEVER && (free || isRelevant(store, inode, atime))
      ? atime
      : nodes.atime.get(inode);
  const later = mtime > nodes.mtime.get(inode);
  if (!later && newAtime === nodes.atime.get(inode)) return;
  metadata.commit({
    op: 'AMTIME',
    ts: nowS(),
    inode,
    atime: newAtime,
    mtime: later ? mtime : nodes.mtime.get(inode),
    ctime: later ? mtime : nodes.ctime.get(inode),
  });
}
