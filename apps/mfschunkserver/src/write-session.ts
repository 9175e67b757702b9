/**
 * CLTOCS_WRITE (spec 04 §6, §7). The last server of a chain writes and answers; one in the middle sends every packet on at once,
 * writes beside that, and answers a packet when both its own write and the next server have it. Answers keep the order of the
 * packets; those that become ready together leave in one piece.
 */
import { type OpenChunk, StoreStatus } from '@wapiti-fs/chunkstore';
import {
  ANTOAN_NOP,
  NOP_FRAME,
  CLTOCS_WRITE,
  CLTOCS_WRITE_FINISH,
  CSTOCL_WRITE_STATUS,
  type Frame,
  MFS_ERROR_CANTCONNECT,
  MFS_ERROR_DISCONNECTED,
  MFS_ERROR_WRONGCHUNKID,
  formatIpv4,
} from '@wapiti-fs/protocol';

import type { ChainConnection } from './chain-connections.js';
import { type DataConnection, type Session, statusOf } from './data-connection.js';
import { frameHead, parseWriteData, WRITE_DATA_TYPE, writeStatuses } from './data-frames.js';
import { type Pending, WriteQueue } from './write-queue.js';

/** Received and not yet written: above it the peer is told to wait, below half of it to go on. */
const MAX_PENDING_BYTES = 4 * 1024 * 1024;
const NOP_MIN_INTERVAL_MS = 500;
const IDLE_TIMEOUT_MS = 5000;
const NOP = NOP_FRAME;

export interface WriteRequest {
  readonly chunkId: number;
  readonly version: number;
  readonly chain: readonly { readonly ip: number; readonly port: number }[];
}

export class WriteSession implements Session {
  private chunk: OpenChunk | undefined;
  private queue: WriteQueue | undefined;
  private next: ChainConnection | undefined;
  /** Frames that came before chunk and chain were open. */
  private early: Frame[] | undefined = [];
  private readonly pending: Pending[] = [];
  private nextAnswered = 0;
  private pendingBytes = 0;
  private writing = 0;
  private paused = false;
  private finishing = false;
  private ended = false;
  private lastWriteId = 0;
  private lastNopMs = -Infinity;
  private answering = false;
  private readonly abort = new AbortController();
  private readonly answerNow = (): void => {
    this.answering = false;
    if (!this.ended) this.answer();
  };
  private over: () => void = () => undefined;
  private readonly whenOver = new Promise<void>((resolve) => (this.over = resolve));

  constructor(
    private readonly owner: DataConnection,
    private readonly request: WriteRequest,
  ) {
    owner.connection.setKeepalive({ idleTimeoutMs: IDLE_TIMEOUT_MS });
  }

  private get isLast(): boolean {
    return this.request.chain.length === 0;
  }

  async run(): Promise<void> {
    await this.start();
    await this.whenOver;
    if (this.chunk !== undefined) await this.owner.context.store.release(this.chunk).catch(() => undefined);
  }

  private async start(): Promise<void> {
    const { chunkId, version, chain } = this.request;
    const { store, chain: connections } = this.owner.context;
    const [first, ...others] = chain;
    if (first !== undefined) {
      try {
        const next = await connections.get(formatIpv4(first.ip), first.port, this.abort.signal);
        if (this.ended) return connections.keep(next);
        this.next = next;
        next.use({
          frame: (frame) => this.nextFrame(frame),
          close: () => this.nextClosed(),
          drain: () => this.updateFlow(),
        });
        next.connection.send(
          CLTOCS_WRITE.encode({ variant: 'protocol', protocol: 1, chunkId, version, chain: others }),
        );
      } catch (error) {
        this.owner.context.services.log.info(
          `chain to ${formatIpv4(first.ip)}:${first.port}: ${(error as Error).message}`,
        );
        return this.refuse(MFS_ERROR_CANTCONNECT);
      }
    }
    try {
      this.chunk = await store.open(chunkId, version);
    } catch (error) {
      return this.refuse(statusOf(error));
    }
    if (this.ended) return;
    this.queue = new WriteQueue(store, this.chunk, version, (packets) => this.written(packets));
    if (this.isLast) this.sendStatus(0, StoreStatus.OK);
    const early = this.early ?? [];
    this.early = undefined;
    this.pendingBytes = 0;
    try {
      for (const frame of early) if (!this.ended) this.frame(frame);
    } catch (error) {
      this.owner.connection.destroy(error as Error);
    }
    this.updateFlow();
  }

  /** The session cannot start: the connection goes on idle (spec 04 §6.1). */
  private refuse(status: number): void {
    if (this.ended) return;
    this.sendStatus(0, status);
    this.next?.destroy();
    this.endIdle();
  }

  private sendStatus(writeId: number, status: number): void {
    this.owner.connection.send(CSTOCL_WRITE_STATUS.encode({ chunkId: this.request.chunkId, writeId, status }));
  }

  private endIdle(): void {
    if (this.ended) return;
    this.ended = true;
    if (this.paused) this.owner.connection.resume();
    this.owner.becomeIdle();
    this.settle();
  }

  /** The chunk is given back when the last write has come to an end. */
  private settle(): void {
    if (this.ended && this.writing === 0) this.over();
  }

  closed(): void {
    this.abort.abort();
    this.ended = true;
    this.next?.destroy();
    this.settle();
  }

  drain(): void {
    this.updateFlow();
  }

  frame(frame: Frame): void {
    if (this.early !== undefined && frame.type !== ANTOAN_NOP.type) {
      this.early.push(frame);
      this.pendingBytes += frame.payload.length;
      this.updateFlow();
      return;
    }
    switch (frame.type) {
      case WRITE_DATA_TYPE:
        return this.writeData(frame);
      case CLTOCS_WRITE_FINISH.type:
        return this.finish(frame);
      case ANTOAN_NOP.type:
        return this.nop();
      default:
        if (!this.isLast) throw new Error(`packet of type ${frame.type} in a write session`);
    }
  }

  private nop(): void {
    this.next?.connection.send(NOP);
    const nowMs = this.owner.context.services.clock.monotonicMs();
    if (nowMs - this.lastNopMs < NOP_MIN_INTERVAL_MS) return;
    this.lastNopMs = nowMs;
    this.owner.connection.send(NOP);
  }

  private writeData(frame: Frame): void {
    const packet = parseWriteData(frame.payload);
    if (packet === undefined) throw new Error('CLTOCS_WRITE_DATA of wrong length');
    if (packet.chunkId !== this.request.chunkId) return this.wrongChunk(packet.writeId);
    this.lastWriteId = packet.writeId;
    this.next?.connection.send(frameHead(frame.type, frame.payload.length), frame.payload);
    const entry: Pending = {
      writeId: packet.writeId,
      sizeBytes: packet.size,
      localDone: false,
      nextDone: this.isLast,
      status: StoreStatus.OK,
    };
    this.pending.push(entry);
    this.pendingBytes += packet.size;
    this.writing++;
    this.queue?.add(entry, packet);
    this.updateFlow();
  }

  private written(packets: readonly Pending[]): void {
    this.writing -= packets.length;
    for (const packet of packets) this.pendingBytes -= packet.sizeBytes;
    if (this.ended) return this.settle();
    this.updateFlow();
    this.answerSoon();
  }

  /** Writes that end in the same turn are answered together. */
  private answerSoon(): void {
    if (this.answering) return;
    this.answering = true;
    setImmediate(this.answerNow);
  }

  private answer(): void {
    const ready: Pending[] = [];
    let failed: Pending | undefined;
    for (const entry of this.pending) {
      if (entry.localDone && entry.status !== StoreStatus.OK) failed = entry;
      else if (!entry.localDone || !entry.nextDone) break;
      ready.push(entry);
      if (failed) break;
    }
    if (ready.length > 0) {
      this.pending.splice(0, ready.length);
      this.nextAnswered = Math.max(0, this.nextAnswered - ready.length);
      this.owner.connection.send(writeStatuses(this.request.chunkId, ready));
    }
    if (failed) this.fail();
    else if (this.finishing && this.pending.length === 0) this.endFinished();
  }

  /** After an error the last server stays idle, one in the middle closes both sides (spec 04 §6.2, §7.5). */
  private fail(): void {
    if (this.isLast) return this.endIdle();
    this.next?.destroy();
    this.ended = true;
    this.owner.connection.end();
    this.settle();
  }

  private wrongChunk(writeId: number): void {
    this.sendStatus(this.isLast ? writeId : 0, MFS_ERROR_WRONGCHUNKID);
    this.fail();
  }

  private finish(frame: Frame): void {
    const { chunkId, version } = CLTOCS_WRITE_FINISH.decode(frame.payload);
    if (chunkId !== this.request.chunkId || version !== this.request.version) return this.wrongChunk(this.lastWriteId);
    this.next?.connection.send(frameHead(frame.type, frame.payload.length), frame.payload);
    this.finishing = true;
    if (this.pending.length === 0) this.endFinished();
  }

  private endFinished(): void {
    if (this.next) this.owner.context.chain.keep(this.next);
    this.next = undefined;
    this.endIdle();
  }

  private nextFrame(frame: Frame): void {
    if (frame.type === ANTOAN_NOP.type) return;
    try {
      if (frame.type !== CSTOCL_WRITE_STATUS.type) throw new Error(`unexpected packet of type ${frame.type}`);
      const { chunkId, writeId, status } = CSTOCL_WRITE_STATUS.decode(frame.payload);
      if (chunkId !== this.request.chunkId) throw new Error(`status for chunk ${chunkId}`);
      if (writeId === 0) return this.nextStarted(status);
      const entry = this.pending[this.nextAnswered];
      if (entry?.writeId !== writeId) throw new Error(`status for packet ${writeId} out of order`);
      this.nextAnswered++;
      entry.nextDone = true;
      if (status !== StoreStatus.OK) {
        entry.localDone = true;
        entry.status = status;
      }
      this.answerSoon();
    } catch (error) {
      this.owner.context.services.log.info(`next server of a chain: ${(error as Error).message}`);
      this.fail();
    }
  }

  private nextStarted(status: number): void {
    this.sendStatus(0, status);
    if (status !== StoreStatus.OK) this.fail();
  }

  private nextClosed(): void {
    if (this.ended) return;
    this.sendStatus(0, MFS_ERROR_DISCONNECTED);
    this.fail();
  }

  /** Stops reading while disk or next server do not keep up. */
  private updateFlow(): void {
    const nextFull = (this.next?.connection.queuedBytes ?? 0) > MAX_PENDING_BYTES;
    if (!this.paused && (this.pendingBytes > MAX_PENDING_BYTES || nextFull)) {
      this.paused = true;
      this.owner.connection.pause();
    } else if (this.paused && this.pendingBytes <= MAX_PENDING_BYTES / 2 && !nextFull) {
      this.paused = false;
      this.owner.connection.resume();
    }
  }
}
