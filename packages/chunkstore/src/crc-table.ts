/** The CRC table of an open chunk, in memory; remembers which part of it is not on disk yet. */
import { BLOCKS_PER_CHUNK, EMPTY_BLOCK_CRC } from './format.js';
import { type StoreFs, writeFully } from './store-fs.js';

const DONE = Promise.resolve();

export class CrcTable {
  private dirtyFrom = BLOCKS_PER_CHUNK;
  private dirtyTo = 0;
  /** On its way to the disk. */
  private writing: Promise<void> | undefined;
  /** The one behind it, not begun: takes along all that changes until then. */
  private waiting: Promise<void> | undefined;
  /** First of the filler entries that are on disk not what they are in memory; they go with the first change. */
  private fillersFrom: number | undefined;

  /**
   * @param bytes 1024 × u32 big-endian as on disk, kept and changed
   * @param blocks number of blocks in the file: entries behind become those of zeros
   */
  constructor(
    readonly bytes: Buffer,
    blocks: number,
  ) {
    // Zeros in a new file, or those of blocks that were cut off.
    for (let block = blocks; block < BLOCKS_PER_CHUNK; block++) {
      if (bytes.readUInt32BE(4 * block) === EMPTY_BLOCK_CRC) continue;
      this.fillersFrom = blocks;
      this.fill(blocks);
      break;
    }
  }

  private fill(blocks: number): void {
    for (let block = blocks; block < BLOCKS_PER_CHUNK; block++) this.bytes.writeUInt32BE(EMPTY_BLOCK_CRC, 4 * block);
  }

  get dirty(): boolean {
    return this.dirtyFrom < this.dirtyTo;
  }

  get(block: number): number {
    return this.bytes.readUInt32BE(4 * block);
  }

  set(block: number, crc: number): void {
    this.bytes.writeUInt32BE(crc, 4 * block);
    this.mark(block, block + 1);
    this.markFillers();
  }

  private mark(from: number, to: number): void {
    if (from < this.dirtyFrom) this.dirtyFrom = from;
    if (to > this.dirtyTo) this.dirtyTo = to;
  }

  private markFillers(): void {
    if (this.fillersFrom === undefined) return;
    this.mark(this.fillersFrom, BLOCKS_PER_CHUNK);
    this.fillersFrom = undefined;
  }

  /** Becomes that of another chunk, all of it to be written. */
  adopt(table: Buffer, blocks: number): void {
    table.copy(this.bytes);
    this.fill(blocks);
    this.fillersFrom = undefined;
    this.mark(0, BLOCKS_PER_CHUNK);
  }

  /** Resolves when the entries behind the last block are on disk those of zeros: blocks may be added by truncate then. */
  flushFillers(io: StoreFs, fd: number, position: number, blocks: number): Promise<void> {
    this.markFillers();
    return this.dirtyTo > blocks || this.writing !== undefined ? this.flush(io, fd, position) : DONE;
  }

  /**
   * Writes the changed part to `position` of the file; resolves when all that is set by now is there. One write is on its
   * way at a time, and what changes meanwhile goes in one piece with the next. After a failure it stays dirty.
   */
  flush(io: StoreFs, fd: number, position: number): Promise<void> {
    if (this.waiting !== undefined) return this.waiting;
    if (this.writing === undefined) return this.dirty ? this.begin(io, fd, position) : DONE;
    if (!this.dirty) return this.writing;
    this.waiting = this.flushNext(io, fd, position);
    return this.waiting;
  }

  private async flushNext(io: StoreFs, fd: number, position: number): Promise<void> {
    await this.writing?.catch(() => undefined);
    this.waiting = undefined;
    await this.begin(io, fd, position);
  }

  private begin(io: StoreFs, fd: number, position: number): Promise<void> {
    const from = this.dirtyFrom;
    const to = this.dirtyTo;
    this.dirtyFrom = BLOCKS_PER_CHUNK;
    this.dirtyTo = 0;
    this.writing = this.write(io, fd, position, from, to);
    return this.writing;
  }

  private async write(io: StoreFs, fd: number, position: number, from: number, to: number): Promise<void> {
    try {
      await writeFully(io, fd, this.bytes, 4 * from, 4 * (to - from), position + 4 * from);
    } catch (error) {
      this.mark(from, to);
      throw error;
    } finally {
      this.writing = undefined;
    }
  }
}
