/** Storing the image: beside the old one, synced, then renamed over it (spec 06 §7). */
import { open } from 'node:fs/promises';

import { type MetadataStore, takeSnapshot, writeImage } from '@wapiti-fs/metadata';
import { type Clock, type Logger, writeSyncedFile } from '@wapiti-fs/runtime';

import { type DataFolder, IMAGE, IMAGE_BACK, IMAGE_TEMPORARY } from './data-folder.js';

/** FILE_UMASK takes its bits away. */
const IMAGE_MODE = 0o666;

/** The last attempt, as administrators are told (spec 11 §3.12). */
export interface SaveResult {
  /** Start of the last successful one, seconds since 1970; 0: none yet. */
  readonly storedS: number;
  readonly durationMs: number;
  /** 0 stored, 2 stored in the foreground, 1 failed. */
  readonly status: number;
}

export class ImageSaver {
  result: SaveResult = { storedS: 0, durationMs: 0, status: 0 };
  private running: Promise<boolean> | undefined;

  constructor(
    private readonly folder: DataFolder,
    private readonly store: MetadataStore,
    private readonly clock: Clock,
    private readonly log: Logger,
    /** BACK_META_KEEP_PREVIOUS. */
    private keepPrevious: number,
  ) {}

  setKeepPrevious(count: number): void {
    this.keepPrevious = count;
  }

  /** The last attempt failed: changelogs must not be dropped. */
  get failing(): boolean {
    return this.result.status === 1;
  }

  /**
   * Stores the metadata of this moment as metadata.mfs.back while serving goes on; a save that runs is waited for instead. All records
   * up to here must have been written before.
   * @returns false when it could not be stored; what was there stays
   */
  save(): Promise<boolean> {
    this.running ??= this.saveSnapshot();
    return this.running;
  }

  /** The same at once and to the end, for the stop of the master. */
  async saveInForeground(): Promise<boolean> {
    await this.running;
    const startedMs = this.clock.monotonicMs();
    const nowS = this.nowS();
    try {
      writeSyncedFile(this.folder.file(IMAGE_TEMPORARY), writeImage(this.store, nowS), IMAGE_MODE);
      this.install();
    } catch (error) {
      return this.failed(error);
    }
    return this.stored(nowS, startedMs, this.store.version, 2);
  }

  /** The end of an orderly stop: the image gets the name of one that needs no changelogs. */
  finish(): void {
    this.folder.rename(IMAGE_BACK, IMAGE);
    this.folder.sync();
  }

  private nowS(): number {
    return Math.floor(this.clock.nowMs() / 1000);
  }

  private async saveSnapshot(): Promise<boolean> {
    const startedMs = this.clock.monotonicMs();
    const nowS = this.nowS();
    const snapshot = takeSnapshot(this.store);
    try {
      const file = await open(this.folder.file(IMAGE_TEMPORARY), 'w', IMAGE_MODE);
      try {
        // other work gets its turn at every write, also of nothing; a disk that fills up takes a part of a piece
        for (const piece of snapshot.write(nowS)) {
          let done = 0;
          do done += (await file.write(piece, done)).bytesWritten;
          while (done < piece.length);
        }
        await file.sync();
      } finally {
        await file.close();
      }
      this.install();
    } catch (error) {
      return this.failed(error);
    } finally {
      snapshot.release();
    }
    return this.stored(nowS, startedMs, snapshot.version, 0);
  }

  /** metadata.mfs.back becomes .back.1 and so on; the new image takes its place. */
  private install(): void {
    const name = (number: number): string => (number === 0 ? IMAGE_BACK : `${IMAGE_BACK}.${number}`);
    for (let i = this.keepPrevious; i > 0; i--)
      if (this.folder.exists(name(i - 1))) this.folder.rename(name(i - 1), name(i));
    this.folder.rename(IMAGE_TEMPORARY, IMAGE_BACK);
    this.folder.remove(IMAGE);
    this.folder.sync();
  }

  private stored(storedS: number, startedMs: number, version: number, status: number): true {
    this.running = undefined;
    const durationMs = Math.round(this.clock.monotonicMs() - startedMs);
    this.result = { storedS, durationMs, status };
    this.log.notice(`store process has finished - store time: ${(durationMs / 1000).toFixed(3)}`, { version });
    return true;
  }

  private failed(error: unknown): false {
    this.running = undefined;
    this.result = { ...this.result, status: 1 };
    this.log.error(`metadata not stored: ${(error as Error).message}; the previous image and all changelogs are kept`);
    try {
      this.folder.remove(IMAGE_TEMPORARY);
    } catch {
      // the next attempt writes over it
    }
    return false;
  }
}
