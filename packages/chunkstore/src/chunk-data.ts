/** What an open chunk file consists of, and everything about it but writing: see {@link ChunkFile}. */
import { crc32 } from 'node:zlib';

import { BlockLock } from './block-lock.js';
import type { OpenedChunkFile } from './chunk-open.js';
import type { CrcTable } from './crc-table.js';
import { ChunkError, ioError, StoreStatus } from './errors.js';
import { BLOCK_SIZE_BYTES, blockOffset, EMPTY_BLOCK_CRC, fileSize } from './format.js';
import { ZEROS } from './sparse.js';
import { readExactly, type StoreFs, writeFully } from './store-fs.js';
import type { WriteNote } from './write-note.js';

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

export class ChunkData {
  readonly lock = new BlockLock();
  readonly headerSize: number;
  /** Number of 64 KiB blocks in the file. */
  blocks: number;
  /** Blocks whose CRC was computed anew when the file was opened: their writing was cut off with the process before. */
  readonly mended: readonly number[];
  protected readonly fd: number;
  protected readonly table: CrcTable;
  protected readonly note: WriteNote;

  protected constructor(
    protected readonly io: StoreFs,
    protected readonly meter: IoMeter,
    public path: string,
    opened: OpenedChunkFile,
  ) {
    this.fd = opened.fd;
    this.headerSize = opened.layout.headerSize;
    this.blocks = opened.layout.blocks;
    this.table = opened.crcs;
    this.note = opened.note;
    this.mended = opened.mended;
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

  /** Reads one block into `buffer`; a wrong CRC is an error. */
  protected async readVerified(buffer: Buffer, block: number): Promise<void> {
    await this.readRaw(buffer, BLOCK_SIZE_BYTES, block);
    if (crc32(buffer) !== this.crcOf(block)) throw this.crcError(block);
  }

  private crcError(block: number): ChunkError {
    return new ChunkError(StoreStatus.CRC, `${this.path}: CRC error in block ${block}`, { damaged: true });
  }

  protected async writeRaw(data: Buffer, from: number, sizeBytes: number, position: number): Promise<void> {
    const startMs = performance.now();
    await writeFully(this.io, this.fd, data, from, sizeBytes, position);
    this.meter.didWrite(sizeBytes, performance.now() - startMs);
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

  /** Leaves the file as spec 05 §3 has it: for its end of use. */
  async finish(): Promise<void> {
    await this.flush();
    await this.orIoError(this.note.clear(this.io, this.fd));
  }

  protected async orIoError(work: Promise<void>): Promise<void> {
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
