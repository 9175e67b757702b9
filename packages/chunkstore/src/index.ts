/**
 * Chunks on disk (spec 05): file format, folders, CRC, scan. The same folders can be used by the C daemon, alternately.
 *
 * ```ts
 * const store = await ChunkStore.open({ folders: parseHddConfig('/srv/disk1\n').folders, clock, log, lockFile, events });
 * await store.create(1, 1);
 * const chunk = await store.open(1, 1);
 * await store.write(chunk, 1, 0, 0, Buffer.from('hello'), crc32('hello'));
 * await store.release(chunk);
 * await store.close();
 * ```
 *
 * @packageDocumentation
 */
export { combineCrc, replaceInCrc, shiftCrc } from './crc-shift.js';
export { BufferPool } from './buffer-pool.js';
export { ChunkIndex, FLAG_DAMAGED, type ChunkRecord, UNKNOWN_BLOCKS } from './chunk-index.js';
export type { BlocksRead } from './chunk-data.js';
export { type DiskStatsBlock, emptyStats } from './disk-stats.js';
export { ChunkError, FolderError, StoreStatus, type StoreStatusCode } from './errors.js';
export { Folder, type FolderState, type LockFile } from './folder.js';
export { MARKED_FOR_REMOVAL, type StoreEvents } from './folder-set.js';
export {
  BLOCK_SIZE_BYTES,
  BLOCKS_PER_CHUNK,
  CHUNK_SIZE_BYTES,
  chunkFileName,
  EMPTY_BLOCK_CRC,
  layoutOfSize,
  parseChunkFileName,
} from './format.js';
export { type FolderLine, type HddConfig, parseHddConfig, parseSize } from './hdd-config.js';
export type { OpenChunk } from './open-files.js';
export { nodeStoreFs, type StoreFs } from './store-fs.js';
export { DEFAULT_RULES, type StoreOptions, type StoreRules } from './chunk-access.js';
export { ChunkStore, type SpaceSum } from './store.js';
export { checkPlace, WriteRun } from './write-run.js';
