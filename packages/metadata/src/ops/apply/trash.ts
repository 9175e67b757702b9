/** Effects on trash, sustained files and free inodes: spec 08 §6.7. */
import {
  MFS_ERROR_ENOENT,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
  TYPE_TRASH,
  EATTR_IMMUTABLE,
  MFS_ERROR_CANTCREATEPATH,
  MFS_ERROR_EEXIST,
  MFS_ERROR_EINVAL,
  MFS_ERROR_EPERM,
  MFS_ERROR_QUOTA,
  MFS_PATH_MAX,
  MFS_ROOT_ID,
  TYPE_DIRECTORY,
  TYPE_FILE,
} from '@wapiti-fs/protocol';
import type { MetadataStore } from '../../store/store.js';
import { isLegalName, linkEdge, newNode, purgeNode } from '../primitives.js';
import { ApplyError } from '../errors.js';
import type { Change } from '../records.js';
import { check, checkResult, type Handlers } from './checks.js';

const SLASH = 0x2f;
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

function checkTrash(store: MetadataStore, change: Change, inode: number): void {
  const inTrash = store.nodes.type.get(inode) === TYPE_TRASH;
  check(inTrash, change, MFS_ERROR_ENOENT, `inode ${inode} is not in the trash`);
}

export interface UndeletePlan {
  /** Last directory of the path that exists. */
  readonly directory: number;
  /** Directories to be made below it. */
  readonly missing: readonly Buffer[];
  readonly name: Buffer;
}

/** Where a trash file goes back to (spec 09 §13.3); changes nothing. */
export function planUndelete(store: MetadataStore, inode: number): { readonly status: number } | UndeletePlan {
  const { nodes, edges, tables } = store;
  const path = edges.name(nodes.firstParentEdge.get(inode));
  let start = 0;
  while (path[start] === SLASH) start++;
  const parts: Buffer[] = [];
  for (let at = start; at <= path.length;) {
    const slash = path.indexOf(SLASH, at);
    const end = slash < 0 ? path.length : slash;
    parts.push(path.subarray(at, end));
    at = end + 1;
  }
  const name = parts.pop();
  if (name === undefined || ![...parts, name].every(isLegalName)) return { status: MFS_ERROR_CANTCREATEPATH };
  let directory = MFS_ROOT_ID;
  for (let depth = 0; ; depth++) {
    if ((tables.quotas.get(directory)?.exceeded ?? 0) !== 0) return { status: MFS_ERROR_QUOTA };
    if ((nodes.eattr.get(directory) & EATTR_IMMUTABLE) !== 0) return { status: MFS_ERROR_EPERM };
    const part = parts[depth];
    const edge = edges.find(directory, part ?? name);
    if (part === undefined) return edge === 0 ? { directory, missing: [], name } : { status: MFS_ERROR_EEXIST };
    if (edge === 0) return { directory, missing: parts.slice(depth), name };
    directory = edges.child(edge);
    if (!nodes.isDirectory(directory)) return { status: MFS_ERROR_CANTCREATEPATH };
  }
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
    checkTrash(store, change, change.inode);
    purgeNode(store, change.ts, change.inode);
  },
  SETPATH(store, change) {
    const { inode, path } = change;
    checkTrash(store, change, inode);
    check(path.length > 0 && path.length <= MFS_PATH_MAX, change, MFS_ERROR_EINVAL, `path of ${path.length} bytes`);
    const { edges, nodes } = store;
    edges.remove(nodes.firstParentEdge.get(inode));
    edges.add(0, inode, path, edges.allocateId());
  },
  UNDEL(store, change) {
    const { inode, ts } = change;
    checkTrash(store, change, inode);
    const { nodes, edges } = store;
    const plan = planUndelete(store, inode);
    if ('status' in plan) throw new ApplyError(change.op, plan.status, 'the path of the file cannot be restored');
    let { directory } = plan;
    for (const name of plan.missing) {
      const attributes = { type: TYPE_DIRECTORY, mode: 0o755, cumask: 0, uid: 0, gid: 0 };
      directory = newNode(store, { ts, parent: directory, name, ...attributes });
    }
    edges.remove(nodes.firstParentEdge.get(inode));
    nodes.type.set(inode, TYPE_FILE);
    linkEdge(store, ts, directory, inode, plan.name);
  },
} satisfies Handlers;
