/** The folders of a server and the index of the chunks in them: taking, scanning, space, errors, release. */
import type { Clock, Logger } from '@wapiti-fs/runtime';

import { writeChunkDb } from './chunkdb.js';
import type { ChunkDbEntry } from './chunkdb.js';
import { ChunkIndex, type ChunkRecord, FLAG_OLD_HEADER, UNKNOWN_BLOCKS } from './chunk-index.js';
import { FolderError } from './errors.js';
import { Folder, type FolderRules, type LockFile } from './folder.js';
import { layoutOfSize, OLD_HEADER_SIZE_BYTES } from './format.js';
import type { FolderLine } from './hdd-config.js';
import { scanFolder } from './scan.js';
import type { StoreFs } from './store-fs.js';

/** Bit of a reported version: the copy lies on a folder marked for removal (spec 03 §4.1). */
export const MARKED_FOR_REMOVAL = 0x80000000;
const SPACE_MAX_AGE_MS = 60_000;
const MAX_FOLDERS = 65535;
const DUPLICATES_PER_PASS = 290;

/** What the store tells to whoever reports to the master (spec 03 §9). */
export interface StoreEvents {
  /** `version` carries bit 31 for folders marked for removal. */
  chunkNew(id: number, version: number): void;
  chunkLost(id: number): void;
  chunkDamaged(id: number): void;
  errorOccurred(): void;
}

export interface FolderSetOptions {
  readonly io: StoreFs;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lockFile: LockFile;
  readonly events: StoreEvents;
  readonly rules: FolderRules & { keepDuplicatesMs: number };
}

export class FolderSet {
  readonly index = new ChunkIndex();
  /** By number; numbers of released folders are used again. */
  private readonly byNumber: (Folder | undefined)[] = [];
  /** Lines that could not be used at the start (spec 04 §10.1 flag 8). */
  readonly unusable: FolderLine[] = [];
  metaid: bigint | undefined;
  private readonly scans = new Set<Promise<void>>();
  /** Something about space or counts was recalculated since `takeSpaceChanged`. */
  private spaceChanged = true;
  /** Set by the store: chunks somebody works with. */
  inUse: (id: number) => boolean = () => false;
  forgetOpen: (id: number) => void = () => undefined;

  constructor(private readonly options: FolderSetOptions) {}

  /** In the order of the configuration. */
  get folders(): Folder[] {
    return this.byNumber.filter((one) => one !== undefined).sort((a, b) => a.line.line - b.line.line);
  }

  folderOf(record: ChunkRecord): Folder {
    const folder = this.byNumber[record.folder];
    if (folder === undefined) throw new Error(`chunk ${record.id} belongs to no folder`);
    return folder;
  }

  isMarked(folderNumber: number): boolean {
    return this.byNumber[folderNumber]?.markedForRemoval ?? false;
  }

  takeSpaceChanged(): boolean {
    const changed = this.spaceChanged;
    this.spaceChanged = false;
    return changed;
  }

  /** Takes a folder and starts its scan; FolderError when it cannot be used. */
  async take(line: FolderLine): Promise<Folder> {
    const taken = this.byNumber.filter((one) => one !== undefined);
    const vacant = this.byNumber.indexOf(undefined);
    const number = vacant < 0 ? this.byNumber.length : vacant;
    if (number >= MAX_FOLDERS) throw new FolderError(`${line.path}: too many folders`);
    const folder = await Folder.take(number, line, {
      io: this.options.io,
      lockFile: this.options.lockFile,
      expectedMetaid: this.metaid,
      others: taken,
      nowMs: this.options.clock.monotonicMs(),
    });
    if (taken.some((one) => one.device === folder.device)) {
      this.options.log.warn(`${folder.path}: on the same device as another folder`);
    }
    this.metaid ??= folder.metaid;
    this.byNumber[number] = folder;
    this.startScan(folder);
    return folder;
  }

  private startScan(folder: Folder): void {
    folder.state = 'scanning';
    folder.scanPercent = 0;
    const scan = this.scan(folder).finally(() => this.scans.delete(scan));
    this.scans.add(scan);
  }

  private async scan(folder: Folder): Promise<void> {
    const { io, log } = this.options;
    try {
      await scanFolder(io, folder, {
        found: (entry) => this.found(folder, entry),
        get stopped() {
          return folder.state !== 'scanning';
        },
      });
    } catch (error) {
      if (folder.state === 'scanning') this.damageFolder(folder, `scan: ${(error as Error).message}`);
      return;
    }
    if (folder.state !== 'scanning') return;
    await this.refreshSpace(folder);
    if ((folder.state as string) !== 'scanning') return;
    folder.state = 'ready';
    this.spaceChanged = true;
    log.notice(`${folder.path}: scanned, ${folder.chunks} chunks`);
    if (folder.line.size?.kind === 'limit') await this.learnSizes(folder);
  }

  /** Resolves when no scan is running. */
  async scansDone(): Promise<void> {
    while (this.scans.size > 0) await Promise.all(this.scans);
  }

  private found(folder: Folder, entry: ChunkDbEntry): void {
    const existing = this.index.get(entry.id);
    if (existing !== undefined) {
      const other = this.folderOf(existing);
      const same = other === folder && existing.subfolder === entry.subfolder && existing.version === entry.version;
      if (same) return;
      if (existing.version >= entry.version || this.inUse(entry.id)) {
        queueDuplicate(folder, entry);
        return;
      }
      queueDuplicate(other, existing);
      this.forgetOpen(entry.id);
      other.removed(existing.subfolder, knownBlocks(existing.blocks));
      this.options.events.chunkLost(entry.id);
    }
    this.index.put({ ...entry, folder: folder.number });
    folder.added(entry.subfolder, knownBlocks(entry.blocks));
    this.options.events.chunkNew(entry.id, reportedVersion(entry.version, folder));
  }

  /** Folders with a size limit need the sizes of their files (spec 05 §9). */
  private async learnSizes(folder: Folder): Promise<void> {
    for (let shard = 0; shard < ChunkIndex.shardCount; shard++) {
      for (const record of this.index.entriesOfShard(shard)) {
        if (record.folder !== folder.number || record.blocks !== UNKNOWN_BLOCKS) continue;
        const stats = await this.options.io
          .stat(folder.filePath(record.subfolder, record.id, record.version))
          .catch(() => undefined);
        if (folder.state !== 'ready') return;
        const layout = stats && layoutOfSize(stats.size);
        if (layout) this.setLayout(record.id, layout.blocks, layout.headerSize);
      }
    }
  }

  /** Stores what became known of a chunk's file. */
  setLayout(id: number, blocks: number, headerSize: number): void {
    const record = this.index.get(id);
    if (record === undefined) return;
    const flags =
      headerSize === OLD_HEADER_SIZE_BYTES ? record.flags | FLAG_OLD_HEADER : record.flags & ~FLAG_OLD_HEADER;
    if (record.blocks === blocks && record.flags === flags) return;
    this.folderOf(record).blocksChanged(knownBlocks(record.blocks), blocks);
    this.index.put({ ...record, blocks, flags });
  }

  remove(record: ChunkRecord): void {
    this.index.delete(record.id);
    this.folderOf(record).removed(record.subfolder, knownBlocks(record.blocks));
  }

  add(record: ChunkRecord): void {
    this.index.put(record);
    this.folderOf(record).added(record.subfolder, knownBlocks(record.blocks));
  }

  /** Takes a folder out of service: its chunks are lost, its files are left as they are. */
  damageFolder(folder: Folder, reason: string): void {
    if (folder.state === 'damaged' || folder.state === 'released') return;
    this.options.log.error(`${folder.path}: folder is damaged: ${reason}`);
    folder.state = 'damaged';
    folder.totalBytes = 0;
    folder.availBytes = 0;
    this.dropChunks(folder);
  }

  private dropChunks(folder: Folder): void {
    for (const record of this.index.entries()) {
      if (record.folder !== folder.number) continue;
      this.forgetOpen(record.id);
      this.remove(record);
      this.options.events.chunkLost(record.id);
    }
    this.spaceChanged = true;
  }

  /** Lets a folder go: `.chunkdb` written, chunks reported lost, lock given back (spec 05 §5 reload). */
  async release(folder: Folder, reportLost: boolean): Promise<void> {
    const complete = folder.state === 'ready' && !folder.readOnly && folder.duplicates.length === 0;
    const records = complete ? [...this.index.entries()].filter((record) => record.folder === folder.number) : [];
    folder.state = 'released';
    await this.scansDone();
    if (reportLost) this.dropChunks(folder);
    if (complete) {
      await writeChunkDb(this.options.io, folder.path, records, 0o640).catch((error: Error) =>
        this.options.log.warn(`${folder.path}: .chunkdb not written: ${error.message}`),
      );
    }
    await folder.unlock();
    if (reportLost) this.byNumber[folder.number] = undefined;
  }

  /** New settings of a folder that stays; a changed `*` makes all its chunks be reported again. */
  updateLine(folder: Folder, line: FolderLine): void {
    const marked = folder.markedForRemoval !== line.markedForRemoval;
    folder.line = line;
    folder.spaceStale = true;
    if (folder.state === 'damaged') {
      folder.forgetErrors();
      this.startScan(folder);
    } else if (marked) {
      for (const record of this.index.entries()) {
        if (record.folder === folder.number) {
          this.options.events.chunkNew(record.id, reportedVersion(record.version, folder));
        }
      }
    }
    this.spaceChanged = true;
  }

  private async refreshSpace(folder: Folder): Promise<void> {
    const { clock, rules } = this.options;
    const damage = await folder.refreshSpace(clock.monotonicMs(), rules.leaveFreeBytes);
    if (damage !== undefined) this.damageFolder(folder, damage);
    this.spaceChanged = true;
  }

  /** Once a second: space of folders where something changed, and duplicates whose time has come. */
  async tick(): Promise<void> {
    const nowMs = this.options.clock.monotonicMs();
    for (const folder of this.folders) {
      if (folder.state !== 'ready') continue;
      if (folder.spaceStale || nowMs - folder.spaceAskedAtMs >= SPACE_MAX_AGE_MS) await this.refreshSpace(folder);
      if (folder.duplicates.length > 0 && nowMs - folder.takenAtMs >= this.options.rules.keepDuplicatesMs) {
        await this.removeDuplicates(folder);
      }
    }
  }

  private async removeDuplicates(folder: Folder): Promise<void> {
    for (const one of folder.duplicates.splice(0, DUPLICATES_PER_PASS)) {
      const current = this.index.get(one.id);
      const isCurrent =
        current?.folder === folder.number && current.version === one.version && current.subfolder === one.subfolder;
      if (isCurrent || current === undefined) continue;
      await this.options.io.unlink(folder.filePath(one.subfolder, one.id, one.version)).catch(() => undefined);
    }
  }
}

function queueDuplicate(folder: Folder, file: { id: number; version: number; subfolder: number }): void {
  if (!folder.readOnly) folder.duplicates.push({ id: file.id, version: file.version, subfolder: file.subfolder });
}

export function reportedVersion(version: number, folder: Folder): number {
  return folder.markedForRemoval ? (version | MARKED_FOR_REMOVAL) >>> 0 : version;
}

export function knownBlocks(blocks: number): number | undefined {
  return blocks === UNKNOWN_BLOCKS ? undefined : blocks;
}
