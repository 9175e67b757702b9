/** The CRC table of an open chunk, in memory; remembers which part of it is not on disk yet. */
import { BLOCKS_PER_CHUNK, CRC_TABLE_SIZE_BYTES, EMPTY_BLOCK_CRC } from './format.js';
import { type StoreFs, writeFully } from './store-fs.js';

export class CrcTable {
  private dirtyFrom = BLOCKS_PER_CHUNK;
  private dirtyTo = 0;
  private flushing: Promise<void> | undefined;
  /** Filler entries on disk are not those of the table in memory yet; they go with the first change. */
  private fillersStale: boolean;

  /**
   * @param bytes 1024 × u32 big-endian as on disk, kept and changed
   * @param blocks number of blocks in the file: entries behind become those of zeros
   */
  constructor(
    readonly bytes: Buffer,
    blocks: number,
  ) {
    this.fillersStale = blocks < BLOCKS_PER_CHUNK && bytes.readUInt32BE(CRC_TABLE_SIZE_BYTES - 4) !== EMPTY_BLOCK_CRC;
    this.fill(blocks);
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
    if (block < this.dirtyFrom) this.dirtyFrom = block;
    if (block >= this.dirtyTo) this.dirtyTo = block + 1;
    if (this.fillersStale) {
      this.fillersStale = false;
      this.dirtyTo = BLOCKS_PER_CHUNK;
    }
  }

  /** Becomes that of another chunk, all of it to be written. */
  adopt(table: Buffer, blocks: number): void {
    table.copy(this.bytes);
    this.fill(blocks);
    this.dirtyFrom = 0;
    this.dirtyTo = BLOCKS_PER_CHUNK;
  }

  /** Writes the changed part to `position` of the file. After a failure it stays dirty. */
  async flush(io: StoreFs, fd: number, position: number): Promise<void> {
    while (this.flushing) await this.flushing.catch(() => undefined);
    if (!this.dirty) return;
    const from = this.dirtyFrom;
    const to = this.dirtyTo;
    this.dirtyFrom = BLOCKS_PER_CHUNK;
    this.dirtyTo = 0;
    this.flushing = writeFully(io, fd, this.bytes, 4 * from, 4 * (to - from), position + 4 * from);
    try {
      await this.flushing;
    } catch (error) {
      this.dirtyFrom = Math.min(this.dirtyFrom, from);
      this.dirtyTo = Math.max(this.dirtyTo, to);
      throw error;
    } finally {
      this.flushing = undefined;
    }
  }
}
