/**
 * One open chunk file: data blocks, CRC table and their consistency. Whatever fails, the file keeps a valid size and CRCs that
 * match its blocks, or the error says `damaged`.
 *
 * Unlike in the reference (spec 05 §12) a write has ended when its data and its CRC are both written: a process that is killed
 * leaves all it confirmed readable. What it leaves of the writes it had not confirmed:
 * - A new whole block: its CRC is written first, the data extend the file after that. There is no block, or a good one.
 * - A new block by a part of its data: the file is extended by zeros with their CRC, the data follow as in the next case.
 * - A block that exists: data and CRC are written at the same time. Between the two the block is unreadable on this copy,
 *   what it held before included; a write of the whole block makes it good again.
 *
 * Callers of `read` and `write` need no lock; `truncate` and whatever replaces the file take `lock.acquireAll()` themselves.
 */
import { crc32 } from 'node:zlib';

import { BlockLock } from './block-lock.js';
import { BufferPool } from './buffer-pool.js';
import { replaceInCrc } from './crc-shift.js';
import { createChunkFile, openChunkFile } from './chunk-open.js';
import type { CrcTable } from './crc-table.js';
import { ChunkError, ioError, StoreStatus } from './errors.js';
import { BLOCK_SIZE_BYTES, blockOffset, EMPTY_BLOCK_CRC, fileSize } from './format.js';
import { endsWithZeros, withoutZeros, ZEROS } from './sparse.js';
import { readExactly, type StoreFs, writeFully } from './store-fs.js';

const scratch = new BufferPool(BLOCK_SIZE_BYTES, 64);

export interface BlocksRead {
  /** Blocks from the first one on whose data are in the buffer and whose CRC was right. */
  readonly verified: number;
  /** CRCs of those blocks, as they were when the data were read. */
  readonly crcs: readonly number[];
  /** Why the next one could not be read. */
  readonly error?: ChunkError;
}

/** Counts data block I/O of the folder the file lies in (spec 05 §13). */
export interface IoMeter {
  didRead(sizeBytes: number, elapsedMs: number): void;
  didWrite(sizeBytes: number, elapsedMs: number): void;
}

/** What is still to be waited for when the data are written. */
interface Written {
  crcStored: Promise<void> | undefined;
}

export class ChunkFile {
  readonly lock = new BlockLock();
  /** The last block written beyond the old end, and from where on it is known to be zeros: appending needs no read. */
  private tailBlock = -1;
  private tailEnd = 0;

  private constructor(
    private readonly io: StoreFs,
    private readonly meter: IoMeter,
    private readonly fd: number,
    public path: string,
    readonly headerSize: number,
    /** Number of 64 KiB blocks in the file. */
    public blocks: number,
    private readonly table: CrcTable,
    private readonly sparsify: boolean,
  ) {}

  /**
   * Opens and checks size, header and CRC table (spec 05 §8.2): NOCHUNK for a missing file or a wrong size, IO for the rest.
   *
   * @param version undefined: the version in the header is not compared
   */
  static async open(
    io: StoreFs,
    meter: IoMeter,
    path: string,
    id: number,
    version: number | undefined,
    sparsify: boolean,
  ): Promise<ChunkFile> {
    const { fd, layout, crcs } = await openChunkFile(io, path, id, version);
    return new ChunkFile(io, meter, fd, path, layout.headerSize, layout.blocks, crcs, sparsify);
  }

  /** Creates the file of a new, empty chunk. Nothing is left behind on failure; a full disk is a ChunkError NOSPACE. */
  static async create(
    io: StoreFs,
    meter: IoMeter,
    path: string,
    id: number,
    version: number,
    sparsify: boolean,
  ): Promise<ChunkFile> {
    const { fd, layout, crcs } = await createChunkFile(io, path, id, version);
    return new ChunkFile(io, meter, fd, path, layout.headerSize, layout.blocks, crcs, sparsify);
  }

  get dirty(): boolean {
    return this.table.dirty;
  }

  /** 1024 × u32, as in memory: entries of missing blocks are those of zeros. */
  get crcTable(): Buffer {
    return this.table.bytes;
  }

  crcOf(block: number): number {
    return this.table.get(block);
  }

  /**
   * Reads whole blocks `first` ≤ b < `first`+`count` into `buffer` and verifies their CRCs. Blocks beyond the end are zeros.
   * `check` runs when the blocks are locked and may throw (version changed meanwhile).
   */
  async read(first: number, count: number, buffer: Buffer, check?: () => void): Promise<BlocksRead> {
    const waiting = this.lock.acquire(first, first + count);
    if (waiting) await waiting;
    try {
      check?.();
      const present = Math.max(0, Math.min(count, this.blocks - first));
      if (present < count) buffer.fill(0, present * BLOCK_SIZE_BYTES, count * BLOCK_SIZE_BYTES);
      const crcs = Array.from({ length: count }, (_, i) => (i < present ? this.crcOf(first + i) : EMPTY_BLOCK_CRC));
      if (present === 0) return { verified: count, crcs };
      await this.readRaw(buffer, present * BLOCK_SIZE_BYTES, first);
      for (let i = 0; i < present; i++) {
        const data = buffer.subarray(i * BLOCK_SIZE_BYTES, (i + 1) * BLOCK_SIZE_BYTES);
        if (crc32(data) !== crcs[i]) return { verified: i, crcs, error: this.crcError(first + i) };
      }
      return { verified: count, crcs };
    } catch (cause) {
      return { verified: 0, crcs: [], error: ioError(this.path, cause) };
    } finally {
      this.lock.release(first, first + count);
    }
  }

  /** Reads blocks without checking their CRCs: for copies that must keep a damaged block detectable (spec 05 §4.5). */
  async readRaw(buffer: Buffer, sizeBytes: number, first: number): Promise<void> {
    const startMs = performance.now();
    await readExactly(this.io, this.fd, buffer, 0, sizeBytes, blockOffset(this.headerSize, first));
    this.meter.didRead(sizeBytes, performance.now() - startMs);
  }

  private crcError(block: number): ChunkError {
    return new ChunkError(StoreStatus.CRC, `${this.path}: CRC error in block ${block}`, { damaged: true });
  }

  /**
   * Writes into a block (spec 05 §4.2); data and CRC are both written when the promise resolves. `data` must not change until
   * it settles; it is not copied.
   *
   * @param crc CRC32 of `data`, already verified
   * @param check runs when the block is locked and may throw
   */
  async write(block: number, offset: number, data: Buffer, crc: number, check?: () => void): Promise<void> {
    for (;;) {
      const whole = block >= this.blocks && this.needsGrowth(offset, data);
      const waiting = whole ? this.lock.acquireAll() : this.lock.acquire(block, block + 1);
      if (waiting) await waiting;
      const from = whole ? 0 : block;
      const to = whole ? Number.MAX_SAFE_INTEGER : block + 1;
      // The file may have got longer or shorter while we waited.
      if (waiting && whole !== (block >= this.blocks && this.needsGrowth(offset, data))) {
        this.lock.release(from, to);
        continue;
      }
      const grows = block >= this.blocks;
      let cleanUp = false;
      const written: Written = { crcStored: undefined };
      try {
        check?.();
        if (grows) await this.writeNewBlock(block, offset, data, crc, written);
        else if (data.length > 0) await this.overwrite(block, offset, data, crc, written);
      } catch (cause) {
        const error = ioError(this.path, cause);
        // A failed system call may have left part of the data behind.
        cleanUp = error.cause !== undefined;
        if (cleanUp && block < this.blocks) await this.recomputeCrc(block);
        else if (cleanUp) this.table.set(block, EMPTY_BLOCK_CRC);
        throw error;
      } finally {
        this.lock.release(from, to);
        if (cleanUp && grows) await this.cutToBlocks(block);
      }
      // Not under the lock: the next packet for the block need not wait.
      if (written.crcStored !== undefined) await this.orIoError(written.crcStored);
      return;
    }
  }

  /** A new block whose data do not reach its end has to be extended by truncate: not beside other writes. */
  private needsGrowth(offset: number, data: Buffer): boolean {
    return offset + data.length < BLOCK_SIZE_BYTES || (this.sparsify && endsWithZeros(data));
  }

  private async writeNewBlock(
    block: number,
    offset: number,
    data: Buffer,
    crc: number,
    written: Written,
  ): Promise<void> {
    const { from, to } = this.sparsify ? withoutZeros(data) : { from: 0, to: data.length };
    const behind = BLOCK_SIZE_BYTES - offset - data.length;
    const zeros = data.length === BLOCK_SIZE_BYTES ? EMPTY_BLOCK_CRC : crc32(ZEROS.subarray(0, data.length));
    const blockCrc = data.length === BLOCK_SIZE_BYTES ? crc : replaceInCrc(EMPTY_BLOCK_CRC, zeros, crc, behind);
    if (offset + to < BLOCK_SIZE_BYTES) {
      await this.table.flushFillers(this.io, this.fd, this.headerSize, this.blocks);
      await this.io.truncate(this.fd, fileSize(this.headerSize, block + 1));
      this.setCrc(block, blockCrc, written);
    } else {
      // Entries of blocks that are not there are those of zeros: what a write leaves out before it becomes a good hole.
      this.setCrc(block, blockCrc, written);
      await written.crcStored;
    }
    if (from < to) await this.writeRaw(data, from, to - from, blockOffset(this.headerSize, block) + offset + from);
    if (block >= this.blocks) this.blocks = block + 1;
    if (block >= this.tailBlock) {
      this.tailBlock = block;
      this.tailEnd = offset + data.length;
    }
  }

  private async overwrite(block: number, offset: number, data: Buffer, crc: number, written: Written): Promise<void> {
    const whole = data.length === BLOCK_SIZE_BYTES;
    this.setCrc(block, whole ? crc : await this.crcWithPart(block, offset, data, crc), written);
    await this.writeRaw(data, 0, data.length, blockOffset(this.headerSize, block) + offset);
    const end = offset + data.length;
    if (block === this.tailBlock && end > this.tailEnd) this.tailEnd = end;
  }

  /** CRC of the block with the part replaced; what it holds now is verified first. */
  private async crcWithPart(block: number, offset: number, data: Buffer, crc: number): Promise<number> {
    const end = offset + data.length;
    let oldCrc: number;
    if (block === this.tailBlock && offset >= this.tailEnd) {
      oldCrc = crc32(ZEROS.subarray(0, data.length));
    } else {
      const old = scratch.take();
      try {
        await this.readRaw(old, BLOCK_SIZE_BYTES, block);
        if (crc32(old) !== this.crcOf(block)) throw this.crcError(block);
        oldCrc = crc32(old.subarray(offset, end));
      } finally {
        scratch.give(old);
      }
    }
    return replaceInCrc(this.crcOf(block), oldCrc, crc, BLOCK_SIZE_BYTES - end);
  }

  /** The CRC is on its way to the disk when this returns. */
  private setCrc(block: number, crc: number, written: Written): void {
    this.table.set(block, crc);
    written.crcStored = this.table.flush(this.io, this.fd, this.headerSize);
    // Waited for in the end, or not at all when the data could not be written: then it stays dirty.
    written.crcStored.catch(() => undefined);
  }

  private async writeRaw(data: Buffer, from: number, sizeBytes: number, position: number): Promise<void> {
    const startMs = performance.now();
    await writeFully(this.io, this.fd, data, from, sizeBytes, position);
    this.meter.didWrite(sizeBytes, performance.now() - startMs);
  }

  /** After a failed write into a block: what it holds now is a mix of old and new, and becomes its valid content. */
  private async recomputeCrc(block: number): Promise<void> {
    const buffer = scratch.take();
    try {
      if (this.tailBlock === block) this.tailBlock = -1;
      await this.readRaw(buffer, BLOCK_SIZE_BYTES, block);
      this.table.set(block, crc32(buffer));
    } catch (cause) {
      throw this.beyondRepair(cause);
    } finally {
      scratch.give(buffer);
    }
  }

  /** After a failed write of a new block: the file gets its size of whole blocks back, unless it has grown beyond. */
  private async cutToBlocks(block: number): Promise<void> {
    const waiting = this.lock.acquireAll();
    if (waiting) await waiting;
    try {
      if (block < this.blocks) await this.recomputeCrc(block);
      else await this.io.truncate(this.fd, fileSize(this.headerSize, this.blocks));
    } catch (cause) {
      throw this.beyondRepair(cause);
    } finally {
      this.lock.releaseAll();
    }
  }

  private beyondRepair(cause: unknown): ChunkError {
    return new ChunkError(StoreStatus.IO, `${this.path}: cannot be repaired after a failed write`, {
      cause,
      damaged: true,
    });
  }

  /**
   * Cuts or extends to `length` bytes (spec 05 §4.3); the rest of the last block becomes zeros. The caller holds the whole lock.
   * Unlike the reference, the last block is verified first, so that a damaged one does not get a valid CRC.
   */
  async truncate(length: number): Promise<void> {
    const target = Math.ceil(length / BLOCK_SIZE_BYTES);
    const kept = length % BLOCK_SIZE_BYTES;
    this.tailBlock = -1;
    try {
      if (target > this.blocks) {
        await this.table.flushFillers(this.io, this.fd, this.headerSize, this.blocks);
        await this.io.truncate(this.fd, fileSize(this.headerSize, target));
        this.blocks = target;
        return;
      }
      let lastCrc: number | undefined;
      if (kept > 0) lastCrc = await this.crcOfCutBlock(target - 1, kept);
      const dataStart = blockOffset(this.headerSize, 0);
      await this.io.truncate(this.fd, dataStart + length);
      if (kept > 0) await this.io.truncate(this.fd, fileSize(this.headerSize, target));
      const before = this.blocks;
      this.blocks = target;
      if (lastCrc !== undefined) this.table.set(target - 1, lastCrc);
      for (let block = target; block < before; block++) this.table.set(block, EMPTY_BLOCK_CRC);
    } catch (cause) {
      throw ioError(this.path, cause);
    }
  }

  private async crcOfCutBlock(block: number, kept: number): Promise<number> {
    const buffer = scratch.take();
    try {
      await this.readRaw(buffer, BLOCK_SIZE_BYTES, block);
      if (crc32(buffer) !== this.crcOf(block)) throw this.crcError(block);
      buffer.fill(0, kept);
      return crc32(buffer);
    } finally {
      scratch.give(buffer);
    }
  }

  /** Writes bytes of the header (the version). */
  async writeHeader(bytes: Buffer, offset: number): Promise<void> {
    await writeFully(this.io, this.fd, bytes, 0, bytes.length, offset);
  }

  /** Takes over the CRC table of a copied chunk, all of it to be written. */
  adoptCrcTable(table: Buffer, blocks: number): void {
    this.table.adopt(table, blocks);
    this.blocks = blocks;
  }

  /** Writes blocks of a copy; runs of zeros stay holes. The caller extends the file first. */
  async writeCopied(data: Buffer, sizeBytes: number, first: number): Promise<void> {
    for (let at = 0; at < sizeBytes; at += BLOCK_SIZE_BYTES) {
      const block = data.subarray(at, at + BLOCK_SIZE_BYTES);
      if (block.equals(ZEROS)) continue;
      await this.writeRaw(data, at, BLOCK_SIZE_BYTES, blockOffset(this.headerSize, first) + at);
    }
  }

  async extend(blocks: number): Promise<void> {
    await this.io.truncate(this.fd, fileSize(this.headerSize, blocks));
  }

  /** Writes the changed part of the CRC table. Safe beside reads and writes. */
  async flush(): Promise<void> {
    await this.orIoError(this.table.flush(this.io, this.fd, this.headerSize));
  }

  private async orIoError(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (cause) {
      throw ioError(this.path, cause);
    }
  }

  async sync(): Promise<void> {
    await this.io.sync(this.fd);
  }

  async close(): Promise<void> {
    await this.io.close(this.fd);
  }
}
