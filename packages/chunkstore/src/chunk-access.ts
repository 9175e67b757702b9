/** Opening chunks, reading and writing them in sessions, and taking note of what goes wrong. */
import { crc32 } from 'node:zlib';

import type { Clock, Logger } from '@wapiti-fs/runtime';

import type { BlocksRead } from './chunk-data.js';
import { ChunkFile, type ChunkFileRules } from './chunk-file.js';
import { type ChunkIndex, type ChunkRecord, FLAG_DAMAGED } from './chunk-index.js';
import { ChunkError, ioError, StoreStatus } from './errors.js';
import type { Folder, FolderRules, LockFile } from './folder.js';
import { FolderSet, type StoreEvents } from './folder-set.js';
import type { FolderLine } from './hdd-config.js';
import { type OpenChunk, OpenFiles } from './open-files.js';
import { nodeStoreFs, type StoreFs } from './store-fs.js';
import { checkPlace, WriteRun } from './write-run.js';

const MAX_IDLE_FILES = 1000;

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
  /** 16 bytes that are others after each start of the machine; default: those of the kernel. */
  readonly bootId?: Buffer;
}

export class ChunkAccess {
  protected readonly io: StoreFs;
  protected readonly files: OpenFiles;
  protected readonly folderSet: FolderSet;
  protected bootId: Buffer | undefined;

  protected constructor(
    protected readonly options: StoreOptions,
    /** May be changed at any time (reload). */
    readonly rules: StoreRules,
  ) {
    this.io = options.io ?? nodeStoreFs;
    this.bootId = options.bootId;
    this.files = new OpenFiles(MAX_IDLE_FILES, (chunk) => this.finishFile(chunk));
    this.folderSet = new FolderSet({ ...options, io: this.io, rules });
    this.folderSet.metaid = options.metaid;
    this.folderSet.inUse = (id) => this.files.inUse(id);
    this.folderSet.forgetOpen = (id) => this.files.forget(id);
  }

  get index(): ChunkIndex {
    return this.folderSet.index;
  }

  protected lookup(id: number): ChunkRecord {
    const record = this.index.get(id);
    if (record === undefined) {
      this.options.events.chunkLost(id);
      throw new ChunkError(StoreStatus.NOCHUNK, `chunk ${id} is unknown`);
    }
    return record;
  }

  protected static checkVersion(found: number, wanted: number, id: number): void {
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
    ChunkAccess.checkVersion(record.version, version, id);
    const open = this.files.reuse(id);
    if (open !== undefined) return open;
    try {
      return await this.files.open(id, () => this.openFile(id, checkHeader));
    } catch (error) {
      throw this.noted(id, error);
    }
  }

  protected async openFile(id: number, checkHeader: boolean): Promise<OpenChunk> {
    const record = this.lookup(id);
    const folder = this.folderSet.folderOf(record);
    const path = folder.filePath(record.subfolder, id, record.version);
    const expected = checkHeader ? record.version : undefined;
    const file = await ChunkFile.open(this.io, folder.stats, path, id, expected, this.fileRules);
    if (file.mended.length > 0) {
      const blocks = file.mended.join(', ');
      this.options.log.notice(`${path}: was being written when the process ended; new CRC for block ${blocks}`);
    }
    this.folderSet.setLayout(id, file.blocks, file.headerSize);
    return this.opened(record, folder, file);
  }

  protected get fileRules(): ChunkFileRules {
    return { sparsify: this.rules.sparsifyOnWrite, bootId: this.bootId };
  }

  protected opened(record: ChunkRecord, folder: Folder, file: ChunkFile): OpenChunk {
    const { id, version, subfolder } = record;
    return { id, file, folder, subfolder, version, users: 0, lastUseMs: this.options.clock.monotonicMs(), gone: false };
  }

  /** Ends a session's use of a chunk; what of the CRC table is not on disk yet (after failures, of copies) goes there. */
  async release(chunk: OpenChunk): Promise<void> {
    try {
      if (chunk.file.dirty && !chunk.gone) await this.flush(chunk);
    } finally {
      this.files.release(chunk, this.options.clock.monotonicMs());
    }
  }

  protected async flush(chunk: OpenChunk): Promise<void> {
    try {
      await chunk.file.flush();
    } catch (error) {
      throw this.noted(chunk.id, error);
    }
  }

  /** The file as it shall stay: all CRCs stored, no note of writes. */
  protected async finishWriting(chunk: OpenChunk): Promise<void> {
    try {
      await chunk.file.finish();
    } catch (error) {
      throw this.noted(chunk.id, error);
    }
  }

  protected async finishFile(chunk: OpenChunk): Promise<void> {
    if (chunk.gone) return;
    await this.finishWriting(chunk);
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
  protected noted(id: number, error: unknown): unknown {
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
      this.countError(folder, id, error);
    }
    return error;
  }

  protected countError(folder: Folder, id: number, error: ChunkError): void {
    const { clock } = this.options;
    const broken = folder.countError(id, error.cause, clock.nowMs(), clock.monotonicMs(), this.rules);
    if (broken) this.folderSet.damageFolder(folder, `too many errors, the last one: ${error.message}`);
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
   * Writes into a block; see {@link ChunkFile.write}: what has ended survives the process. Statuses in the order of spec 04 §6.2.
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
    checkPlace(block, offset, data.length);
    if (crc32(data) !== crc) throw new ChunkError(StoreStatus.CRC, `chunk ${chunk.id}: CRC of received data is wrong`);
    await this.writeRun(chunk, version, new WriteRun(block, offset, data, crc));
  }

  /** The same for data that are checked already, and that may grow until it is their turn. */
  async writeRun(chunk: OpenChunk, version: number, run: WriteRun): Promise<void> {
    const before = chunk.file.blocks;
    try {
      await chunk.file.write(run, () => checkSession(chunk, version));
    } catch (error) {
      throw this.noted(chunk.id, error);
    } finally {
      if (chunk.file.blocks !== before && !chunk.gone) {
        this.folderSet.setLayout(chunk.id, chunk.file.blocks, chunk.file.headerSize);
      }
    }
  }
}

/** A session's chunk may have been removed or versioned since. */
export function checkSession(chunk: OpenChunk, version: number): void {
  if (chunk.gone) throw new ChunkError(StoreStatus.NOCHUNK, `chunk ${chunk.id} was removed`);
  if (version !== 0 && chunk.version !== version) {
    throw new ChunkError(
      StoreStatus.WRONGVERSION,
      `chunk ${chunk.id} has version ${chunk.version} now, not ${version}`,
    );
  }
}
