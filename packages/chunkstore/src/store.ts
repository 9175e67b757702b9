/**
 * The chunk store of a chunkserver: every operation of spec 05 §4 on the chunks of a set of folders.
 *
 * Failures are {@link ChunkError}s whose `status` a peer can be told. A failure that lies with the copy on disk marks the chunk
 * as damaged and is reported through {@link StoreEvents}; a lookup of an unknown chunk is reported as lost (spec 03 §9.2).
 */
import type { Timer } from '@wapiti-fs/runtime';

import { ChunkAccess, checkSession, DEFAULT_RULES, type StoreOptions, type StoreRules } from './chunk-access.js';
import { ChunkFile } from './chunk-file.js';
import { UNKNOWN_BLOCKS } from './chunk-index.js';
import { COPY_BLOCKS, copyBlocks, copyBuffers } from './copy.js';
import { ChunkError, errnoOf, FolderError, ioError, StoreStatus } from './errors.js';
import { Folder } from './folder.js';
import { CHUNK_SIZE_BYTES, encodeVersion } from './format.js';
import type { FolderLine } from './hdd-config.js';
import type { OpenChunk } from './open-files.js';
import { readBootId } from './write-note.js';

const TICK_MS = 1000;
const IDLE_FILE_MS = 5000;

/** Space and counts of one kind of folder, as reported to the master (spec 03 §8.2). */
export interface SpaceSum {
  usedBytes: number;
  totalBytes: number;
  chunks: number;
}

export class ChunkStore extends ChunkAccess {
  private readonly creating = new Set<number>();
  private readonly timer: Timer;
  private ticking = false;
  private minuteStartMs: number;

  private constructor(options: StoreOptions, rules: StoreRules) {
    super(options, rules);
    this.minuteStartMs = options.clock.monotonicMs();
    this.timer = options.clock.every(TICK_MS, () => void this.tick());
  }

  /** Takes all folders and starts scanning them in the background. A folder that cannot be used is a FolderError. */
  static async open(options: StoreOptions): Promise<ChunkStore> {
    const store = new ChunkStore(options, { ...DEFAULT_RULES, ...options.rules });
    try {
      store.bootId ??= await readBootId(store.io);
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
      const file = await ChunkFile.create(this.io, folder.stats, path, id, version, this.fileRules);
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
        this.countError(folder, id, error);
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
    ChunkAccess.checkVersion(this.lookup(id).version, version, id);
    await this.files.settled(id);
    const open = this.files.reuse(id);
    const waiting = open?.file.lock.acquireAll();
    if (waiting) await waiting;
    try {
      const record = this.lookup(id);
      ChunkAccess.checkVersion(record.version, version, id);
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
      // Under version 0 until it is whole: what a killed process leaves of it must not pass for the copy.
      const copy = await this.createOpen(newId, 0);
      try {
        await copyBlocks(source.file, copy.file, length);
        await copy.file.flush();
        this.folderSet.setLayout(newId, copy.file.blocks, copy.file.headerSize);
        await this.changeVersion(copy, newVersion);
      } catch (error) {
        await this.discard(copy);
        throw error;
      }
      await this.release(copy);
    });
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
    ChunkAccess.checkVersion(record.version, version, id);
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
    for (const chunk of this.files.all())
      if (chunk.folder === folder) await this.finishWriting(chunk).catch(() => undefined);
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
      // What could not be stored at first, and the CRCs of repaired blocks.
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
