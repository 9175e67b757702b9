/**
 * Note of the blocks of a chunk file that are being written. Data and CRC of a block are two writes, and a process that is killed
 * between them leaves a block whose CRC does not fit. The note says which blocks these can be, and that the kernel that took
 * the writes is still the one that runs: then nothing is lost but what was not confirmed, and the CRC may be computed anew. After
 * the end of the machine, which loses pages of confirmed writes in any order, the note is void and the block stays an error.
 *
 * It lies in the part of the header that holds zeros and that nobody reads (spec 05 §3), and is zeros again when the file is
 * closed. A new note is written before the first write of a block; it drops the blocks that are not written any more.
 */
import { crc32 } from 'node:zlib';

import { BLOCKS_PER_CHUNK } from './format.js';
import { type StoreFs, writeFully } from './store-fs.js';

/** Behind signature, id and version, and within the header of 1024 bytes of old files. */
const POSITION = 32;
const MAGIC = Buffer.from('WPTNOTE1', 'latin1');
const BOOT_ID_AT = 8;
export const BOOT_ID_SIZE_BYTES = 16;
const BITS_AT = BOOT_ID_AT + BOOT_ID_SIZE_BYTES;
const BITS_SIZE_BYTES = BLOCKS_PER_CHUNK / 8;
const CRC_AT = BITS_AT + BITS_SIZE_BYTES;
const NOTE_SIZE_BYTES = CRC_AT + 4;
const NONE = Buffer.alloc(NOTE_SIZE_BYTES);
/** Blocks that are noted with one behind the end of the file: appending writes a note once in 4 MiB. */
const AHEAD_BLOCKS = 64;
const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id';

/** Identity of the running kernel; undefined where there is none to be had: then nothing is noted. */
export async function readBootId(io: StoreFs): Promise<Buffer | undefined> {
  try {
    const id = Buffer.from((await io.readFile(BOOT_ID_PATH)).toString('latin1').replace(/[^0-9a-f]/g, ''), 'hex');
    return id.length === BOOT_ID_SIZE_BYTES ? id : undefined;
  } catch {
    return undefined;
  }
}

function hasBit(bits: Buffer, block: number): boolean {
  return ((bits[block >> 3] as number) & (1 << (block & 7))) !== 0;
}

function setBit(bits: Buffer, block: number): void {
  bits[block >> 3] = (bits[block >> 3] as number) | (1 << (block & 7));
}

/**
 * What the header of a file says.
 *
 * @returns undefined: no note; else the blocks that were being written under the kernel `bootId`, none if it was another one
 */
export function notedBlocks(header: Buffer, bootId: Buffer | undefined): number[] | undefined {
  const note = header.subarray(POSITION, POSITION + NOTE_SIZE_BYTES);
  if (!note.subarray(0, BOOT_ID_AT).equals(MAGIC)) return undefined;
  const blocks: number[] = [];
  if (bootId === undefined || !note.subarray(BOOT_ID_AT, BITS_AT).equals(bootId)) return blocks;
  if (note.readUInt32BE(CRC_AT) !== crc32(note.subarray(0, CRC_AT))) return blocks;
  const bits = note.subarray(BITS_AT, CRC_AT);
  for (let block = 0; block < BLOCKS_PER_CHUNK; block++) if (hasBit(bits, block)) blocks.push(block);
  return blocks;
}

export async function eraseNote(io: StoreFs, fd: number): Promise<void> {
  await writeFully(io, fd, NONE, 0, NOTE_SIZE_BYTES, POSITION);
}

export class WriteNote {
  /** Number of writes under way, by block. */
  private readonly busy = new Uint16Array(BLOCKS_PER_CHUNK);
  private busyWrites = 0;
  private readonly failed = new Set<number>();
  private readonly bytes = Buffer.alloc(NOTE_SIZE_BYTES);
  /** What is noted on disk whatever becomes of a note on its way. */
  private readonly stored = Buffer.alloc(BITS_SIZE_BYTES);
  private aheadFrom = 0;
  private aheadTo = 0;
  private present = false;
  private writing: Promise<void> | undefined;
  /** The one behind it, not begun. */
  private waiting: Promise<void> | undefined;

  constructor(private readonly bootId: Buffer | undefined) {
    if (bootId === undefined) return;
    MAGIC.copy(this.bytes);
    bootId.copy(this.bytes, BOOT_ID_AT);
  }

  /** Puts a note for the first blocks into the header of a file that is to be created. */
  putInto(header: Buffer): void {
    if (this.bootId === undefined) return;
    this.aheadTo = AHEAD_BLOCKS;
    this.compose();
    this.bytes.copy(header, POSITION);
    this.bytes.copy(this.stored, 0, BITS_AT, CRC_AT);
  }

  /**
   * A write of the block begins; to be ended with `end` when data and CRC are both written.
   *
   * @param isNew the block lies behind the end of the file
   * @returns undefined when it is noted already, else to be waited for before the first change
   */
  begin(io: StoreFs, fd: number, block: number, isNew: boolean): Promise<void> | undefined {
    this.busy[block] = (this.busy[block] as number) + 1;
    this.busyWrites++;
    if (this.bootId === undefined || hasBit(this.stored, block)) return undefined;
    if (isNew) {
      this.aheadFrom = block;
      this.aheadTo = Math.min(block + AHEAD_BLOCKS, BLOCKS_PER_CHUNK);
    }
    if (this.waiting !== undefined) return this.waiting;
    if (this.writing === undefined) return this.write(io, fd);
    this.waiting = this.writeNext(io, fd);
    return this.waiting;
  }

  /** @param failed data or CRC may not be what they should: the block stays noted until `clear` */
  end(block: number, failed: boolean): void {
    this.busy[block] = (this.busy[block] as number) - 1;
    this.busyWrites--;
    if (failed) this.failed.add(block);
  }

  private compose(): void {
    this.present = true;
    const bits = this.bytes.subarray(BITS_AT, CRC_AT).fill(0);
    for (let block = 0; block < BLOCKS_PER_CHUNK; block++) if (this.busy[block] !== 0) setBit(bits, block);
    for (const block of this.failed) setBit(bits, block);
    for (let block = this.aheadFrom; block < this.aheadTo; block++) setBit(bits, block);
    this.bytes.writeUInt32BE(crc32(this.bytes.subarray(0, CRC_AT)), CRC_AT);
  }

  private async writeNext(io: StoreFs, fd: number): Promise<void> {
    await this.writing?.catch(() => undefined);
    this.waiting = undefined;
    await this.write(io, fd);
  }

  private write(io: StoreFs, fd: number): Promise<void> {
    this.compose();
    for (let i = 0; i < BITS_SIZE_BYTES; i++) {
      this.stored[i] = (this.stored[i] as number) & (this.bytes[BITS_AT + i] as number);
    }
    this.writing = this.writeComposed(io, fd);
    return this.writing;
  }

  private async writeComposed(io: StoreFs, fd: number): Promise<void> {
    try {
      await writeFully(io, fd, this.bytes, 0, NOTE_SIZE_BYTES, POSITION);
      this.bytes.copy(this.stored, 0, BITS_AT, CRC_AT);
    } finally {
      this.writing = undefined;
    }
  }

  /** Erases the note, unless something is being written. All CRCs must be on disk. */
  async clear(io: StoreFs, fd: number): Promise<void> {
    if (!this.present || this.busyWrites > 0) return;
    this.present = false;
    this.aheadFrom = this.aheadTo = 0;
    this.failed.clear();
    this.stored.fill(0);
    const erasing = eraseNote(io, fd).finally(() => (this.writing = undefined));
    this.writing = erasing;
    await erasing;
  }
}
