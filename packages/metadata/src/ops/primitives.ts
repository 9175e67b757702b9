/** The shared steps of spec 08 §5: edges, node creation and removal, chunk references, lengths. Called by apply only. */
import {
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_NOECACHE,
  EATTR_SNAPSHOT,
  EATTR_UNDELETABLE,
  MFS_PATH_MAX,
  MFS_ROOT_ID,
  MFSCHUNKSIZE,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SUSTAINED,
  TYPE_TRASH,
} from '@wapiti-fs/protocol';
import { isFileType } from '../store/nodes.js';
import type { MetadataStore } from '../store/store.js';
import { ACL_ACCESS, ACL_DEFAULT, type Acl } from '../store/tables.js';

export const TRASHTIME_OF_OTHER_TYPES_HOURS = 24;
const NO_MASK = 0xffff;

/** LINK-EDGE (spec 08 §5.3). `ts` 0 stamps nothing. */
export function linkEdge(store: MetadataStore, ts: number, parent: number, child: number, name: Uint8Array): void {
  const { nodes, edges, stats } = store;
  edges.add(parent, child, name, edges.allocateId());
  stats.add(parent, stats.contribution(child), 1);
  nodes.eattr.set(parent, nodes.eattr.get(parent) & ~EATTR_SNAPSHOT);
  if (ts > 0) {
    nodes.mtime.set(parent, ts);
    nodes.ctime.set(parent, ts);
    nodes.ctime.set(child, ts);
  }
}

/** DROP-EDGE (spec 08 §5.3). */
export function dropEdge(store: MetadataStore, ts: number, edge: number): void {
  const { nodes, edges, stats } = store;
  const parent = edges.parent(edge);
  const child = edges.child(edge);
  if (parent !== 0) {
    stats.add(parent, stats.contribution(child), -1);
    nodes.mtime.set(parent, ts);
    nodes.ctime.set(parent, ts);
    nodes.eattr.set(parent, nodes.eattr.get(parent) & ~EATTR_SNAPSHOT);
  }
  edges.remove(edge);
  if (ts > 0) nodes.ctime.set(child, ts);
}

export interface NewNode {
  readonly ts: number;
  readonly parent: number;
  readonly name: Uint8Array;
  readonly type: number;
  readonly mode: number;
  readonly cumask: number;
  readonly uid: number;
  readonly gid: number;
}

export const copyAcl = (acl: Acl): Acl => ({
  ...acl,
  users: acl.users.map((u) => ({ ...u })),
  groups: acl.groups.map((g) => ({ ...g })),
});

/** NEW-NODE (spec 08 §5.4); returns the inode number. */
export function newNode(store: MetadataStore, spec: NewNode, prepare?: (inode: number) => void): number {
  const { nodes } = store;
  const { ts, parent, type } = spec;
  const inode = store.freeInodes.next();
  nodes.create(inode, type);
  for (const column of [nodes.atime, nodes.mtime, nodes.ctime]) column.set(inode, ts);
  const inherits = type === TYPE_DIRECTORY || type === TYPE_FILE;
  nodes.sclass.set(inode, inherits ? nodes.sclass.get(parent) : 0);
  nodes.trashtime.set(inode, inherits ? nodes.trashtime.get(parent) : TRASHTIME_OF_OTHER_TYPES_HOURS);
  if (type === TYPE_FILE) nodes.goalFactor.set(inode, store.goalFactor(nodes.sclass.get(inode)));
  let dropped = EATTR_SNAPSHOT | EATTR_UNDELETABLE | EATTR_APPENDONLY | EATTR_IMMUTABLE;
  if (type !== TYPE_DIRECTORY) dropped |= EATTR_NOECACHE;
  nodes.eattr.set(inode, nodes.eattr.get(parent) & ~dropped);
  nodes.uid.set(inode, spec.uid);
  nodes.gid.set(inode, (nodes.mode.get(parent) & 0o2000) !== 0 ? nodes.gid.get(parent) : spec.gid);
  nodes.mode.set(inode, inheritMode(store, spec, inode) & 0o7777);
  prepare?.(inode);
  linkEdge(store, ts, parent, inode, spec.name);
  return inode;
}

/** Mode and ACLs of a new node (spec 08 §5.4 steps 4-5). */
function inheritMode(store: MetadataStore, spec: NewNode, inode: number): number {
  const inherited = store.acl(spec.parent, ACL_DEFAULT);
  if (inherited === undefined) return spec.mode & ~spec.cumask;
  const { user, group, other, mask } = inherited;
  if (spec.type === TYPE_DIRECTORY) store.setAcl(inode, ACL_DEFAULT, copyAcl(inherited));
  const plain =
    inherited.users.length + inherited.groups.length === 0 && user <= 7 && group <= 7 && other <= 7 && mask === NO_MASK;
  if (plain) return spec.mode & (0xfe00 | (user << 6) | (group << 3) | other);
  const acl = copyAcl(inherited);
  acl.user = (spec.mode >> 6) & 7 & user;
  acl.other = spec.mode & 7 & other;
  acl.mask = (spec.mode >> 3) & 7 & mask;
  store.setAcl(inode, ACL_ACCESS, acl);
  return (spec.mode & 0xfe00) | (acl.user << 6) | ((group & 7) << 3) | acl.other;
}

/** Path of an edge from the real root, joined by `/`; at most the last 1024 bytes (spec 08 §5.5). */
export function pathOf(store: MetadataStore, edge: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = edge; at !== 0;) {
    parts.unshift(store.edges.name(at));
    const parent = store.edges.parent(at);
    at = parent === MFS_ROOT_ID || parent === 0 ? 0 : store.nodes.firstParentEdge.get(parent);
    if (at !== 0) parts.unshift(Buffer.from('/'));
  }
  const path = Buffer.concat(parts);
  return path.length > MFS_PATH_MAX ? path.subarray(path.length - MFS_PATH_MAX) : path;
}

/** UNLINK-EDGE (spec 08 §5.5). */
export function unlinkEdge(store: MetadataStore, ts: number, edge: number): void {
  const { nodes, edges, tables } = store;
  const inode = edges.child(edge);
  const isFile = nodes.type.get(inode) === TYPE_FILE;
  const last = edges.nextParentEdge(nodes.firstParentEdge.get(inode)) === 0;
  const toTrash = isFile && nodes.trashtime.get(inode) > 0;
  const keep = last && (toTrash || (isFile && tables.openFiles.isOpen(inode)));
  const path = keep ? pathOf(store, edge) : Buffer.alloc(0);
  dropEdge(store, ts, edge);
  if (!last) return;
  if (!keep) {
    removeNode(store, ts, inode);
    return;
  }
  nodes.type.set(inode, toTrash ? TYPE_TRASH : TYPE_SUSTAINED);
  nodes.ctime.set(inode, ts);
  edges.add(0, inode, path, edges.allocateId());
}

/** REMOVE-NODE (spec 08 §5.5): the node has no edges left. */
export function removeNode(store: MetadataStore, ts: number, inode: number): void {
  const { nodes, tables } = store;
  if (isFileType(nodes.type.get(inode))) cutChunks(store, inode, 0);
  store.setXattrs(inode, []);
  store.setAcl(inode, ACL_ACCESS, undefined);
  store.setAcl(inode, ACL_DEFAULT, undefined);
  tables.quotas.delete(inode);
  if (nodes.isDirectory(inode)) store.stats.clear(inode);
  nodes.remove(inode);
  store.freeInodes.append(inode, ts);
}

/** PURGE-NODE (spec 08 §5.5) of a trash or sustained file. */
export function purgeNode(store: MetadataStore, ts: number, inode: number): 'freed' | 'sustained' {
  const { nodes, edges, tables } = store;
  const edge = nodes.firstParentEdge.get(inode);
  if (nodes.type.get(inode) === TYPE_TRASH && tables.openFiles.isOpen(inode)) {
    edges.moveDetached(edge, TYPE_SUSTAINED);
    return 'sustained';
  }
  edges.remove(edge);
  removeNode(store, ts, inode);
  return 'freed';
}

export function addChunkReference(store: MetadataStore, inode: number, chunkId: number): void {
  const slot = chunkId === 0 ? 0 : store.chunks.find(chunkId);
  if (slot !== 0) store.chunks.addReference(slot, store.nodes.sclass.get(inode));
}

export function dropChunkReference(store: MetadataStore, inode: number, chunkId: number): void {
  const slot = chunkId === 0 ? 0 : store.chunks.find(chunkId);
  if (slot !== 0) store.chunks.dropReference(slot, store.nodes.sclass.get(inode));
}

function cutChunks(store: MetadataStore, inode: number, entries: number): void {
  const { nodes } = store;
  for (let i = entries; i < nodes.chunkCount(inode); i++) dropChunkReference(store, inode, nodes.chunkAt(inode, i));
  if (nodes.chunkCount(inode) > entries) nodes.resizeChunks(inode, entries);
}

/** SET-LENGTH (spec 08 §5.6). */
export function setLength(store: MetadataStore, inode: number, length: number): void {
  const { nodes } = store;
  store.stats.around(inode, () => {
    cutChunks(store, inode, Math.ceil(length / MFSCHUNKSIZE));
    nodes.length.set(inode, length);
    nodes.goalFactor.set(inode, store.goalFactor(nodes.sclass.get(inode)));
  });
  nodes.eattr.set(inode, nodes.eattr.get(inode) & ~EATTR_SNAPSHOT);
}

/** Whether directory `ancestor` is `inode` or lies above it. */
export function isAtOrAbove(store: MetadataStore, ancestor: number, inode: number): boolean {
  for (let at = inode; at !== 0;) {
    if (at === ancestor) return true;
    const edge = store.nodes.firstParentEdge.get(at);
    at = edge === 0 ? 0 : store.edges.parent(edge);
  }
  return false;
}

/** Spec 09 §6 `name(n)`: 1..255 bytes, no NUL or slash, not `.` or `..`. */
export function isLegalName(name: Uint8Array): boolean {
  if (name.length === 0 || name.length > 255 || name.includes(0) || name.includes(0x2f)) return false;
  return !(name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e)));
}

/** Changes the storage class of a file and of its references to chunks. */
export function setFileClass(store: MetadataStore, inode: number, sclass: number): void {
  const { nodes } = store;
  store.stats.around(inode, () => {
    for (const { chunkId } of nodes.chunks(inode)) dropChunkReference(store, inode, chunkId);
    nodes.sclass.set(inode, sclass);
    for (const { chunkId } of nodes.chunks(inode)) addChunkReference(store, inode, chunkId);
    nodes.goalFactor.set(inode, store.goalFactor(sclass));
  });
}

/** Makes entries of `target` from `first` on refer to entries `from`…`to` of `source`; the list is as long as needed then. */
export function shareChunks(
  store: MetadataStore,
  target: number,
  first: number,
  source: number,
  from: number,
  to: number,
): void {
  const { nodes } = store;
  cutChunks(store, target, first);
  nodes.resizeChunks(target, first + to - from + 1);
  for (let i = from; i <= to; i++) {
    const chunkId = nodes.chunkAt(source, i);
    nodes.setChunkAt(target, first + i - from, chunkId);
    addChunkReference(store, target, chunkId);
  }
}
