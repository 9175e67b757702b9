/** What effects have in common: tests of the state they meet, each with the status the reference gives on replay. */
import {
  MFS_ERROR_EEXIST,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOENT,
  MFS_ERROR_ENOTDIR,
  MFS_ERROR_ENOTEMPTY,
  MFS_ERROR_MISMATCH,
  MFS_ERROR_NOCHUNK,
} from '@wapiti-fs/protocol';
import type { MetadataStore } from '../../store/store.js';
import { ApplyError } from '../errors.js';
import { isLegalName } from '../primitives.js';
import type { Change, ChangeOf, ChangeOp } from '../records.js';

/**
 * Carries out a change. Handlers of operations that count what they do return the counters: {@link applyRecord} compares them with
 * those of the record, {@link performChange} puts them into it.
 */
export type Handlers = {
  readonly [K in ChangeOp]?: (store: MetadataStore, change: ChangeOf<K>) => Partial<ChangeOf<K>> | void;
};

export function check(condition: boolean, change: Change, status: number, detail: string): asserts condition {
  if (!condition) throw new ApplyError(change.op, status, detail);
}

export function checkResult(change: Change, what: string, expected: number | bigint, found: number | bigint): void {
  check(expected === found, change, MFS_ERROR_MISMATCH, `${what} is ${found}, the record says ${expected}`);
}

export function checkNode(store: MetadataStore, change: Change, inode: number): void {
  check(store.nodes.exists(inode), change, MFS_ERROR_ENOENT, `no inode ${inode}`);
}

export function checkFreeName(store: MetadataStore, change: Change, parent: number, name: Buffer): void {
  checkNode(store, change, parent);
  check(store.nodes.isDirectory(parent), change, MFS_ERROR_ENOTDIR, `inode ${parent} is no directory`);
  check(isLegalName(name), change, MFS_ERROR_EINVAL, 'illegal name');
  check(store.edges.find(parent, name) === 0, change, MFS_ERROR_EEXIST, `name exists in directory ${parent}`);
}

export function findEdge(store: MetadataStore, change: Change, parent: number, name: Buffer): number {
  checkNode(store, change, parent);
  check(store.nodes.isDirectory(parent), change, MFS_ERROR_ENOTDIR, `inode ${parent} is no directory`);
  const edge = store.edges.find(parent, name);
  check(edge !== 0, change, MFS_ERROR_ENOENT, `no such name in directory ${parent}`);
  return edge;
}

export function checkEmpty(store: MetadataStore, change: Change, inode: number): void {
  const full = store.nodes.isDirectory(inode) && store.nodes.firstChild(inode) !== 0;
  check(!full, change, MFS_ERROR_ENOTEMPTY, `directory ${inode} is not empty`);
}

export function findChunk(store: MetadataStore, change: Change, chunkId: number): number {
  const slot = store.chunks.find(chunkId);
  check(slot !== 0, change, MFS_ERROR_NOCHUNK, `no chunk ${chunkId}`);
  return slot;
}

export function checkFile(store: MetadataStore, change: Change, inode: number, status: number): void {
  checkNode(store, change, inode);
  check(store.nodes.isFile(inode), change, status, `inode ${inode} is no file`);
}

export function newChunk(store: MetadataStore, change: Change, chunkId: number): number {
  checkResult(change, 'new chunk id', chunkId, store.chunks.nextChunkId);
  store.chunks.nextChunkId++;
  return store.chunks.add(chunkId, 1, 0, false);
}

export function stampModified(store: MetadataStore, inode: number, ts: number): void {
  store.nodes.mtime.set(inode, ts);
  store.nodes.ctime.set(inode, ts);
}
