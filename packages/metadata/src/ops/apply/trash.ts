/** Effects on trash, sustained files and free inodes: spec 08 §6.7. */
import { MFS_ERROR_ENOENT, SUSTAINED_BUCKETS, TRASH_BUCKETS, TYPE_TRASH } from '@wapiti-fs/protocol';
import type { MetadataStore } from '../../store/store.js';
import { purgeNode } from '../primitives.js';
import { check, checkResult, type Handlers } from './checks.js';

const SECONDS_PER_HOUR = 3600;

/** Whether a trash file is due (spec 08 §6.7 EMPTYTRASH). */
export function isTrashDue(store: MetadataStore, inode: number, ts: number): boolean {
  const { nodes } = store;
  const keep = nodes.trashtime.get(inode) * SECONDS_PER_HOUR;
  return [nodes.atime, nodes.mtime, nodes.ctime].every((column) => column.get(inode) + keep < ts);
}

function buckets(bucket: number, limit: number): number[] {
  return bucket < limit ? [bucket] : Array.from({ length: limit }, (_, i) => i);
}

export const trashEffects = {
  EMPTYTRASH(store, change) {
    const counts = { freed: 0, sustained: 0 };
    let checksum = 0;
    for (const bucket of buckets(change.bucket, TRASH_BUCKETS)) {
      for (const edge of store.edges.detachedEdges('trash', bucket)) {
        const inode = store.edges.child(edge);
        if (!isTrashDue(store, inode, change.ts)) continue;
        checksum = (checksum ^ inode) >>> 0;
        counts[purgeNode(store, change.ts, inode)]++;
      }
    }
    checkResult(change, 'freed', change.freed, counts.freed);
    checkResult(change, 'sustained', change.sustained, counts.sustained);
    if (change.checksum !== 0) checkResult(change, 'checksum', change.checksum, checksum);
  },
  EMPTYSUSTAINED(store, change) {
    let freed = 0;
    let checksum = 0;
    for (const bucket of buckets(change.bucket, SUSTAINED_BUCKETS)) {
      for (const edge of store.edges.detachedEdges('sustained', bucket)) {
        const inode = store.edges.child(edge);
        if (store.tables.openFiles.isOpen(inode)) continue;
        checksum = (checksum ^ inode) >>> 0;
        purgeNode(store, change.ts, inode);
        freed++;
      }
    }
    checkResult(change, 'freed', change.freed, freed);
    if (change.checksum !== 0) checkResult(change, 'checksum', change.checksum, checksum);
  },
  FREEINODES(store, change) {
    const { freeInodes, tables } = store;
    const { ts, delay } = change;
    freeInodes.cutTimes(ts);
    let freed = 0;
    let checksum = 0;
    const requeued: number[] = [];
    for (let entry = freeInodes.first(); entry !== undefined && entry.time + delay < ts; entry = freeInodes.first()) {
      checksum = (checksum ^ entry.inode) >>> 0;
      freeInodes.shift();
      if (change.requeued > 0 && tables.openFiles.isOpen(entry.inode)) requeued.push(entry.inode);
      else freed++;
    }
    for (const inode of requeued) freeInodes.append(inode, ts);
    checkResult(change, 'freed', change.freed, freed);
    checkResult(change, 'requeued', change.requeued, requeued.length);
    if (change.checksum !== 0) checkResult(change, 'checksum', change.checksum, checksum);
  },
  PURGE(store, change) {
    check(
      store.nodes.type.get(change.inode) === TYPE_TRASH,
      change,
      MFS_ERROR_ENOENT,
      `inode ${change.inode} is not in the trash`,
    );
    purgeNode(store, change.ts, change.inode);
  },
} satisfies Handlers;
