/** Effects on the content of files: spec 08 §6.4. */
import {
  EATTR_SNAPSHOT,
  LOCKTIMEOUT_S,
  MFS_ERROR_CHUNKLOST,
  MFS_ERROR_EINVAL,
  MFS_ERROR_EPERM,
  MFS_ERROR_INDEXTOOBIG,
  MFS_ERROR_MISMATCH,
  MFS_ERROR_NOCHUNK,
  MFS_MAX_CHUNK_INDEX,
  MFSCHUNKSIZE,
} from '@wapiti-fs/protocol';
import type { MetadataStore } from '../../store/store.js';
import { addChunkReference, dropChunkReference, setLength, shareChunks } from '../primitives.js';
import type { Change } from '../records.js';
import { check, checkResult, findChunk, checkFile, newChunk, stampModified, type Handlers } from './checks.js';

/**
 * Chunk for a write or truncate at an entry: used as it is, raised in version, or replaced by a new one (spec 08 §6.4). With
 * opflag 0 a chunk for a hole is only being made.
 */
function takeChunk(
  store: MetadataStore,
  change: Change & { inode: number; index: number; chunkId: number },
  opflag: boolean,
): void {
  const { nodes, chunks, unfinished } = store;
  const { inode, index, chunkId, ts } = change;
  const old = nodes.chunkAt(inode, index);
  let slot = 0;
  if (old !== 0) {
    slot = findChunk(store, change, old);
    check(chunks.referenceCount(slot) > 0, change, MFS_ERROR_CHUNKLOST, `chunk ${old} has no references`);
  }
  if (old !== 0 && chunks.referenceCount(slot) === 1) {
    checkResult(change, 'chunk id', chunkId, old);
    if (opflag) chunks.setVersion(slot, chunks.version(slot) + 1);
    unfinished.ended(chunkId);
  } else {
    slot = newChunk(store, change, chunkId);
    dropChunkReference(store, inode, old);
    nodes.setChunkAt(inode, index, chunkId);
    addChunkReference(store, inode, chunkId);
    if (old === 0 && !opflag) unfinished.creations.set(chunkId, { inode, index });
  }
  chunks.setLockedTo(slot, ts + LOCKTIMEOUT_S);
}

function setEntry(store: MetadataStore, inode: number, index: number, chunkId: number): void {
  store.stats.around(inode, () => {
    dropChunkReference(store, inode, store.nodes.chunkAt(inode, index));
    store.nodes.setChunkAt(inode, index, chunkId);
    addChunkReference(store, inode, chunkId);
  });
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
    store.unfinished.ended(chunkId);
  },
  APPEND(store, change) {
    const { nodes } = store;
    const { dst, src, ts } = change;
    checkFile(store, change, dst, MFS_ERROR_EPERM);
    checkFile(store, change, src, MFS_ERROR_EPERM);
    check(dst !== src, change, MFS_ERROR_EINVAL, 'a file cannot be appended to itself');
    const sourceLength = nodes.length.get(src);
    if (sourceLength === 0) return;
    const last = Math.ceil(sourceLength / MFSCHUNKSIZE) - 1;
    const from = change.from ?? 0;
    const to = change.to ?? last;
    check(from <= to && to <= last, change, MFS_ERROR_EINVAL, `slice ${from} to ${to} of chunks 0 to ${last}`);
    const first = Math.ceil(nodes.length.get(dst) / MFSCHUNKSIZE);
    check(first + to - from <= MFS_MAX_CHUNK_INDEX, change, MFS_ERROR_INDEXTOOBIG, `chunk ${first + to - from}`);
    store.stats.around(dst, () => {
      shareChunks(store, dst, first, src, from, to);
      const added = to >= last ? sourceLength - from * MFSCHUNKSIZE : (to - from + 1) * MFSCHUNKSIZE;
      nodes.length.set(dst, first * MFSCHUNKSIZE + added);
      nodes.goalFactor.set(dst, store.goalFactor(nodes.sclass.get(dst)));
    });
    nodes.mtime.set(dst, ts);
    nodes.atime.set(dst, ts);
    nodes.atime.set(src, ts);
  },
  REPAIR(store, change) {
    const { nodes, chunks } = store;
    const { inode, index, version } = change;
    checkFile(store, change, inode, MFS_ERROR_EPERM);
    check(index <= MFS_MAX_CHUNK_INDEX, change, MFS_ERROR_INDEXTOOBIG, `index ${index}`);
    const chunkId = nodes.chunkAt(inode, index);
    check(chunkId !== 0, change, MFS_ERROR_NOCHUNK, `no chunk at index ${index}`);
    store.unfinished.ended(chunkId);
    if (version === 0) setEntry(store, inode, index, 0);
    else chunks.setVersion(findChunk(store, change, chunkId), version);
    stampModified(store, inode, change.ts);
  },
  SETFILECHUNK(store, change) {
    const { inode, index, chunkId } = change;
    checkFile(store, change, inode, MFS_ERROR_EPERM);
    const entries = store.nodes.chunkCount(inode);
    check(index < entries, change, MFS_ERROR_MISMATCH, `index ${index} is beyond the chunk list`);
    setEntry(store, inode, index, chunkId);
  },
} satisfies Handlers;
