/**
 * CLTOCS_READ (spec 04 §5): blocks are read and verified several at a time, the next ones while the last are on their way to the
 * client. Data go from the disk buffer to the socket without a copy; buffers come back to the pool when the socket is done.
 */
import { crc32 } from 'node:zlib';

import {
  BLOCK_SIZE_BYTES,
  type BlocksRead,
  BufferPool,
  CHUNK_SIZE_BYTES,
  type OpenChunk,
  StoreStatus,
} from '@wapiti-fs/chunkstore';
import { ANTOAN_NOP, NOP_FRAME, CSTOCL_READ_STATUS, type Frame } from '@wapiti-fs/protocol';

import { type DataConnection, type Session, statusOf } from './data-connection.js';
import { readDataHead } from './data-frames.js';

const BATCH_BLOCKS = 4;
const STALL_TIMEOUT_MS = 5000;
const NOP_AFTER_MS = 1000;
const pool = new BufferPool(BATCH_BLOCKS * BLOCK_SIZE_BYTES, 32);

export interface ReadRequest {
  readonly chunkId: number;
  readonly version: number;
  readonly offset: number;
  readonly size: number;
  /** 0: the peer expects no NOPs. */
  readonly protocol: number;
}

interface Batch {
  readonly buffer: Buffer;
  readonly first: number;
  readonly count: number;
  readonly result: Promise<BlocksRead>;
}

export class ReadSession implements Session {
  private gone = false;
  private drained: (() => void) | undefined;
  /** Buffers the socket may still be reading from. */
  private inFlight: Buffer[] = [];

  constructor(
    private readonly owner: DataConnection,
    private readonly request: ReadRequest,
  ) {
    const nop = request.protocol === 0 ? undefined : NOP_FRAME;
    owner.connection.setKeepalive({ nop, nopAfterMs: nop && NOP_AFTER_MS });
  }

  frame({ type }: Frame): void {
    if (type !== ANTOAN_NOP.type) throw new Error(`packet of type ${type} while a read is being served`);
  }

  drain(): void {
    this.drained?.();
  }

  closed(): void {
    this.gone = true;
    this.drained?.();
  }

  async run(): Promise<void> {
    let status: number;
    try {
      status = await this.serve();
    } catch (error) {
      status = statusOf(error);
    }
    if (this.gone) return;
    this.owner.connection.send(CSTOCL_READ_STATUS.encode({ chunkId: this.request.chunkId, status }));
    this.giveBack();
    this.owner.becomeIdle();
  }

  private async serve(): Promise<number> {
    const { offset, size, chunkId, version } = this.request;
    if (size === 0) return StoreStatus.OK;
    if (size > CHUNK_SIZE_BYTES) return StoreStatus.WRONGSIZE;
    if (offset >= CHUNK_SIZE_BYTES || offset + size > CHUNK_SIZE_BYTES) return StoreStatus.WRONGOFFSET;
    const { store } = this.owner.context;
    const chunk = await store.open(chunkId, version);
    try {
      return await this.sendBlocks(chunk);
    } finally {
      await store.release(chunk);
    }
  }

  private async sendBlocks(chunk: OpenChunk): Promise<number> {
    const end = this.request.offset + this.request.size;
    const lastBlock = Math.floor((end - 1) / BLOCK_SIZE_BYTES);
    let next: Batch | undefined = this.startBatch(chunk, Math.floor(this.request.offset / BLOCK_SIZE_BYTES), lastBlock);
    while (next !== undefined) {
      const batch: Batch = next;
      const { verified, crcs, error } = await batch.result;
      const following = batch.first + batch.count;
      next = error || this.gone || following > lastBlock ? undefined : this.startBatch(chunk, following, lastBlock);
      if (!this.gone) await this.sendBatch(batch, verified, crcs, end);
      if (this.gone) {
        await next?.result;
        return StoreStatus.OK;
      }
      if (error) return statusOf(error);
    }
    return StoreStatus.OK;
  }

  private startBatch(chunk: OpenChunk, first: number, lastBlock: number): Batch {
    const count = Math.min(BATCH_BLOCKS, lastBlock - first + 1);
    const buffer = pool.take();
    const { store } = this.owner.context;
    return { buffer, first, count, result: store.read(chunk, this.request.version, first, count, buffer) };
  }

  /** Sends the verified blocks of a batch, as far as they were asked for; resolves when more may be sent. */
  private async sendBatch(batch: Batch, verified: number, crcs: readonly number[], end: number): Promise<void> {
    const parts: Buffer[] = [];
    for (let i = 0; i < verified; i++) {
      const block = batch.first + i;
      const start = block * BLOCK_SIZE_BYTES;
      const from = Math.max(this.request.offset - start, 0);
      const to = Math.min(end - start, BLOCK_SIZE_BYTES);
      const data = batch.buffer.subarray(i * BLOCK_SIZE_BYTES + from, i * BLOCK_SIZE_BYTES + to);
      const crc = data.length === BLOCK_SIZE_BYTES ? (crcs[i] as number) : crc32(data);
      parts.push(readDataHead(this.request.chunkId, block, from, to - from, crc), data);
    }
    this.inFlight.push(batch.buffer);
    const room = parts.length === 0 || this.owner.connection.send(...parts);
    if (!room) await this.waitForDrain();
    this.giveBack();
  }

  private async waitForDrain(): Promise<void> {
    const { clock } = this.owner.context.services;
    let timer: { cancel(): void } | undefined;
    await new Promise<void>((resolve) => {
      this.drained = resolve;
      timer = clock.after(STALL_TIMEOUT_MS, () => {
        this.owner.connection.destroy(new Error('the reader takes no data'));
      });
    });
    timer?.cancel();
    this.drained = undefined;
  }

  private giveBack(): void {
    if (this.owner.connection.closed || this.owner.connection.queuedBytes > 0) return;
    for (const buffer of this.inFlight) pool.give(buffer);
    this.inFlight = [];
  }
}
