/**
 * Work of chunkservers in steps of the changelog, such that a master killed between any two of them leaves files as they were
 * (see {@link UnfinishedWork}). All records are the reference's, which replays them alike.
 */
import type { Metadata } from './metadata.js';

/** The chunkservers have the new chunk: from now on it is not taken back when the master is killed. */
export function confirmCreation(metadata: Metadata, now: number, chunkId: number): void {
  const { chunks } = metadata.store;
  const slot = chunks.find(chunkId);
  if (slot !== 0) metadata.commit({ op: 'SETVERSION', ts: now, chunkId, version: chunks.version(slot) });
}

/** A chunk that no file refers to yet, for the copy of a shared one. */
export function reserveCopy(metadata: Metadata, now: number, chunkId: number): void {
  metadata.commit({ op: 'CHUNKADD', ts: now, chunkId, version: 1, lockedTo: 0 });
}

/** A reserved chunk that takes the place of `oldChunkId` in a file. */
export interface CopyOfChunk {
  readonly inode: number;
  readonly index: number;
  readonly oldChunkId: number;
  readonly chunkId: number;
}

/** The chunkservers have made the copy. False: the file has another chunk there by now, or is gone; the copy is left to the loop. */
export function useCopy(metadata: Metadata, now: number, { inode, index, oldChunkId, chunkId }: CopyOfChunk): boolean {
  const { nodes } = metadata.store;
  if (!nodes.isFile(inode) || nodes.chunkAt(inode, index) !== oldChunkId) return false;
  metadata.commit({ op: 'SETFILECHUNK', ts: now, inode, index, chunkId });
  return true;
}

/** Before a master serves: chunks that its predecessor was making, of which no client was told. Returns how many. */
export function rollBackCreations(metadata: Metadata, now: number): number {
  const { nodes, unfinished } = metadata.store;
  const creations = [...unfinished.creations];
  for (const [chunkId, { inode, index }] of creations) {
    if (nodes.isFile(inode) && nodes.chunkAt(inode, index) === chunkId)
      metadata.commit({ op: 'ROLLBACK', ts: now, inode, index, previousChunkId: 0, chunkId });
    else unfinished.ended(chunkId);
  }
  return creations.length;
}
