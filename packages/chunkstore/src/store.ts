/**
 * The chunk store of a chunkserver: every operation of spec 05 §4 on the chunks of a set of folders.
 *
 * Failures are {@link ChunkError}s whose `status` a peer can be told. A failure that lies with the copy on disk marks the chunk
 * as damaged and is reported through {@link StoreEvents}; a lookup of an unknown chunk is reported as lost (spec 03 §9.2).
 */
import { crc32 } from 'node:zlib';

import type { Clock, Logger, Timer } from '@wapiti-fs/runtime';

import { BufferPool } from './buffer-pool.js';
import { type BlocksRead, ChunkFile } from './chunk-file.js';
import { type ChunkIndex, type ChunkRecord, FLAG_DAMAGED, UNKNOWN_BLOCKS } from './chunk-index.js';
import { ChunkError, errnoOf, FolderError, ioError, StoreStatus } from './errors.js';
import { Folder, type FolderRules, type LockFile } from './folder.js';
import { FolderSet, type StoreEvents } from './folder-set.js';
import { BLOCK_SIZE_BYTES, BLOCKS_PER_CHUNK, CHUNK_SIZE_BYTES, encodeVersion } from './format.js';
import type { FolderLine } from './hdd-config.js';
import { type OpenChunk, OpenFiles } from './open-files.js';
import { nodeStoreFs, type StoreFs } from './store-fs.js';

const TICK_MS = 1000;
const IDLE_FILE_MS = 5000;
const MAX_IDLE_FILES = 1000;
const COPY_BLOCKS = 16;
const copyBuffers = new BufferPool(COPY_BLOCKS * BLOCK_SIZE_BYTES, 4);

export interface StoreRules extends FolderRules {
  keepDuplicatesMs: number;
  fsyncBeforeClose: boolean;
  sparsifyOnWrite: boolean;
}

export const DEFAULT_RULES: StoreRules = {
  leaveFreeBytes: 256 * 1024 * 1024,
  errorToleranceCount: 2,
  errorTolerancePeriodMs: 600_000,
  rrChunkCount: 10_000,
  keepDuplicatesMs: 168 * 3_600_000,
  fsyncBeforeClose: false,
  sparsifyOnWrite: true,
};

export interface StoreOptions {
  readonly folders: readonly FolderLine[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly lockFile: LockFile;
  readonly events: StoreEvents;
  readonly rules?: Partial<StoreRules>;
  /** Id of the file system from an earlier run; folders of another one are refused. */
  readonly metaid?: bigint | undefined;
  /** Go on without folders that cannot be used (ALLOW_STARTING_WITH_INVALID_DISKS). */
  readonly allowUnusable?: boolean;
  readonly io?: StoreFs;
}

/** Space and counts of one kind of folder, as reported to the master (spec 03 §8.2). */
export interface SpaceSum {
  usedBytes: number;
  totalBytes: number;
  chunks: number;
}

export class ChunkStore {
  private readonly io: StoreFs;
  private readonly files: OpenFiles;
  private readonly creating = new Set<number>();
  private readonly folderSet: FolderSet;
  private readonly timer: Timer;
  private ticking = false;
  private minuteStartMs: number;

  private constructor(
    private readonly options: StoreOptions,
    /** May be changed at any time (reload). */
    readonly rules: StoreRules,
  ) {
    this.io = options.io ?? nodeStoreFs;
    this.files = new OpenFiles(MAX_IDLE_FILES, (chunk) => this.finishFile(chunk));
    this.folderSet = new FolderSet({ ...options, io: this.io, rules });
    this.folderSet.metaid = options.metaid;
    this.folderSet.inUse = (id) => this.files.inUse(id);
    this.folderSet.forgetOpen = (id) => this.files.forget(id);
    this.minuteStartMs = options.clock.monotonicMs();
    this.timer = options.clock.every(TICK_MS, () => void this.tick());
  }

  /** Takes all folders and starts scanning them in the background. A folder that cannot be used is a FolderError. */
  static async open(options: StoreOptions): Promise<ChunkStore> {
    const store = new ChunkStore(options, { ...DEFAULT_RULES, ...options.rules });
    try {
      for (const line of options.folders) await store.takeFolder(line, options.allowUnusable ?? false);
    } catch (error) {
      await store.close();
      throw error;
    }
    return store;
  }

  private async takeFolder(line: FolderLine, allowUnusable: boolean): Promise<void> {
    try {
      await this.folderSet.take(line);
    } catch (error) {
      if (!(error instanceof FolderError) || !allowUnusable) throw error;
      this.options.log.error(error.message);
      this.folderSet.unusable.push(line);
    }
  }

  get index(): ChunkIndex {
    return this.folderSet.index;
  }

  get folders(): Folder[] {
    return this.folderSet.folders;
  }

  get unusableFolders(): readonly FolderLine[] {
    return this.folderSet.unusable;
  }

  /** Id of the file system the folders belong to, as far as known. */
  get metaid(): bigint | undefined {
    return this.folderSet.metaid;
  }

  /** The id is confirmed by the master: written into every folder. */
  async setMetaid(metaid: bigint): Promise<void> {
    this.folderSet.metaid = metaid;
    for (const folder of this.folders) {
      await folder
        .writeMetaid(metaid)
        .catch((error: Error) => this.options.log.warn(`${folder.path}: .metaid: ${error.message}`));
    }
  }

  isMarked(folderNumber: number): boolean {
    return this.folderSet.isMarked(folderNumber);
  }

  /** Resolves when all folders are scanned. */
  scansDone(): Promise<void> {
    return this.folderSet.scansDone();
  }

  takeSpaceChanged(): boolean {
    return this.folderSet.takeSpaceChanged();
  }

  /** Sums of normal folders and of those marked for removal. Only scanned ones count for space. */
  space(): { normal: SpaceSum; marked: SpaceSum } {
    const normal = { usedBytes: 0, totalBytes: 0, chunks: 0 };
    const marked = { usedBytes: 0, totalBytes: 0, chunks: 0 };
    for (const folder of this.folders) {
      if (folder.state === 'damaged' || folder.state === 'released') continue;
      const sum = folder.markedForRemoval ? marked : normal;
      sum.chunks += folder.chunks;
      if (folder.state !== 'ready') continue;
      sum.usedBytes += folder.totalBytes - folder.availBytes;
      sum.totalBytes += folder.totalBytes;
    }
    return { normal, marked };
  }

  // ---- access to chunks ------------------------------------------------------------------------------------------

  private lookup(id: number): ChunkRecord {
    const record = this.index.get(id);
    if (record === undefined) {
      this.options.events.chunkLost(id);
      throw new ChunkError(StoreStatus.NOCHUNK, `chunk ${id} is unknown`);
    }
    return record;
  }

  private static checkVersion(found: number, wanted: number, id: number): void {
    if (wanted !== 0 && wanted !== found) {
      throw new ChunkError(StoreStatus.WRONGVERSION, `chunk ${id} has version ${found}, not ${wanted}`);
    }
  }

  /**
   * Opens a chunk for a session; to be given back with `release`.
   *
   * @param version 0: any
   */
  async open(id: number, version: number, checkHeader = true): Promise<OpenChunk> {
    const record = this.lookup(id);
    ChunkStore.checkVersion(record.version, version, id);
    const open = this.files.reuse(id);
    if (open !== undefined) return open;
    try {
      return await this.files.open(id, () => this.openFile(id, checkHeader));
    } catch (error) {
      throw this.noted(id, error);
    }
  }

  private async openFile(id: number, checkHeader: boolean): Promise<OpenChunk> {
    const record = this.lookup(id);
    const folder = this.folderSet.folderOf(record);
    const path = folder.filePath(record.subfolder, id, record.version);
    const expected = checkHeader ? record.version : undefined;
    const file = await ChunkFile.open(this.io, folder.stats, path, id, expected, this.rules.sparsifyOnWrite);
    this.folderSet.setLayout(id, file.blocks, file.headerSize);
    return this.opened(record, folder, file);
  }

  private opened(record: ChunkRecord, folder: Folder, file: ChunkFile): OpenChunk {
    const { id, version, subfolder } = record;
    return { id, file, folder, subfolder, version, users: 0, lastUseMs: this.options.clock.monotonicMs(), gone: false };
  }

  /** Ends a session's use of a chunk: the CRC table goes to disk. */
  async release(chunk: OpenChunk): Promise<void> {
    try {
      if (chunk.file.dirty && !chunk.gone) await this.flush(chunk);
    } finally {
      this.files.release(chunk, this.options.clock.monotonicMs());
    }
  }

  private async flush(chunk: OpenChunk): Promise<void> {
    try {
      await chunk.file.flush();
    } catch (error) {
      throw this.noted(chunk.id, error);
    }
  }

  private async finishFile(chunk: OpenChunk): Promise<void> {
    if (chunk.gone) return;
    await this.flush(chunk);
    if (!this.rules.fsyncBeforeClose) return;
    const startMs = performance.now();
    try {
      await chunk.file.sync();
    } catch (error) {
      throw this.noted(chunk.id, ioError(chunk.file.path, error));
    }
    chunk.folder.stats.didFsync(performance.now() - startMs);
  }

  /** Takes note of a failure: damaged chunks, errors of a folder. Returns what to throw. */
  private noted(id: number, error: unknown): unknown {
    if (!(error instanceof ChunkError)) return error;
    const record = this.index.get(id);
    if (record !== undefined && (error.damaged || error.status === StoreStatus.IO)) {
      this.options.log.warn(error.message, { chunk: id });
      this.options.events.errorOccurred();
      const folder = this.folderSet.folderOf(record);
      if (error.damaged) {
        this.index.put({ ...record, flags: record.flags | FLAG_DAMAGED });
        this.options.events.chunkDamaged(id);
      }
      const { clock } = this.options;
      const broken = folder.countError(id, error.cause, clock.nowMs(), clock.monotonicMs(), this.rules);
      if (broken) this.folderSet.damageFolder(folder, `too many errors, the last one: ${error.message}`);
    }
    return error;
  }

  /**
   * Reads whole blocks into `buffer`; see {@link ChunkFile.read}. An error is noted and returned, with the blocks before it.
   *
   * @param version of the session; a change since is WRONGVERSION. 0: any
   */
  async read(chunk: OpenChunk, version: number, first: number, count: number, buffer: Buffer): Promise<BlocksRead> {
    const result = await chunk.file.read(first, count, buffer, () => checkSession(chunk, version));
    if (result.error !== undefined) this.noted(chunk.id, result.error);
    return result;
  }

  /**
   * Writes into a block; see {@link ChunkFile.write}. Statuses in the order of spec 04 §6.2.
   *
   * @param version of the session; a change since is WRONGVERSION. 0: any
   */
  async write(
    chunk: OpenChunk,
    version: number,
    block: number,
    offset: number,
    data: Buffer,
    crc: number,
  ): Promise<void> {
    if (block >= BLOCKS_PER_CHUNK) throw new ChunkError(StoreStatus.BNUMTOOBIG, `block ${block}`);
    if (data.length > BLOCK_SIZE_BYTES) throw new ChunkError(StoreStatus.WRONGSIZE, `size ${data.length}`);
    if (offset + data.length > BLOCK_SIZE_BYTES)
      throw new ChunkError(StoreStatus.WRONGOFFSET, `offset ${offset}, size ${data.length}`);
    if (crc32(data) !== crc) throw new ChunkError(StoreStatus.CRC, `chunk ${chunk.id}: CRC of received data is wrong`);
    const before = chunk.file.blocks;
    try {
      await chunk.file.write(block, offset, data, crc, () => checkSession(chunk, version));
    } catch (error) {
      throw this.noted(chunk.id, error);
    } finally {
      if (chunk.file.blocks !== before && !chunk.gone) {
        this.folderSet.setLayout(chunk.id, chunk.file.blocks, chunk.file.headerSize);
      }
    }
  }

  // ---- commands of the master ------------------------------------------------------------------------------------

  /** New empty chunk (spec 05 §4.1): CHUNKEXIST, NOSPACE, IO. */
  async create(id: number, version: number): Promise<void> {
    await this.release(await this.createOpen(id, version));
  }

  /** The same, left open for its creator; to be given back with `release`. */
  async createOpen(id: number, version: number): Promise<OpenChunk> {
    if (id === 0) throw new ChunkError(StoreStatus.EINVAL, 'chunk id 0');
    if (this.index.has(id) || this.creating.has(id)) throw new ChunkError(StoreStatus.CHUNKEXIST, `chunk ${id} exists`);
    const folder = Folder.choose(this.folders.filter((one) => one.acceptsNewChunks));
    if (folder === undefined) throw new ChunkError(StoreStatus.NOSPACE, 'no folder with free space');
    this.creating.add(id);
    try {
      const subfolder = folder.chooseSubfolder(this.rules.rrChunkCount);
      const path = folder.filePath(subfolder, id, version);
      const file = await ChunkFile.create(this.io, folder.stats, path, id, version, this.rules.sparsifyOnWrite);
      const record = { id, version, folder: folder.number, subfolder, blocks: 0, flags: 0 };
      this.folderSet.add(record);
      const chunk = this.opened(record, folder, file);
      chunk.users = 1;
      this.files.add(chunk);
      return chunk;
    } catch (error) {
      if (error instanceof ChunkError && error.status === StoreStatus.IO) {
        this.options.log.warn(error.message);
        this.options.events.errorOccurred();
        const { clock } = this.options;
        const broken = folder.countError(id, error.cause, clock.nowMs(), clock.monotonicMs(), this.rules);
        if (broken) this.folderSet.damageFolder(folder, `too many errors, the last one: ${error.message}`);
      }
      throw error;
    } finally {
      this.creating.delete(id);
    }
  }

  /**
   * Removes a chunk (spec 05 §4.6). A file that is already missing counts as removed.
   *
   * @param version 0: any
   */
  async delete(id: number, version: number): Promise<void> {
    ChunkStore.checkVersion(this.lookup(id).version, version, id);
    await this.files.settled(id);
    const open = this.files.reuse(id);
    const waiting = open?.file.lock.acquireAll();
    if (waiting) await waiting;
    try {
      const record = this.lookup(id);
      ChunkStore.checkVersion(record.version, version, id);
      const folder = this.folderSet.folderOf(record);
      // Nobody may create it again until the file is gone.
      this.creating.add(id);
      this.folderSet.remove(record);
      try {
        await this.io.unlink(folder.filePath(record.subfolder, id, record.version));
      } catch (cause) {
        if (errnoOf(cause) !== 'ENOENT') {
          this.folderSet.add(record);
          throw this.noted(id, new ChunkError(StoreStatus.IO, `delete: ${(cause as Error).message}`, { cause }));
        }
      } finally {
        this.creating.delete(id);
      }
      this.files.forget(id);
    } finally {
      if (open) {
        open.file.lock.releaseAll();
        this.files.release(open, this.options.clock.monotonicMs());
      }
    }
  }

  /** Runs `work` alone on a chunk; its header's version need not be right (spec 05 §4.4). */
  private async alone<T>(id: number, version: number, work: (chunk: OpenChunk) => Promise<T>): Promise<T> {
    const chunk = await this.open(id, version, false);
    const waiting = chunk.file.lock.acquireAll();
    if (waiting) await waiting;
    let locked = true;
    try {
      checkSession(chunk, version);
      const result = await work(chunk);
      chunk.file.lock.releaseAll();
      locked = false;
      await this.flush(chunk);
      return result;
    } catch (error) {
      throw this.noted(id, error);
    } finally {
      if (locked) chunk.file.lock.releaseAll();
      if (!chunk.gone) this.folderSet.setLayout(id, chunk.file.blocks, chunk.file.headerSize);
      this.files.release(chunk, this.options.clock.monotonicMs());
    }
  }

  /**
   * Changes the version (spec 05 §4.4).
   *
   * @param oldVersion 0: any
   */
  async setVersion(id: number, newVersion: number, oldVersion: number): Promise<void> {
    if (newVersion === 0) throw new ChunkError(StoreStatus.EINVAL, 'version 0');
    await this.alone(id, oldVersion, (chunk) => this.changeVersion(chunk, newVersion));
  }

  /** File name first, then header: a crash in between must look the same to every implementation (spec 05 §16.6). */
  private async changeVersion(chunk: OpenChunk, version: number): Promise<void> {
    const { folder, subfolder, id, file } = chunk;
    const from = file.path;
    const to = folder.filePath(subfolder, id, version);
    try {
      if (from !== to) await this.io.rename(from, to);
      const { bytes, offset } = encodeVersion(version);
      try {
        await file.writeHeader(bytes, offset);
      } catch (cause) {
        if (from !== to) await this.io.rename(to, from);
        throw cause;
      }
    } catch (cause) {
      throw ioError(from, cause);
    }
    file.path = to;
    chunk.version = version;
    this.index.put({ ...this.lookup(id), version });
  }

  /** Sets the version, then cuts or extends to `length` bytes (spec 05 §4.3). */
  async truncate(id: number, length: number, newVersion: number, oldVersion: number): Promise<void> {
    if (newVersion === 0 || length > CHUNK_SIZE_BYTES)
      throw new ChunkError(StoreStatus.EINVAL, `version ${newVersion}, length ${length}`);
    await this.alone(id, oldVersion, async (chunk) => {
      await this.changeVersion(chunk, newVersion);
      await chunk.file.truncate(length);
    });
  }

  /**
   * Copies a chunk to a new id, block CRCs as they are, so that damage stays detectable (spec 05 §4.5).
   *
   * @param length undefined: whole copy; else the copy is cut or extended to so many bytes
   */
  async duplicate(
    newId: number,
    newVersion: number,
    oldId: number,
    oldVersion: number,
    length?: number,
  ): Promise<void> {
    if (newId === 0 || oldVersion === 0 || newVersion === 0 || (length ?? 0) > CHUNK_SIZE_BYTES) {
      throw new ChunkError(StoreStatus.EINVAL, `duplicate ${oldId}_${oldVersion} as ${newId}_${newVersion}`);
    }
    if (this.index.has(newId)) throw new ChunkError(StoreStatus.CHUNKEXIST, `chunk ${newId} exists`);
    await this.alone(oldId, oldVersion, async (source) => {
      const copy = await this.createOpen(newId, newVersion);
      try {
        await this.copyBlocks(source.file, copy.file, length);
        await copy.file.flush();
        this.folderSet.setLayout(newId, copy.file.blocks, copy.file.headerSize);
      } catch (error) {
        await this.discard(copy);
        throw error;
      }
      await this.release(copy);
    });
  }

  private async copyBlocks(from: ChunkFile, to: ChunkFile, length: number | undefined): Promise<void> {
    const blocks = length === undefined ? from.blocks : Math.min(from.blocks, Math.ceil(length / BLOCK_SIZE_BYTES));
    const buffer = copyBuffers.take();
    try {
      await this.onCopy(to, () => to.extend(blocks));
      for (let first = 0; first < blocks; first += COPY_BLOCKS) {
        const sizeBytes = Math.min(COPY_BLOCKS, blocks - first) * BLOCK_SIZE_BYTES;
        await from.readRaw(buffer, sizeBytes, first);
        await this.onCopy(to, () => to.writeCopied(buffer, sizeBytes, first));
      }
      to.adoptCrcTable(from.crcTable, blocks);
      if (length !== undefined) await this.onCopy(to, () => to.truncate(length));
    } finally {
      copyBuffers.give(buffer);
    }
  }

  /** An error of the copy does not make the source damaged. */
  private async onCopy(file: ChunkFile, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      const error = ioError(file.path, cause);
      throw new ChunkError(error.status, error.message, { cause });
    }
  }

  /** Removes a chunk that its creator has open and could not finish. */
  async discard(chunk: OpenChunk): Promise<void> {
    chunk.users--;
    await this.delete(chunk.id, 0).catch(() => undefined);
  }

  // ---- queries ---------------------------------------------------------------------------------------------------

  /** Number of 64 KiB blocks (spec 04 §9). `version` 0: any. */
  async blocks(id: number, version: number): Promise<number> {
    const record = this.lookup(id);
    ChunkStore.checkVersion(record.version, version, id);
    if (record.blocks !== UNKNOWN_BLOCKS) return record.blocks;
    const chunk = await this.open(id, version);
    const { blocks } = chunk.file;
    await this.release(chunk);
    return blocks;
  }

  /** The 1024 block CRCs, 4096 bytes big-endian. `version` 0: any. */
  async crcTable(id: number, version: number): Promise<Buffer> {
    const chunk = await this.open(id, version);
    const table = Buffer.from(chunk.file.crcTable);
    await this.release(chunk);
    return table;
  }

  /** Reads all blocks and compares their CRCs; the first wrong one is the error. */
  async test(id: number, version: number): Promise<void> {
    const chunk = await this.open(id, version);
    const buffer = copyBuffers.take();
    try {
      for (let first = 0; first < chunk.file.blocks; first += COPY_BLOCKS) {
        const count = Math.min(COPY_BLOCKS, chunk.file.blocks - first);
        const { error } = await this.read(chunk, version, first, count, buffer);
        if (error) throw error;
      }
    } finally {
      copyBuffers.give(buffer);
      await this.release(chunk);
    }
  }

  // ---- folders ---------------------------------------------------------------------------------------------------

  /** Applies a new list of folders (spec 05 §5). Lines that cannot be used are logged; the others work. */
  async reload(lines: readonly FolderLine[]): Promise<void> {
    const wanted = new Map(lines.map((line) => [line.path, line]));
    for (const folder of this.folders) {
      const line = wanted.get(folder.path);
      if (line !== undefined) this.folderSet.updateLine(folder, line);
      else await this.releaseFolder(folder);
    }
    const present = new Set(this.folders.map((folder) => folder.path));
    this.folderSet.unusable.length = 0;
    for (const line of lines) if (!present.has(line.path)) await this.takeFolder(line, true);
  }

  private async releaseFolder(folder: Folder): Promise<void> {
    for (const chunk of this.files.all()) if (chunk.folder === folder) await this.flush(chunk).catch(() => undefined);
    await this.folderSet.release(folder, true);
  }

  private async tick(): Promise<void> {
    if (this.ticking) return;
    this.ticking = true;
    try {
      const nowMs = this.options.clock.monotonicMs();
      if (nowMs - this.minuteStartMs >= 60_000) {
        this.minuteStartMs = nowMs;
        for (const folder of this.folders) folder.stats.minutePassed();
      }
      // Long sessions: what a crash could leave without its CRC is bounded to about a second.
      for (const chunk of this.files.all()) if (chunk.file.dirty) await this.flush(chunk).catch(() => undefined);
      this.files.sweep(nowMs, IDLE_FILE_MS);
      await this.folderSet.tick();
    } finally {
      this.ticking = false;
    }
  }

  /** Clean end: everything written, `.chunkdb` left for the next start, locks given back. Sessions must have ended. */
  async close(): Promise<void> {
    this.timer.cancel();
    await this.files.closeAll();
    for (const folder of this.folders) await this.folderSet.release(folder, false);
  }
}

function checkSession(chunk: OpenChunk, version: number): void {
  if (chunk.gone) throw new ChunkError(StoreStatus.NOCHUNK, `chunk ${chunk.id} was removed`);
  if (version !== 0 && chunk.version !== version) {
    throw new ChunkError(
      StoreStatus.WRONGVERSION,
      `chunk ${chunk.id} has version ${chunk.version} now, not ${version}`,
    );
  }
}
