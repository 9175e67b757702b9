/** Pulls a chunk from another chunkserver (spec 04 §8): block count, then one read of the whole chunk, block by block. */
import { BLOCK_SIZE_BYTES, ChunkError, type ChunkStore, type OpenChunk, StoreStatus } from '@wapiti-fs/chunkstore';
import {
  ANTOAN_NOP,
  ANTOCS_GET_CHUNK_BLOCKS,
  CLTOCS_READ,
  CSTOAN_CHUNK_BLOCKS,
  CSTOCL_READ_DATA,
  CSTOCL_READ_STATUS,
  type Frame,
  MFS_ERROR_CANTCONNECT,
  MFS_ERROR_DISCONNECTED,
  MFS_ERROR_WRONGCHUNKID,
  CSTOCS_MAXPACKETSIZE,
} from '@wapiti-fs/protocol';
import type { Clock, Timer } from '@wapiti-fs/runtime';

import { type ChainConnection, type ChainConnections } from './chain-connections.js';
import { statusOf } from './data-connection.js';

const STEP_TIMEOUT_MS = 5000;
const READ_DATA_FIELDS = 20;
/** Blocks received and not yet written. */
const MAX_PENDING_WRITES = 32;

export interface ReplicationSource {
  readonly chunkId: number;
  readonly version: number;
  readonly host: string;
  readonly port: number;
}

class SourceError extends Error {
  constructor(readonly status: number) {
    super(`source: status ${status}`);
  }
}

/** Copies the chunk of `source` to a new local one of the same id and version. Returns the status for the master. */
export async function replicate(
  context: { store: ChunkStore; connections: ChainConnections; clock: Clock },
  source: ReplicationSource,
): Promise<number> {
  const { store } = context;
  let chunk: OpenChunk;
  try {
    chunk = await store.createOpen(source.chunkId, 0);
  } catch (error) {
    return statusOf(error);
  }
  try {
    await pull(context, source, chunk);
    await store.release(chunk);
  } catch (error) {
    await store.discard(chunk);
    return error instanceof SourceError ? error.status : statusOf(error);
  }
  try {
    await store.setVersion(source.chunkId, source.version, 0);
    return StoreStatus.OK;
  } catch (error) {
    await store.delete(source.chunkId, 0).catch(() => undefined);
    return statusOf(error);
  }
}

async function pull(
  { store, connections, clock }: { store: ChunkStore; connections: ChainConnections; clock: Clock },
  source: ReplicationSource,
  chunk: OpenChunk,
): Promise<void> {
  let peer: ChainConnection;
  try {
    peer = await connections.connect({
      host: source.host,
      port: source.port,
      connectTimeoutMs: STEP_TIMEOUT_MS,
      limit: CSTOCS_MAXPACKETSIZE,
    });
  } catch {
    throw new SourceError(MFS_ERROR_CANTCONNECT);
  }
  const frames = new FrameQueue(peer, clock);
  const writes = new Set<Promise<void>>();
  let failure: unknown;
  try {
    const { chunkId, version } = source;
    peer.connection.send(ANTOCS_GET_CHUNK_BLOCKS.encode({ chunkId, version }));
    const blocks = checkBlocks(await frames.next(), source);
    if (blocks === 0) return;
    peer.connection.send(
      CLTOCS_READ.encode({ variant: 'plain', chunkId, version, offset: 0, size: blocks * BLOCK_SIZE_BYTES }),
    );
    for (let block = 0; block < blocks; block++) {
      const { crc, data } = checkData(await frames.next(), chunkId, block);
      const write = store
        .write(chunk, 0, block, 0, data, crc)
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => writes.delete(write));
      writes.add(write);
      if (writes.size >= MAX_PENDING_WRITES) await Promise.race(writes);
      if (failure) throw failure;
    }
    checkEnd(await frames.next(), chunkId);
  } finally {
    peer.destroy();
    frames.stop();
    await Promise.all(writes);
  }
  if (failure) throw failure;
}

function checkBlocks(frame: Frame, source: ReplicationSource): number {
  if (frame.type !== CSTOAN_CHUNK_BLOCKS.type || frame.payload.length !== 15)
    throw new SourceError(MFS_ERROR_DISCONNECTED);
  const answer = CSTOAN_CHUNK_BLOCKS.decode(frame.payload);
  if (answer.status !== StoreStatus.OK) throw new SourceError(answer.status);
  if (answer.chunkId !== source.chunkId) throw new SourceError(MFS_ERROR_WRONGCHUNKID);
  if (answer.version !== source.version) throw new SourceError(StoreStatus.WRONGVERSION);
  return answer.blocks;
}

function checkData(frame: Frame, chunkId: number, block: number): { crc: number; data: Buffer } {
  if (frame.type === CSTOCL_READ_STATUS.type) {
    const { status } = CSTOCL_READ_STATUS.decode(frame.payload);
    throw new SourceError(status === StoreStatus.OK ? MFS_ERROR_DISCONNECTED : status);
  }
  const { payload } = frame;
  if (frame.type !== CSTOCL_READ_DATA.type || payload.length !== READ_DATA_FIELDS + BLOCK_SIZE_BYTES) {
    throw new SourceError(MFS_ERROR_DISCONNECTED);
  }
  if (payload.readBigUInt64BE(0) !== BigInt(chunkId)) throw new SourceError(MFS_ERROR_WRONGCHUNKID);
  if (payload.readUInt16BE(8) !== block) throw new ChunkError(StoreStatus.BNUMTOOBIG, `block ${block} expected`);
  if (payload.readUInt16BE(10) !== 0) throw new ChunkError(StoreStatus.WRONGOFFSET, `block ${block}`);
  if (payload.readUInt32BE(12) !== BLOCK_SIZE_BYTES) throw new ChunkError(StoreStatus.WRONGSIZE, `block ${block}`);
  return { crc: payload.readUInt32BE(16), data: payload.subarray(READ_DATA_FIELDS) };
}

function checkEnd(frame: Frame, chunkId: number): void {
  if (frame.type !== CSTOCL_READ_STATUS.type) throw new SourceError(MFS_ERROR_DISCONNECTED);
  const end = CSTOCL_READ_STATUS.decode(frame.payload);
  if (end.chunkId !== chunkId) throw new SourceError(MFS_ERROR_WRONGCHUNKID);
  if (end.status !== StoreStatus.OK) throw new SourceError(end.status);
}

/** Frames of the source one by one; the source waits when they are not taken. */
class FrameQueue {
  private readonly frames: Frame[] = [];
  private wake: (() => void) | undefined;
  private closed = false;
  private paused = false;
  private timer: Timer | undefined;

  constructor(
    private readonly peer: ChainConnection,
    private readonly clock: Clock,
  ) {
    peer.use({
      frame: (frame) => {
        if (frame.type === ANTOAN_NOP.type) return;
        this.frames.push(frame);
        if (this.frames.length >= MAX_PENDING_WRITES && !this.paused) {
          this.paused = true;
          peer.connection.pause();
        }
        this.wake?.();
      },
      close: () => {
        this.closed = true;
        this.wake?.();
      },
    });
  }

  async next(): Promise<Frame> {
    let timedOut = false;
    while (this.frames.length === 0 && !this.closed && !timedOut) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        this.timer = this.clock.after(STEP_TIMEOUT_MS, () => {
          timedOut = true;
          resolve();
        });
      });
      this.timer?.cancel();
    }
    const frame = this.frames.shift();
    if (frame === undefined) throw new SourceError(MFS_ERROR_DISCONNECTED);
    if (this.paused && this.frames.length === 0) {
      this.paused = false;
      this.peer.connection.resume();
    }
    return frame;
  }

  stop(): void {
    this.timer?.cancel();
  }
}
