/**
 * Brings the data of one chunk to its chunkservers: WRITE_CHUNK, session, WRITE_CHUNK_END, again until nothing is left
 * (spec 13 §7.3). Whatever breaks in between, unacknowledged blocks stay and go to where the master says next.
 */
import {
  CHUNKOPFLAG_CANUSERESERVESPACE,
  CHUNKOPFLAG_CONTINUEOP,
  MFSBLOCKSIZE,
  MFSCHUNKSIZE,
} from '@wapiti-fs/protocol';

import { type Block, ChunkBlocks } from './chunk-blocks.js';
import type { ChunkLocation } from './chunk-master.js';
import type { EngineParts } from './engine-parts.js';
import { endError, statusOf } from './errors.js';
import { Retry } from './retry.js';
import { WriteSession, type WriteSessionOwner } from './write-session.js';
import type { Budget } from './waiting.js';

const LOG_FROM_FAILURES = 3;

/** The file a chunk belongs to, as its writers need it. */
export interface WriterFile {
  readonly inode: number;
  /** Somebody waits for all data to be written. */
  readonly flushing: boolean;
  /** Sessions of this file. */
  readonly slots: Budget;
  /** A range is on all chunkservers: what was read of it before is old. */
  written(from: number, to: number): void;
  located(chunkIndex: number, location: ChunkLocation): void;
  /** The master knows the file to be so long. */
  lengthTold(length: number): void;
}

export class ChunkWriter implements WriteSessionOwner {
  readonly blocks: ChunkBlocks;
  private readonly retry: Retry;
  private session: WriteSession | undefined;
  private superuser = false;
  /** A WRITE_CHUNK without answer may have locked the chunk for us. */
  private maybeLocked = false;
  /** END is owed to the master with this length. */
  private length = 0;

  constructor(
    private readonly parts: EngineParts,
    private readonly file: WriterFile,
    readonly chunkIndex: number,
  ) {
    this.blocks = new ChunkBlocks(parts.blockPool);
    this.retry = new Retry(parts.limits, this.toString());
  }

  toString(): string {
    return `inode ${this.file.inode}, chunk ${this.chunkIndex}: write`;
  }

  add(blocknum: number, from: number, data: Buffer, superuser: boolean): boolean {
    this.superuser ||= superuser;
    const isNew = this.blocks.add(blocknum, from, data);
    this.session?.wake();
    return isNew;
  }

  /** A flush begins: partial blocks are not held back any longer. */
  wake(): void {
    this.session?.wake();
  }

  get urgent(): boolean {
    return this.file.flushing || this.file.slots.wanted || this.parts.writeSlots.wanted || this.parts.writeCache.wanted;
  }

  acknowledged(block: Block): void {
    const start = this.chunkIndex * MFSCHUNKSIZE + block.blocknum * MFSBLOCKSIZE;
    this.length = Math.max(this.length, start + block.to);
    this.file.written(start + block.from, start + block.to);
    this.parts.writeCache.give();
    this.retry.reset();
  }

  /** Runs until all blocks are written; rejects with a DataError when that cannot be, the blocks being given up. */
  async run(): Promise<void> {
    try {
      await this.file.slots.take();
      try {
        await this.parts.writeSlots.take();
        try {
          while (this.blocks.size > 0) await this.phase();
        } finally {
          this.parts.writeSlots.give();
        }
      } finally {
        this.file.slots.give();
      }
    } catch (error) {
      this.parts.writeCache.give(this.blocks.clear());
      throw error;
    }
  }

  /** One grant of the master, used as far as it goes. */
  private async phase(): Promise<void> {
    const location = await this.grant();
    this.length = location.length;
    // Another one may be reached where the first cannot, and reach the first.
    const servers = this.parts.connections.chain(location.servers);
    const [first] = servers;
    let waitMs: number;
    if (first === undefined) {
      await this.end(location, 0);
      waitMs = this.retry.afterNoServers(this.parts.clock.monotonicMs());
    } else {
      const connected = this.parts.connections.get(first, Math.min(2 * this.retry.failures + 2, 10));
      const connection = await connected.catch((error: Error) => error);
      if (connection instanceof Error) {
        await this.end(location, 0);
        waitMs = this.failed(connection, undefined);
      } else {
        this.session = new WriteSession(this.parts.clock, connection, { ...location, servers }, this.blocks, this);
        const outcome = await this.session.run();
        this.session = undefined;
        this.parts.connections.release(connection, outcome.error === undefined);
        if (outcome.error !== undefined) this.parts.connections.failed(first);
        await this.end(location, this.length);
        if (outcome.error === undefined) return this.retry.reset();
        waitMs = this.failed(outcome.error, outcome.status);
      }
    }
    await this.parts.pauses.wait(waitMs);
  }

  /** Asks the master until it grants the chunk. */
  private async grant(): Promise<ChunkLocation> {
    for (;;) {
      const flags =
        (this.superuser ? CHUNKOPFLAG_CANUSERESERVESPACE : 0) | (this.maybeLocked ? CHUNKOPFLAG_CONTINUEOP : 0);
      try {
        const location = await this.parts.master.writeChunk(this.file.inode, this.chunkIndex, flags, () => {
          this.maybeLocked = true;
        });
        this.maybeLocked = false;
        this.file.located(this.chunkIndex, location);
        return location;
      } catch (error) {
        this.maybeLocked ||= statusOf(error) === undefined;
        const waitMs = this.retry.afterMaster(error, this.parts.clock.monotonicMs());
        this.report(error);
        await this.parts.pauses.wait(waitMs);
      }
    }
  }

  /** Gives the chunk back and tells the length that is acknowledged. */
  private async end({ chunkId }: ChunkLocation, length: number): Promise<void> {
    for (;;) {
      try {
        await this.parts.master.writeChunkEnd(chunkId, this.file.inode, this.chunkIndex, length, 0);
        return this.file.lengthTold(length);
      } catch (error) {
        const status = statusOf(error);
        if (status !== undefined) throw endError(status, this.toString());
        const waitMs = this.retry.afterOutage(error, this.parts.clock.monotonicMs());
        this.report(error);
        await this.parts.pauses.wait(waitMs);
      }
    }
  }

  private failed(error: Error, status: number | undefined): number {
    const nowMs = this.parts.clock.monotonicMs();
    this.report(error);
    return this.retry.afterServer(error, status, nowMs);
  }

  private report(error: unknown): void {
    const { failures } = this.retry;
    if (failures >= LOG_FROM_FAILURES)
      this.parts.log.warn(`${this.toString()}: try ${failures} failed: ${(error as Error).message}`);
  }
}
