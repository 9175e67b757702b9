/**
 * One open chunk file: data blocks, CRC table and their consistency. Whatever fails, the file keeps a valid size and CRCs that
 * match its blocks, or the error says `damaged`.
 *
 * Unlike in the reference (spec 05 §12) a write has ended when its data and its CRC are both written: a process that is killed
 * leaves all it confirmed readable. Blocks that it was writing are in the note of the header ({@link WriteNote}): they get the
 * CRC of what they hold when the file is opened again.
 *
 * Callers of `read` and `write` need no lock; `truncate` and whatever replaces the file take `lock.acquireAll()` themselves.
 */
import { crc32 } from 'node:zlib';

import { ChunkData, type IoMeter } from './chunk-data.js';
import { createChunkFile, openChunkFile, scratch } from './chunk-open.js';
import { replaceInCrc } from './crc-shift.js';
import { ChunkError, ioError, StoreStatus } from './errors.js';
import { BLOCK_SIZE_BYTES, blockOffset, EMPTY_BLOCK_CRC, fileSize } from './format.js';
import { dataEnd, endsWithZeros, withoutZeros, ZEROS } from './sparse.js';
import { type StoreFs, writeFully, writeParts } from './store-fs.js';
import type { WriteRun } from './write-run.js';

export interface ChunkFileRules {
  /** Zeros at the ends of data for a new block become holes. */
  readonly sparsify: boolean;
  /** Identity of the running kernel; undefined: nothing is noted, so that blocks whose writing is cut off stay errors. */
  readonly bootId: Buffer | undefined;
}

/** What is still to be waited for when the data are written, and what is to be undone. */
interface Written {
  crcStored: Promise<void> | undefined;
  noted: boolean;
}

export class ChunkFile extends ChunkData {
  /** The last block written beyond the old end, and from where on it is known to be zeros: appending needs no read. */
  private tailBlock = -1;
  private tailEnd = 0;

  private constructor(
    io: StoreFs,
    meter: IoMeter,
    path: string,
    opened: Awaited<ReturnType<typeof openChunkFile>>,
    private readonly sparsify: boolean,
  ) {
    super(io, meter, path, opened);
  }

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
    rules: ChunkFileRules,
  ): Promise<ChunkFile> {
    const opened = await openChunkFile(io, path, id, version, rules.bootId);
    return new ChunkFile(io, meter, path, opened, rules.sparsify);
  }

  /** Creates the file of a new, empty chunk. Nothing is left behind on failure; a full disk is a ChunkError NOSPACE. */
  static async create(
    io: StoreFs,
    meter: IoMeter,
    path: string,
    id: number,
    version: number,
    rules: ChunkFileRules,
  ): Promise<ChunkFile> {
    const opened = await createChunkFile(io, path, id, version, rules.bootId);
    return new ChunkFile(io, meter, path, opened, rules.sparsify);
  }

  /**
   * Writes into a block (spec 05 §4.2); data and CRC are both written when the promise resolves.
   *
   * @param run may grow until its block is locked
   * @param check runs when the block is locked and may throw
   */
  async write(run: WriteRun, check?: () => void): Promise<void> {
    const { block } = run;
    for (;;) {
      const whole = block >= this.blocks && this.needsGrowth(run);
      const waiting = whole ? this.lock.acquireAll() : this.lock.acquire(block, block + 1);
      if (waiting) await waiting;
      const from = whole ? 0 : block;
      const to = whole ? Number.MAX_SAFE_INTEGER : block + 1;
      // The file may have got longer or shorter while we waited.
      if (waiting && whole !== (block >= this.blocks && this.needsGrowth(run))) {
        this.lock.release(from, to);
        continue;
      }
      run.begin();
      const grows = block >= this.blocks;
      let cleanUp = false;
      const written: Written = { crcStored: undefined, noted: false };
      try {
        check?.();
        if (grows) await this.writeNewBlock(run, written);
        else if (run.sizeBytes > 0) await this.overwrite(run, written);
      } catch (cause) {
        const error = ioError(this.path, cause);
        if (written.noted) this.note.end(block, true);
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
      if (written.crcStored !== undefined) await this.whenStored(written.crcStored, block);
      return;
    }
  }

  private async whenStored(crcStored: Promise<void>, block: number): Promise<void> {
    let failed = true;
    try {
      await crcStored;
      failed = false;
    } catch (cause) {
      throw ioError(this.path, cause);
    } finally {
      this.note.end(block, failed);
    }
  }

  /** A new block whose data do not reach its end has to be extended by truncate: not beside other writes. */
  private needsGrowth(run: WriteRun): boolean {
    return run.end < BLOCK_SIZE_BYTES || (this.sparsify && endsWithZeros(run.parts[run.parts.length - 1] as Buffer));
  }

  private async writeNewBlock(run: WriteRun, written: Written): Promise<void> {
    const { block, offset, sizeBytes, crc } = run;
    const data = this.sparsify ? withoutZeros(run.parts, sizeBytes) : { parts: run.parts, from: 0, to: sizeBytes };
    const zeros = sizeBytes === BLOCK_SIZE_BYTES ? EMPTY_BLOCK_CRC : crc32(ZEROS.subarray(0, sizeBytes));
    const blockCrc =
      sizeBytes === BLOCK_SIZE_BYTES ? crc : replaceInCrc(EMPTY_BLOCK_CRC, zeros, crc, BLOCK_SIZE_BYTES - run.end);
    const noted = this.noteBlock(block, true, written);
    if (noted) await noted;
    if (offset + data.to < BLOCK_SIZE_BYTES) {
      await this.table.flushFillers(this.io, this.fd, this.headerSize, this.blocks);
      await this.io.truncate(this.fd, fileSize(this.headerSize, block + 1));
      this.setCrc(block, blockCrc, written);
    } else {
      // Entries of blocks that are not there are those of zeros: what a write leaves out before it becomes a good hole.
      this.setCrc(block, blockCrc, written);
      await written.crcStored;
    }
    if (data.from < data.to) {
      const position = blockOffset(this.headerSize, block) + offset + data.from;
      await this.writeData(data.parts, data.to - data.from, position);
    }
    if (block >= this.blocks) this.blocks = block + 1;
    if (block >= this.tailBlock) {
      this.tailBlock = block;
      this.tailEnd = run.end;
    }
  }

  private async overwrite(run: WriteRun, written: Written): Promise<void> {
    const { block, offset, sizeBytes, end } = run;
    const crc = sizeBytes === BLOCK_SIZE_BYTES ? run.crc : await this.crcWithPart(run);
    const noted = this.noteBlock(block, false, written);
    if (noted) await noted;
    this.setCrc(block, crc, written);
    await this.writeData(run.parts, sizeBytes, blockOffset(this.headerSize, block) + offset);
    if (block === this.tailBlock && end > this.tailEnd) this.tailEnd = end;
  }

  private noteBlock(block: number, isNew: boolean, written: Written): Promise<void> | undefined {
    written.noted = true;
    return this.note.begin(this.io, this.fd, block, isNew);
  }

  /** CRC of the block with the part replaced; what it holds now is verified first. */
  private async crcWithPart({ block, offset, sizeBytes, end, crc }: WriteRun): Promise<number> {
    let oldCrc: number;
    if (block === this.tailBlock && offset >= this.tailEnd) {
      oldCrc = crc32(ZEROS.subarray(0, sizeBytes));
    } else {
      const old = scratch.take();
      try {
        await this.readVerified(old, block);
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

  private async writeData(parts: readonly Buffer[], sizeBytes: number, position: number): Promise<void> {
    if (parts.length === 1) return this.writeRaw(parts[0] as Buffer, 0, sizeBytes, position);
    const startMs = performance.now();
    await writeParts(this.io, this.fd, parts, sizeBytes, position);
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
   * Unlike the reference, the last block is verified first, so that a damaged one does not get a valid CRC, and the file has a
   * valid size all the time: it is cut behind the last block, then zeros are written into that.
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
      if (kept === 0) return await this.cutBehind(target);
      const last = scratch.take();
      try {
        await this.readVerified(last, target - 1);
        await this.cutBehind(target);
        const end = dataEnd(last);
        if (end > kept) await this.writeZeros(last, target - 1, kept, end);
      } finally {
        scratch.give(last);
      }
    } catch (cause) {
      throw ioError(this.path, cause);
    }
  }

  private async cutBehind(blocks: number): Promise<void> {
    if (blocks === this.blocks) return;
    const before = this.blocks;
    await this.io.truncate(this.fd, fileSize(this.headerSize, blocks));
    this.blocks = blocks;
    for (let block = blocks; block < before; block++) this.table.set(block, EMPTY_BLOCK_CRC);
  }

  /** Makes zeros of a range of a block, whose content `data` is now. Only where something was, so that it needs no space. */
  private async writeZeros(data: Buffer, block: number, from: number, to: number): Promise<void> {
    await this.note.begin(this.io, this.fd, block, false);
    let failed = true;
    try {
      data.fill(0, from, to);
      this.table.set(block, crc32(data));
      const crcStored = this.table.flush(this.io, this.fd, this.headerSize);
      crcStored.catch(() => undefined);
      await writeFully(this.io, this.fd, ZEROS, from, to - from, blockOffset(this.headerSize, block) + from);
      await crcStored;
      failed = false;
    } catch (cause) {
      await this.recomputeCrc(block);
      throw cause;
    } finally {
      this.note.end(block, failed);
    }
  }
}
