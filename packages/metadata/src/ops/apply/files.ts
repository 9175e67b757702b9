/** Effects on the content of files: spec 08 §6.4. */
import {
  EATTR_SNAPSHOT,
  LOCKTIMEOUT_S,
  MFS_ERROR_CHUNKLOST,
  MFS_ERROR_EINVAL,
  MFS_ERROR_EPERM,
  MFS_ERROR_INDEXTOOBIG,
  MFS_ERROR_NOCHUNK,
  MFS_MAX_CHUNK_INDEX,
  MFSCHUNKSIZE,
} from '@wapiti-fs/protocol';
import type { MetadataStore } from '../../store/store.js';
import { addChunkReference, dropChunkReference, setLength } from '../primitives.js';
import type { Change } from '../records.js';
import { check, checkResult, findChunk, checkFile, newChunk, stampModified, type Handlers } from './checks.js';

/** Chunk for a write or truncate at an entry: used as it is, raised in version, or replaced by a new one (spec 08 §6.4). */
function takeChunk(
  store: MetadataStore,
  change: Change & { inode: number; index: number; chunkId: number },
  raise: boolean,
): void {
  const { nodes, chunks } = store;
  const { inode, index, chunkId, ts } = change;
  const old = nodes.chunkAt(inode, index);
  let slot = 0;
  if (old !== 0) {
    slot = findChunk(store, change, old);
    check(chunks.referenceCount(slot) > 0, change, MFS_ERROR_CHUNKLOST, `chunk ${old} has no references`);
  }
  if (old !== 0 && chunks.referenceCount(slot) === 1) {
    checkResult(change, 'chunk id', chunkId, old);
    if (raise) chunks.setVersion(slot, chunks.version(slot) + 1);
  } else {
    slot = newChunk(store, change, chunkId);
    dropChunkReference(store, inode, old);
    nodes.setChunkAt(inode, index, chunkId);
    addChunkReference(store, inode, chunkId);
  }
  chunks.setLockedTo(slot, ts + LOCKTIMEOUT_S);
}

export const filesEffects = {
  LENGTH(store, change) {
    checkFile(store, change, change.inode, MFS_ERROR_EINVAL);
    setLength(store, change.inode, change.length);
    if (change.canmodmtime !== 0) stampModified(store, change.inode, change.ts);
  },
  TRUNC(store, change) {
    const { inode, index } = change;
    checkFile(store, change, inode, MFS_ERROR_EINVAL);
    check(index <= MFS_MAX_CHUNK_INDEX, change, MFS_ERROR_INDEXTOOBIG, `index ${index}`);
    check(index < store.nodes.chunkCount(inode), change, MFS_ERROR_EINVAL, `index ${index} is beyond the chunk list`);
    check(store.nodes.chunkAt(inode, index) !== 0, change, MFS_ERROR_NOCHUNK, 'a hole');
    takeChunk(store, change, true);
  },
  WRITE(store, change) {
    const { nodes, stats } = store;
    const { inode, index } = change;
    checkFile(store, change, inode, MFS_ERROR_EPERM);
    check(index <= MFS_MAX_CHUNK_INDEX, change, MFS_ERROR_INDEXTOOBIG, `index ${index}`);
    stats.around(inode, () => {
      if (nodes.chunkCount(inode) <= index) nodes.resizeChunks(inode, index + 1);
      takeChunk(store, change, change.opflag !== 0);
      nodes.length.set(inode, Math.max(nodes.length.get(inode), index * MFSCHUNKSIZE));
      nodes.goalFactor.set(inode, store.goalFactor(nodes.sclass.get(inode)));
    });
    nodes.eattr.set(inode, nodes.eattr.get(inode) & ~EATTR_SNAPSHOT);
    if (change.canmodmtime !== 0) stampModified(store, inode, change.ts);
  },
  ROLLBACK(store, change) {
    const { inode, index, previousChunkId, chunkId } = change;
    checkFile(store, change, inode, MFS_ERROR_EPERM);
    check(index < store.nodes.chunkCount(inode), change, MFS_ERROR_EINVAL, `index ${index} is beyond the chunk list`);
    if (previousChunkId !== chunkId) {
      store.stats.around(inode, () => {
        addChunkReference(store, inode, previousChunkId);
        dropChunkReference(store, inode, chunkId);
        store.nodes.setChunkAt(inode, index, previousChunkId);
      });
    }
    const slot = store.chunks.find(chunkId);
    if (slot !== 0) store.chunks.setLockedTo(slot, 0);
  },
} satisfies Handlers;
