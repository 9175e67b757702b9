import type { ChunkLocation as ServerLocation } from '@wapiti-fs/protocol';

/** Where one chunk of a file is, as the master told (spec 02 §8.4). `chunkId` 0: a hole. */
export interface ChunkLocation {
  /** Length of the file in bytes when the master answered. */
  readonly length: number;
  readonly chunkId: number;
  readonly version: number;
  /** Nearest first. Empty with a `chunkId`: no copy can be reached at the moment. */
  readonly servers: readonly ServerLocation[];
}

/**
 * What the read and write engines ask of the master.
 *
 * All reject with an error that has the MFS status as numeric `status` when the master answered with one. Any other rejection
 * means that there is no answer (connection lost, gave up); the engines ask again. An implementation may also wait for the
 * master to come back and send the request again by itself.
 */
export interface ChunkMaster {
  /** READ_CHUNK. `flags`: CHUNKOPFLAG_*. */
  readChunk(inode: number, chunkIndex: number, flags: number): Promise<ChunkLocation>;
  /**
   * WRITE_CHUNK: on success the chunk is locked until {@link ChunkMaster.writeChunkEnd}, at most 120 s. A copy of the request
   * whose answer was lost may have been granted: whatever is sent after it has CHUNKOPFLAG_CONTINUEOP, or it would wait for its
   * own lock (spec 13 §16 no. 7). `sentAgain` is called before the implementation repeats the request in this way, for the
   * lock may be there also when the answer to the second copy is an error.
   */
  writeChunk(inode: number, chunkIndex: number, flags: number, sentAgain: () => void): Promise<ChunkLocation>;
  /** WRITE_CHUNK_END: `length` is the end of acknowledged data in the file; the master only makes files longer. 0: only unlocks. */
  writeChunkEnd(chunkId: number, inode: number, chunkIndex: number, length: number, flags: number): Promise<void>;
}
