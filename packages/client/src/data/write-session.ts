/**
 * One WRITE session: a connection to the first chunkserver of the chain, blocks going out, statuses coming back
 * (spec 04 §6, spec 13 §7.4, §7.5). Blocks stay in the chain until every server has confirmed them.
 */
import {
  ANTOAN_NOP,
  CLTOCS_WRITE,
  CLTOCS_WRITE_FINISH,
  CSTOCL_WRITE_STATUS,
  crc32,
  DATA_PROTOCOL,
  type Frame,
  messageName,
  MFS_STATUS_OK,
  ProtocolError,
  readU64At,
  statusText,
} from '@wapiti-fs/protocol';
import type { Clock, ConnectionHandlers, Timer } from '@wapiti-fs/runtime';

import type { Block, ChunkBlocks } from './chunk-blocks.js';
import type { ChunkLocation } from './chunk-master.js';
import { WRITE_DATA_HEAD_BYTES, writeDataHead } from './frames.js';
import type { ServerConnection } from './server-connections.js';

/** Packets without status at any time, the session's own first status counted (spec 04 §12.1). */
const WINDOW = 64;
/** A session ends this long after the last block. */
const IDLE_MS = 100;
/** A block that is not full waits this long after the last one for more data. */
const HOLD_MS = 50;
/** Then no more blocks are sent: END tells the length to others and renews the lock of the chunk. */
const SEND_LIMIT_MS = 25_000;
/** A chain whose first server is alive but confirms nothing for so long is given up. */
const STALL_MS = 8000;

/** What a session asks and tells. */
export interface WriteSessionOwner {
  /** Send what there is and end: somebody waits for it (flush, or a slot). */
  readonly urgent: boolean;
  acknowledged(block: Block): void;
}

export interface WriteOutcome {
  /** Undefined: ended cleanly, the connection can be used again. */
  readonly error: Error | undefined;
  /** Status of a chunkserver that was not OK. */
  readonly status: number | undefined;
}

export class WriteSession implements ConnectionHandlers {
  /** Heads of packets under way: one is used again only after the packet using it was confirmed. */
  private readonly heads: Buffer[] = [];
  private nextWriteId = 1;
  private confirmed = false;
  private startedMs = 0;
  private lastSentMs = -Infinity;
  private lastProgressMs = 0;
  private timer: Timer | undefined;
  private timerDueMs = Infinity;
  private resolve: ((outcome: WriteOutcome) => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly server: ServerConnection,
    private readonly location: ChunkLocation,
    private readonly blocks: ChunkBlocks,
    private readonly owner: WriteSessionOwner,
  ) {}

  run(): Promise<WriteOutcome> {
    return new Promise((resolve) => {
      this.resolve = resolve;
      this.startedMs = this.lastProgressMs = this.clock.monotonicMs();
      const { chunkId, version, servers } = this.location;
      this.server.use(this);
      this.server.connection.send(
        CLTOCS_WRITE.encode({
          variant: 'protocol',
          protocol: DATA_PROTOCOL,
          chunkId,
          version,
          chain: servers.slice(1).map(({ ip, port }) => ({ ip, port })),
        }),
      );
      this.pump();
    });
  }

  /** There are new blocks, or it has become urgent. */
  wake(): void {
    if (this.resolve !== undefined) this.pump();
  }

  frame({ type, payload }: Frame): void {
    if (this.resolve === undefined || type === ANTOAN_NOP.type) return;
    try {
      this.take(type, payload);
    } catch (error) {
      this.finish(error as Error);
    }
  }

  close(error?: Error): void {
    this.finish(error ?? new Error('closed by the chunkserver'));
  }

  drain(): void {
    this.wake();
  }

  private take(type: number, payload: Buffer): void {
    if (type !== CSTOCL_WRITE_STATUS.type)
      throw new ProtocolError(`unexpected ${messageName(type, 'client')} in a write session`);
    if (payload.length !== 13) throw new ProtocolError(`${payload.length} bytes`, CSTOCL_WRITE_STATUS.name);
    const writeId = payload.readUInt32BE(8);
    const status = payload.readUInt8(12);
    if (status !== MFS_STATUS_OK) return this.finish(new Error(statusText(status)), status);
    if (readU64At(payload, 0) !== this.location.chunkId)
      throw new ProtocolError(`${readU64At(payload, 0)}`, CSTOCL_WRITE_STATUS.name, 'chunkId');
    if (writeId === 0) {
      this.confirmed = true;
    } else {
      const block = this.blocks.acknowledge(writeId);
      if (block === undefined)
        throw new ProtocolError(`${writeId} is not the next one`, CSTOCL_WRITE_STATUS.name, 'writeId');
      this.owner.acknowledged(block);
    }
    this.lastProgressMs = this.clock.monotonicMs();
    this.pump();
  }

  private pump(): void {
    const nowMs = this.clock.monotonicMs();
    const { urgent } = this.owner;
    const late = nowMs - this.startedMs >= SEND_LIMIT_MS;
    let dueMs = Infinity;
    while (!late && this.underWay < WINDOW && this.blocks.unsent > 0) {
      const block = this.blocks.next() as Block;
      if (!block.full && this.blocks.unsent === 1 && !urgent && nowMs - this.lastSentMs < HOLD_MS) {
        dueMs = this.lastSentMs + HOLD_MS;
        break;
      }
      const room = this.send(block);
      this.lastSentMs = nowMs;
      if (!room) break;
    }
    if (this.underWay > 0) {
      dueMs = Math.min(dueMs, this.lastProgressMs + STALL_MS);
    } else if (late || (this.blocks.unsent === 0 && (urgent || nowMs - this.lastSentMs >= IDLE_MS))) {
      return this.finish(undefined);
    } else if (this.blocks.unsent === 0) {
      dueMs = this.lastSentMs + IDLE_MS;
    }
    this.arm(dueMs, nowMs);
  }

  private get underWay(): number {
    return this.blocks.outstanding + (this.confirmed ? 0 : 1);
  }

  private send(block: Block): boolean {
    if (this.blocks.outstanding === 0) this.lastProgressMs = this.clock.monotonicMs();
    const writeId = this.nextWriteId++;
    const { data } = block;
    const head = (this.heads[writeId % WINDOW] ??= Buffer.allocUnsafe(WRITE_DATA_HEAD_BYTES));
    writeDataHead(head, this.location.chunkId, writeId, block.blocknum, block.from, data.length, crc32(data));
    this.blocks.sent(writeId);
    return this.server.connection.send(head, data);
  }

  private arm(dueMs: number, nowMs: number): void {
    if (this.resolve === undefined || dueMs >= this.timerDueMs) return;
    this.timer?.cancel();
    this.timerDueMs = dueMs;
    this.timer = this.clock.after(Math.max(Math.ceil(dueMs - nowMs), 1), () => this.expired());
  }

  private expired(): void {
    this.timerDueMs = Infinity;
    if (this.resolve === undefined) return;
    if (this.underWay > 0 && this.clock.monotonicMs() - this.lastProgressMs >= STALL_MS)
      return this.finish(new Error(`no confirmation for ${STALL_MS} ms`));
    this.pump();
  }

  private finish(error: Error | undefined, status?: number): void {
    const { resolve } = this;
    if (resolve === undefined) return;
    this.resolve = undefined;
    this.timer?.cancel();
    if (error === undefined) {
      const { chunkId, version } = this.location;
      this.server.connection.send(CLTOCS_WRITE_FINISH.encode({ chunkId, version }));
    } else {
      this.blocks.unsend();
    }
    resolve({ error, status });
  }
}
