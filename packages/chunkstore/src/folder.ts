/** One data folder ("disk" in the monitoring): taking it over, its space, its errors and its counters (spec 05 §6, §9, §11.3). */
import * as fs from 'node:fs';

import type { FolderLine } from './hdd-config.js';
import { DiskStats } from './disk-stats.js';
import { errnoOf, FolderError } from './errors.js';
import {
  BLOCK_SIZE_BYTES,
  chunkFileName,
  CRC_TABLE_SIZE_BYTES,
  HEADER_SIZE_BYTES,
  subfolderName,
  SUBFOLDERS,
} from './format.js';
import { nodeStoreFs, type StoreFs } from './store-fs.js';

const PER_CHUNK_BYTES = HEADER_SIZE_BYTES + CRC_TABLE_SIZE_BYTES;
const DEFAULT_FILE_BYTES = PER_CHUNK_BYTES + BLOCK_SIZE_BYTES;
const FATAL_ERRNOS = ['EIO', 'EROFS', 'ENOENT'];
const REMEMBERED_ERRORS = 30;
const METAID_SIZE_BYTES = 8;

/** Takes an exclusive fcntl lock on a whole open file; throws when another process holds it. Held until the file is closed. */
export type LockFile = (fd: number, path: string) => void;

export type FolderState = 'scanning' | 'ready' | 'damaged' | 'released';

/** A second file of a chunk, to be removed later (spec 05 §8.3). */
export interface Duplicate {
  readonly id: number;
  readonly version: number;
  readonly subfolder: number;
}

export interface FolderRules {
  /** Bytes left free on folders without a `-SIZE` of their own. */
  leaveFreeBytes: number;
  errorToleranceCount: number;
  errorTolerancePeriodMs: number;
  rrChunkCount: number;
}

export class Folder {
  state: FolderState = 'scanning';
  scanPercent = 0;
  chunks = 0;
  /** Sums over chunks whose block count is known. */
  knownChunks = 0;
  knownBlocks = 0;
  readonly chunksOfSubfolder = new Uint32Array(SUBFOLDERS);
  readonly stats = new DiskStats();
  readonly duplicates: Duplicate[] = [];
  readonly takenAtMs: number;
  totalBytes = 0;
  availBytes = 0;
  /** Something was written or removed since the space was last asked for. */
  spaceStale = true;
  spaceAskedAtMs = -Infinity;
  lastError: { chunkId: number; timeS: number } | undefined;
  private currentSubfolder = 0;
  private errorTimes: number[] = [];
  private volumeBlocks = 0;
  /** State of the weighted round robin (spec 05 §10.1). */
  private distance = 0;
  private correction = 0;
  private used = false;

  private constructor(
    readonly number: number,
    public line: FolderLine,
    readonly device: number,
    readonly lockInode: number,
    private readonly lockFd: number | undefined,
    readonly readOnly: boolean,
    public metaid: bigint | undefined,
    private readonly io: StoreFs,
    nowMs: number,
  ) {
    this.takenAtMs = nowMs;
  }

  /**
   * Checks and locks a folder (spec 05 §6 steps 2-5); nothing in it is changed when it is refused with a FolderError.
   *
   * @param expectedMetaid id of the file system this server belongs to; undefined: not known yet
   */
  static async take(
    number: number,
    line: FolderLine,
    options: {
      io?: StoreFs;
      lockFile: LockFile;
      expectedMetaid: bigint | undefined;
      others: readonly Folder[];
      nowMs: number;
    },
  ): Promise<Folder> {
    const io = options.io ?? nodeStoreFs;
    const metaid = await readMetaid(io, line.path);
    if (metaid !== undefined && options.expectedMetaid !== undefined && metaid !== options.expectedMetaid) {
      throw new FolderError(
        `${line.path}: wrong meta id in .metaid: ${metaid.toString(16)} (expected ${options.expectedMetaid.toString(16)}); folder ignored`,
      );
    }
    const lockPath = `${line.path}.lock`;
    let fd: number | undefined;
    let device: number;
    let inode: number;
    try {
      // Not truncated before the lock is ours; the same file in this process would lose its lock when closed again.
      const known = await io.stat(lockPath).catch(() => undefined);
      if (
        known !== undefined &&
        options.others.some((one) => one.device === known.dev && one.lockInode === known.ino)
      ) {
        throw new FolderError(`${line.path}: the same folder is listed twice`);
      }
      fd = await io.open(lockPath, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o640);
      const stats = known ?? (await io.stat(lockPath));
      device = stats.dev;
      inode = stats.ino;
      options.lockFile(fd, lockPath);
    } catch (cause) {
      if (fd !== undefined) await io.close(fd).catch(() => undefined);
      if (cause instanceof FolderError) throw cause;
      if (errnoOf(cause) !== 'EROFS' || !line.markedForRemoval) {
        throw new FolderError(`${line.path}: cannot lock .lock: ${(cause as Error).message}`, { cause });
      }
      fd = undefined;
      ({ dev: device, ino: inode } = await io.stat(line.path));
    }
    return new Folder(number, line, device, inode, fd, fd === undefined, metaid, io, options.nowMs);
  }

  get path(): string {
    return this.line.path;
  }

  get markedForRemoval(): boolean {
    return this.line.markedForRemoval;
  }

  /** New chunks may be created here (spec 05 §9). */
  get acceptsNewChunks(): boolean {
    return (
      this.state === 'ready' &&
      !this.readOnly &&
      !this.markedForRemoval &&
      this.line.balance !== 'empty' &&
      this.totalBytes > 0 &&
      this.availBytes > 0
    );
  }

  filePath(subfolder: number, id: number, version: number): string {
    return `${this.path}${subfolderName(subfolder)}/${chunkFileName(id, version)}`;
  }

  /** Writes `.metaid` if it is missing or different. */
  async writeMetaid(metaid: bigint): Promise<void> {
    if (this.readOnly || this.metaid === metaid) return;
    const bytes = Buffer.alloc(METAID_SIZE_BYTES);
    bytes.writeBigUInt64BE(metaid);
    await this.io.writeFile(`${this.path}.metaid`, bytes, 0o640);
    this.metaid = metaid;
  }

  added(subfolder: number, blocks: number | undefined): void {
    this.chunks++;
    this.chunksOfSubfolder[subfolder] = (this.chunksOfSubfolder[subfolder] as number) + 1;
    if (blocks !== undefined) {
      this.knownChunks++;
      this.knownBlocks += blocks;
    }
    this.spaceStale = true;
  }

  removed(subfolder: number, blocks: number | undefined): void {
    this.chunks--;
    this.chunksOfSubfolder[subfolder] = (this.chunksOfSubfolder[subfolder] as number) - 1;
    if (blocks !== undefined) {
      this.knownChunks--;
      this.knownBlocks -= blocks;
    }
    this.spaceStale = true;
  }

  blocksChanged(before: number | undefined, after: number): void {
    if (before === undefined) this.knownChunks++;
    this.knownBlocks += after - (before ?? 0);
    this.spaceStale = true;
  }

  /** Subfolder for a new chunk (spec 05 §10.2): the current one until it is clearly fuller than the emptiest. */
  chooseSubfolder(rrChunkCount: number): number {
    const chosen = this.currentSubfolder;
    let lowest = 0;
    for (let i = 1; i < SUBFOLDERS; i++) {
      if ((this.chunksOfSubfolder[i] as number) < (this.chunksOfSubfolder[lowest] as number)) lowest = i;
    }
    const after = (this.chunksOfSubfolder[chosen] as number) + 1;
    if (after >= (this.chunksOfSubfolder[lowest] as number) + rrChunkCount) this.currentSubfolder = lowest;
    return chosen;
  }

  /** Weighted round robin among candidates by total size (spec 05 §10.1). */
  static choose(candidates: readonly Folder[]): Folder | undefined {
    const roomy = candidates.filter((one) => one.availBytes * 1000 >= one.totalBytes);
    const pool = roomy.length > 0 ? roomy : candidates;
    const sum = pool.reduce((total, one) => total + one.totalBytes, 0);
    let best: Folder | undefined;
    let bestError = Infinity;
    for (const one of pool) {
      one.distance++;
      const error = one.used ? (sum / one.totalBytes + one.correction) / one.distance : 1;
      if (error < bestError) {
        best = one;
        bestError = error;
      }
    }
    if (best) {
      if (best.used) best.correction += sum / best.totalBytes - best.distance;
      best.used = true;
      best.distance = 0;
    }
    return best;
  }

  /** Asks the file system for its space (spec 05 §9). Returns a reason when the folder must be taken for damaged. */
  async refreshSpace(nowMs: number, leaveFreeBytes: number): Promise<string | undefined> {
    this.spaceStale = false;
    this.spaceAskedAtMs = nowMs;
    let volume;
    try {
      volume = await this.io.statfs(this.path);
    } catch (error) {
      return `statfs: ${(error as Error).message}`;
    }
    const before = this.volumeBlocks;
    this.volumeBlocks = volume.blocks;
    const changed = before > 0 && (volume.blocks * 10 < before * 9 || before * 10 < volume.blocks * 9);
    const rule = this.line.size;
    const volumeBytes = volume.bsize * (volume.blocks - (volume.bfree - volume.bavail));
    if (rule?.kind === 'limit' && rule.bytes <= volumeBytes) {
      this.totalBytes = rule.bytes;
      this.availBytes = Math.max(0, rule.bytes - this.estimateUsedBytes(volume));
    } else {
      this.totalBytes = volumeBytes;
      const leave = rule?.kind === 'leave' ? rule.bytes : leaveFreeBytes;
      this.availBytes = Math.max(0, volume.bsize * volume.bavail - leave);
    }
    if (volume.files > 0) {
      const average =
        this.knownChunks > 0
          ? (this.knownBlocks / this.knownChunks) * BLOCK_SIZE_BYTES + PER_CHUNK_BYTES
          : DEFAULT_FILE_BYTES;
      const excess = this.availBytes - Math.floor(volume.ffree * average);
      if (excess > 0) {
        this.availBytes -= excess;
        this.totalBytes -= excess;
      }
    }
    return changed && !this.line.ignoreSizeChange
      ? `number of blocks of the volume changed from ${before} to ${volume.blocks}`
      : undefined;
  }

  private estimateUsedBytes(volume: { bsize: number; blocks: number; bfree: number }): number {
    if (this.chunks === 0) return 0;
    if (this.knownChunks === 0) return volume.bsize * (volume.blocks - volume.bfree);
    return (this.knownBlocks / this.knownChunks) * this.chunks * BLOCK_SIZE_BYTES + this.chunks * PER_CHUNK_BYTES;
  }

  /** Remembers an error; true when the folder has had too many of those that tell of a broken disk (spec 05 §11.3). */
  countError(chunkId: number, cause: unknown, nowMs: number, monotonicMs: number, rules: FolderRules): boolean {
    this.lastError = { chunkId, timeS: Math.floor(nowMs / 1000) };
    const errno = errnoOf(cause);
    if (errno === undefined || !FATAL_ERRNOS.includes(errno)) return false;
    this.errorTimes.push(monotonicMs);
    if (this.errorTimes.length > REMEMBERED_ERRORS) this.errorTimes.shift();
    this.errorTimes = this.errorTimes.filter((time) => monotonicMs - time <= rules.errorTolerancePeriodMs);
    return this.errorTimes.length > rules.errorToleranceCount;
  }

  forgetErrors(): void {
    this.errorTimes = [];
    this.volumeBlocks = 0;
  }

  async unlock(): Promise<void> {
    if (this.lockFd !== undefined) await this.io.close(this.lockFd).catch(() => undefined);
  }
}

/** The id in `.metaid`; a missing or short file tells nothing. */
async function readMetaid(io: StoreFs, path: string): Promise<bigint | undefined> {
  try {
    const bytes = await io.readFile(`${path}.metaid`);
    const metaid = bytes.length >= METAID_SIZE_BYTES ? bytes.readBigUInt64BE(0) : 0n;
    return metaid === 0n ? undefined : metaid;
  } catch {
    return undefined;
  }
}
