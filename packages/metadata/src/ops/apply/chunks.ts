/** Effects on the chunk table: spec 08 §6.5. */
import {
  MFS_ERROR_ACTIVE,
  MFS_ERROR_CHUNKEXIST,
  MFS_ERROR_MISMATCH,
  MFS_ERROR_WRONGVERSION,
} from '@wapiti-fs/protocol';
import { check, findChunk, type Handlers } from './checks.js';

const MAX_CHUNK_ID_JUMP = 1_000_000_000;

export const chunksEffects = {
  UNLOCK(store, change) {
    // An unknown chunk is no error: spec 08 §8.2.
    const slot = store.chunks.find(change.chunkId);
    if (slot !== 0) store.chunks.setLockedTo(slot, 0);
    store.unfinished.ended(change.chunkId);
  },
  CHUNKADD(store, change) {
    const { chunks } = store;
    const { chunkId, version, lockedTo, ts } = change;
    check(chunks.find(chunkId) === 0, change, MFS_ERROR_CHUNKEXIST, `chunk ${chunkId}`);
    const plausible = chunkId <= chunks.nextChunkId + MAX_CHUNK_ID_JUMP && !(lockedTo > 0 && lockedTo < ts);
    check(plausible, change, MFS_ERROR_MISMATCH, `chunk ${chunkId} locked to ${lockedTo}`);
    chunks.add(chunkId, version, lockedTo, false);
    chunks.nextChunkId = Math.max(chunks.nextChunkId, chunkId + 1);
  },
  CHUNKDEL(store, change) {
    // A lock that is still set is no error: locks of replications are cleared without a line (spec 08 §8.1).
    const slot = findChunk(store, change, change.chunkId);
    const version = store.chunks.version(slot);
    check(version === change.version, change, MFS_ERROR_WRONGVERSION, `chunk ${change.chunkId} has version ${version}`);
    check(store.chunks.referenceCount(slot) === 0, change, MFS_ERROR_ACTIVE, `chunk ${change.chunkId} is in use`);
    store.chunks.remove(slot);
    store.unfinished.ended(change.chunkId);
  },
  SETVERSION(store, change) {
    const { chunks, unfinished } = store;
    const { chunkId, version, ts } = change;
    const slot = findChunk(store, change, chunkId);
    const before = chunks.version(slot);
    if (version === before) unfinished.ended(chunkId);
    else if (version < before) unfinished.lowered(chunkId, version);
    else if (chunks.lockedTo(slot) < ts) unfinished.raised(chunkId, before);
    chunks.setVersion(slot, version);
  },
  INCVERSION(store, change) {
    const slot = findChunk(store, change, change.chunkId);
    store.chunks.setVersion(slot, store.chunks.version(slot) + 1);
  },
  NEXTCHUNKID(store, change) {
    const { chunks } = store;
    check(change.chunkId > chunks.nextChunkId, change, MFS_ERROR_MISMATCH, `next chunk id is ${chunks.nextChunkId}`);
    chunks.nextChunkId = change.chunkId;
  },
} satisfies Handlers;
