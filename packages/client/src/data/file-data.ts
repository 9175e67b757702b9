import { MFSCHUNKSIZE } from '@wapiti-fs/protocol';

import type { ReaderFile } from './chunk-reader.js';
import type { ChunkLocation } from './chunk-master.js';
import type { Patch } from './chunk-blocks.js';
import type { ChunkChange, InodeData, WriteOptions } from './data.js';
import type { EngineParts } from './engine-parts.js';
import { DataError } from './errors.js';
import { FileReader } from './file-reader.js';
import { FileWriter, type WrittenFile } from './file-writer.js';
import { Locations } from './locations.js';

/** 2^31 chunks (spec 13 §1). */
const MAX_FILE_BYTES = MFSCHUNKSIZE * 2 ** 31;

/** Attributes told so long after they were asked for are not expected. */
const OLD_ATTRIBUTES_MS = 1000;
/** Asked from chunkservers at once for one read; longer ones are cut. */
const MAX_READ_BYTES = 16 * 1024 * 1024;

/** The one {@link InodeData}: reader and writer of a file brought together. */
export class FileData implements InodeData, ReaderFile, WrittenFile {
  readonly locations = new Locations();
  handles = 0;
  private readonly reader: FileReader;
  private readonly writer: FileWriter;
  private masterLength: number;
  /** End of data accepted here that the master need not know yet; 0 when there are none. */
  private localEnd = 0;
  /** Counts what tells a length: an answer asked for before the last one may be older. */
  lengthNews = 0;

  private settledMs = -Infinity;

  constructor(
    private readonly parts: EngineParts,
    readonly inode: number,
    length: number,
    private readonly closed: (one: FileData) => void,
  ) {
    this.masterLength = length;
    this.reader = new FileReader(parts, this);
    this.writer = new FileWriter(parts, this);
  }

  get length(): number {
    return Math.max(this.masterLength, this.localEnd);
  }

  get dirty(): boolean {
    return this.writer.dirty;
  }

  async read(offset: number, sizeBytes: number, signal?: AbortSignal): Promise<Buffer[]> {
    checkRange(offset, sizeBytes);
    if (sizeBytes <= MAX_READ_BYTES) return this.readPart(offset, sizeBytes, signal);
    const pieces: Buffer[] = [];
    for (let done = 0; done < sizeBytes;) {
      const part = await this.readPart(offset + done, Math.min(MAX_READ_BYTES, sizeBytes - done), signal);
      if (part.length === 0) break;
      for (const piece of part) {
        pieces.push(piece);
        done += piece.length;
      }
    }
    return pieces;
  }

  private async readPart(offset: number, sizeBytes: number, signal?: AbortSignal): Promise<Buffer[]> {
    const { length } = this;
    const end = Math.min(offset + sizeBytes, length);
    if (offset >= end) return [];
    const patches = this.writer.patches(offset, end);
    if (patches.length === 0) return this.clip(await this.reader.read(offset, end, length, signal), offset, end);
    // Copies: blocks that are not sent yet may still be written over.
    const result = Buffer.allocUnsafe(end - offset);
    if (!covered(patches, offset, end)) {
      const saved = patches.map(({ at, data }) => ({ at, data: Buffer.from(data) }));
      let filled = 0;
      for (const piece of await this.reader.read(offset, end, length, signal)) filled += piece.copy(result, filled);
      for (const { at, data } of saved) data.copy(result, at - offset);
    } else {
      for (const { at, data } of patches) data.copy(result, at - offset);
    }
    return [result];
  }

  /** What was read, without what lies behind the end: the file may have become shorter meanwhile. */
  private clip(pieces: Buffer[], offset: number, end: number): Buffer[] {
    if (this.length >= end) return pieces;
    const all = Buffer.concat(pieces);
    return this.length <= offset ? [] : [all.subarray(0, this.length - offset)];
  }

  async write(offset: number, data: Buffer, options: WriteOptions = {}): Promise<void> {
    checkRange(offset, data.length);
    await this.writer.write(offset, data, options.superuser ?? false, (end) => {
      this.localEnd = Math.max(this.localEnd, end);
      this.lengthNews++;
    });
  }

  flush(): Promise<void> {
    return this.writer.flush();
  }

  async truncate(perform: () => Promise<number>): Promise<void> {
    await this.writer.exclusive(async () => {
      const length = await perform();
      this.locations.clear();
      this.reader.invalidate(Math.min(length, this.masterLength), Infinity);
      this.masterLength = length;
      this.lengthNews++;
    });
  }

  setLength(length: number): void {
    // Attributes that were asked for before the end of a write may be told after it.
    const recent = this.dirty || this.parts.clock.monotonicMs() - this.settledMs < OLD_ATTRIBUTES_MS;
    if (length >= this.masterLength || !recent) this.lengthIs(length);
  }

  /** The master's length, beyond doubt. */
  lengthIs(length: number): void {
    this.lengthNews++;
    if (length === this.masterLength) return;
    this.reader.invalidate(Math.min(length, this.masterLength), Infinity);
    this.masterLength = length;
  }

  /** A location from another answer than READ_CHUNK. */
  offered(chunkIndex: number, location: ChunkLocation): void {
    if (this.locations.get(chunkIndex) === undefined) this.locations.set(chunkIndex, location);
  }

  invalidate(): void {
    this.locations.clear();
    this.reader.invalidate(0, Infinity);
  }

  async close(): Promise<void> {
    try {
      if (this.handles === 1) await this.writer.flush();
    } finally {
      this.handles--;
      if (this.handles === 0) this.closed(this);
    }
  }

  /** CHUNK_HAS_CHANGED. */
  changed({ chunkIndex, length, truncateFlag }: ChunkChange): void {
    // The servers may be others, too: the next reader asks.
    this.locations.forget(chunkIndex);
    const start = chunkIndex * MFSCHUNKSIZE;
    if (truncateFlag === 0) {
      this.reader.invalidate(start, start + MFSCHUNKSIZE);
      this.lengthTold(length);
    } else {
      this.locations.clear();
      this.reader.invalidate(start, Infinity);
      this.masterLength = length;
      this.lengthNews++;
    }
  }

  sweep(nowMs: number): void {
    this.reader.sweep(nowMs);
  }

  // ---- ReaderFile, WrittenFile -----------------------------------------------------------------------------------

  lengthSeen(length: number, news: number): void {
    if (news !== this.lengthNews) return;
    if (!this.dirty) this.lengthIs(length);
    else if (length > this.masterLength) this.masterLength = length;
  }

  written(from: number, to: number): void {
    this.reader.invalidate(from, to);
  }

  located(chunkIndex: number, location: ChunkLocation): void {
    this.locations.set(chunkIndex, location);
  }

  lengthTold(length: number): void {
    this.lengthNews++;
    if (length > this.masterLength) this.masterLength = length;
  }

  settled(): void {
    this.localEnd = 0;
    this.settledMs = this.parts.clock.monotonicMs();
  }
}

/** The patches leave no gap in the range. */
function covered(patches: readonly Patch[], from: number, to: number): boolean {
  const sorted = [...patches].sort((a, b) => a.at - b.at);
  let at = from;
  for (const patch of sorted) {
    if (patch.at > at) return false;
    at = Math.max(at, patch.at + patch.data.length);
  }
  return at >= to;
}

function checkRange(offset: number, sizeBytes: number): void {
  if (offset < 0 || offset >= MAX_FILE_BYTES || offset + sizeBytes >= MAX_FILE_BYTES)
    throw new DataError('EFBIG', `offset ${offset}, size ${sizeBytes}`);
}
