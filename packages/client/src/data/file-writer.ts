/**
 * Writing one file: the write cache of its chunks, one writer for each chunk that has data, flush.
 *
 * A failed write is remembered until the last handle is closed: its data are lost, and whoever asks (write, flush, close) must
 * be told.
 */
import { MFSBLOCKSIZE, MFSCHUNKSIZE } from '@wapiti-fs/protocol';

import type { Patch } from './chunk-blocks.js';
import type { ChunkLocation } from './chunk-master.js';
import { ChunkWriter, type WriterFile } from './chunk-writer.js';
import type { EngineParts } from './engine-parts.js';
import { Budget } from './waiting.js';

export interface WrittenFile {
  readonly inode: number;
  /** A range is on all chunkservers. */
  written(from: number, to: number): void;
  located(chunkIndex: number, location: ChunkLocation): void;
  lengthTold(length: number): void;
  /** No data are left to be written. */
  settled(): void;
}

export class FileWriter implements WriterFile {
  readonly slots: Budget;
  private readonly writers = new Map<number, ChunkWriter>();
  private failure: Error | undefined;
  /** Flushes and truncations under way: writers wait. */
  private holds = 0;
  private held: (() => void)[] = [];
  private draining: (() => void)[] = [];

  constructor(
    private readonly parts: EngineParts,
    private readonly file: WrittenFile,
  ) {
    this.slots = new Budget(parts.chunksPerFile);
  }

  get inode(): number {
    return this.file.inode;
  }

  get flushing(): boolean {
    return this.holds > 0;
  }

  get dirty(): boolean {
    return this.writers.size > 0;
  }

  /** Takes data into the cache; `accepted` is called in the turn in which they become visible to readers. */
  async write(offset: number, data: Buffer, superuser: boolean, accepted: (end: number) => void): Promise<void> {
    for (let done = 0; done < data.length;) {
      const position = offset + done;
      const from = position % MFSBLOCKSIZE;
      const piece = data.subarray(done, Math.min(data.length, done + MFSBLOCKSIZE - from));
      const wait = this.parts.writeCache.take();
      if (wait !== undefined) {
        this.wakeWriters();
        await wait;
      }
      while (this.holds > 0) await new Promise<void>((resolve) => this.held.push(resolve));
      if (this.failure !== undefined) {
        this.parts.writeCache.give();
        throw this.failure;
      }
      const chunkIndex = Math.floor(position / MFSCHUNKSIZE);
      const blocknum = Math.floor((position % MFSCHUNKSIZE) / MFSBLOCKSIZE);
      let writer = this.writers.get(chunkIndex);
      const isNew = writer === undefined;
      writer ??= new ChunkWriter(this.parts, this, chunkIndex);
      if (!writer.add(blocknum, from, piece, superuser)) this.parts.writeCache.give();
      if (isNew) this.start(writer);
      done += piece.length;
      accepted(position + piece.length);
    }
    if (this.failure !== undefined) throw this.failure;
  }

  private start(writer: ChunkWriter): void {
    this.writers.set(writer.chunkIndex, writer);
    const over = (): void => {
      this.writers.delete(writer.chunkIndex);
      if (this.writers.size > 0) return;
      this.file.settled();
      for (const resolve of this.draining.splice(0)) resolve();
    };
    writer.run().then(over, (error: Error) => {
      this.failure ??= error;
      this.parts.log.error(error.message);
      over();
    });
  }

  /** Waits until everything is written, nothing being accepted meanwhile; then `work`. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    this.holds++;
    try {
      this.wakeWriters();
      if (this.writers.size > 0) await new Promise<void>((resolve) => this.draining.push(resolve));
      return await work();
    } finally {
      if (--this.holds === 0) for (const resolve of this.held.splice(0)) resolve();
    }
  }

  async flush(): Promise<void> {
    if (this.dirty) await this.exclusive(async () => undefined);
    if (this.failure !== undefined) throw this.failure;
  }

  /** What overlays the range on chunkservers, oldest first; `at` in the file. */
  patches(from: number, to: number): Patch[] {
    const patches: Patch[] = [];
    if (this.writers.size === 0) return patches;
    const last = Math.floor((to - 1) / MFSCHUNKSIZE);
    for (let index = Math.floor(from / MFSCHUNKSIZE); index <= last; index++) {
      const start = index * MFSCHUNKSIZE;
      this.writers.get(index)?.blocks.patches(from - start, Math.min(to - start, MFSCHUNKSIZE), patches, start);
    }
    return patches;
  }

  private wakeWriters(): void {
    for (const writer of this.writers.values()) writer.wake();
  }

  // ---- WriterFile ------------------------------------------------------------------------------------------------

  written(from: number, to: number): void {
    this.file.written(from, to);
  }

  located(chunkIndex: number, location: ChunkLocation): void {
    this.file.located(chunkIndex, location);
  }

  lengthTold(length: number): void {
    this.file.lengthTold(length);
  }
}
