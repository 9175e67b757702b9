/** What is written into a block at once. */
import { combineCrc } from './crc-shift.js';
import { ChunkError, StoreStatus } from './errors.js';
import { BLOCK_SIZE_BYTES, BLOCKS_PER_CHUNK } from './format.js';

/**
 * Statuses of a packet, in the order of spec 04 §6.2.
 *
 * @throws ChunkError BNUMTOOBIG, WRONGSIZE, WRONGOFFSET
 */
export function checkPlace(block: number, offset: number, sizeBytes: number): void {
  if (block >= BLOCKS_PER_CHUNK) throw new ChunkError(StoreStatus.BNUMTOOBIG, `block ${block}`);
  if (sizeBytes > BLOCK_SIZE_BYTES) throw new ChunkError(StoreStatus.WRONGSIZE, `size ${sizeBytes}`);
  if (offset + sizeBytes > BLOCK_SIZE_BYTES)
    throw new ChunkError(StoreStatus.WRONGOFFSET, `offset ${offset}, size ${sizeBytes}`);
}

/**
 * Data for one place within a block: those of one packet, and of the packets that continue it while it waits for its turn. Many
 * small packets cost as little as a large one: one write of data and one of the CRC.
 */
export class WriteRun {
  readonly parts: Buffer[];
  sizeBytes: number;
  private begun = false;

  /**
   * @param data not copied, must not change until it is written
   * @param crc CRC32 of `data`, already verified
   */
  constructor(
    readonly block: number,
    readonly offset: number,
    data: Buffer,
    public crc: number,
  ) {
    this.parts = [data];
    this.sizeBytes = data.length;
  }

  /** Takes along data that follow; false if they do not, or if it is too late. */
  extend(block: number, offset: number, data: Buffer, crc: number): boolean {
    if (this.begun || block !== this.block || offset !== this.end || data.length === 0 || this.sizeBytes === 0)
      return false;
    this.parts.push(data);
    this.sizeBytes += data.length;
    this.crc = combineCrc(this.crc, crc, data.length);
    return true;
  }

  /** Where in the block it ends. */
  get end(): number {
    return this.offset + this.sizeBytes;
  }

  /** It is written now: nothing is added any more. */
  begin(): void {
    this.begun = true;
  }
}
