/** The files of the data folder as a source of metadata: plain start and automatic restore (spec 06 §8, §9). */
import { renameSync, statSync, unlinkSync } from 'node:fs';

import {
  END_MARKER,
  HEADER_BYTES,
  ImageError,
  type ImageHeader,
  type MetadataStore,
  readImage,
  readImageHeader,
  restoreMetadata,
  type RestoreReport,
} from '@wapiti-fs/metadata';
import {
  CHANGELOG_TAIL_BYTES,
  type Clock,
  emergencyImages,
  FolderFiles,
  type Logger,
  type Random,
  syncFolder,
} from '@wapiti-fs/runtime';

export const IMAGE = 'metadata.mfs';
export const IMAGE_BACK = 'metadata.mfs.back';
export const IMAGE_TEMPORARY = 'metadata.mfs.back.tmp';
const LF = 10;

/** The master cannot start from what the data folder holds. */
export class DataFolderError extends Error {
  readonly code = 'EDATAFOLDER';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DataFolderError';
  }
}

export class DataFolder extends FolderFiles {
  rename(from: string, to: string): void {
    renameSync(this.file(from), this.file(to));
  }

  remove(name: string): void {
    if (this.exists(name)) unlinkSync(this.file(name));
  }

  /** The entries of the folder are on the disk. */
  sync(): void {
    syncFolder(this.path);
  }
}

/** Header of a valid image; an ImageError or the system's error otherwise. */
function headerOf(folder: DataFolder, name: string): ImageHeader {
  const { head, tail } = folder.readEnds(name, HEADER_BYTES, END_MARKER.length);
  return readImageHeader(head, tail);
}

/** Metadata from metadata.mfs alone, as a clean stop leaves it. @param now seconds */
export function loadImage(folder: DataFolder, log: Logger, now: number): MetadataStore {
  const path = folder.file(IMAGE);
  if (!folder.exists(IMAGE)) throw new DataFolderError(`can't find ${path} - try using option '-a'`);
  let header: ImageHeader;
  try {
    header = headerOf(folder, IMAGE);
  } catch (error) {
    const reason = error instanceof ImageError ? error.reason : `cannot be read: ${(error as Error).message}`;
    throw new DataFolderError(`${path}: ${reason} - try using option '-a'`, { cause: error });
  }
  refuseNewerBackup(folder, header);
  cutTornLine(folder, log);
  const newest = lastChange(folder, 'changelog.0.mfs');
  if (newest !== undefined && newest >= header.version) {
    throw new DataFolderError(
      `${folder.file('changelog.0.mfs')} holds changes up to ${newest}, but ${IMAGE} is of version ${header.version}: ` +
        `the master did not end in order - try using option '-a'`,
    );
  }
  log.notice(`loading ${IMAGE} (version: ${header.version})`);
  try {
    return readImage(folder.read(IMAGE), now);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    throw new DataFolderError(`error loading ${path}: ${error.message} - try using option '-a'`, { cause: error });
  }
}

function refuseNewerBackup(folder: DataFolder, current: ImageHeader): void {
  if (!folder.exists(IMAGE_BACK)) return;
  let backup: ImageHeader;
  try {
    backup = headerOf(folder, IMAGE_BACK);
  } catch {
    return; // a broken backup is no reason not to use the good image
  }
  if (backup.version <= current.version) return;
  throw new DataFolderError(
    `${IMAGE_BACK} (version ${backup.version}) is newer than ${IMAGE} (version ${current.version}) - ` +
      `please check it manually - try using option '-a'`,
  );
}

const PROGRESS_MS = 2000;

/**
 * Metadata from the best image and all changelogs of the folder (`-a`).
 * @param ignoreErrors `-i`: the best state that can be had where it would be refused
 * @throws RestoreError, ImageError
 */
export function restore(
  folder: DataFolder,
  log: Logger,
  clock: Clock,
  ignoreErrors: boolean,
): { store: MetadataStore; report: RestoreReport } {
  let toldMs = clock.monotonicMs();
  const progress = (first: number, current: number, last: number): void => {
    if (clock.monotonicMs() - toldMs < PROGRESS_MS) return;
    toldMs = clock.monotonicMs();
    const percent = last > first ? Math.floor(((current - first) * 100) / (last - first)) : 100;
    log.notice(`progress: current change: ${current} (first: ${first} - last: ${last} - ${percent}%)`);
  };
  const restored = restoreMetadata(folder, (line) => log.notice(line), {
    now: Math.floor(clock.nowMs() / 1000),
    otherImages: emergencyImages(),
    ignoreErrors,
    progress,
  });
  const { report } = restored;
  log.notice(
    `metadata restored: ${report.applied} changes applied to ${report.image} (version ${report.imageVersion}), ` +
      `version ${report.version}`,
  );
  cutTornLine(folder, log);
  return restored;
}

/** Names after the start (spec 06 §8 step 4, §9.6): a running or killed master has no metadata.mfs. */
export function settleNames(folder: DataFolder, restored: boolean, random: Random): void {
  if (folder.exists(IMAGE)) {
    if (statSync(folder.file(IMAGE)).size === 0) folder.remove(IMAGE);
    else if (!restored || !folder.exists(IMAGE_BACK)) folder.rename(IMAGE, IMAGE_BACK);
    else folder.rename(IMAGE, `${IMAGE}.${random.bytes(3).toString('hex')}`);
  }
  folder.remove(IMAGE_TEMPORARY);
  folder.sync();
}

/** Takes an incomplete last line out of the file that will be appended to. */
function cutTornLine(folder: DataFolder, log: Logger): void {
  const name = 'changelog.0.mfs';
  const torn = folder.cutTornLine(name);
  if (torn > 0) log.warn(`${name}: incomplete last line of ${torn} bytes cut off; it was never acknowledged`);
}

/** Number of the last change of a file; undefined when there is none. */
function lastChange(folder: DataFolder, name: string): number | undefined {
  if (!folder.exists(name)) return undefined;
  const { tail } = folder.readEnds(name, 0, CHANGELOG_TAIL_BYTES);
  if (tail.length === 0) return undefined;
  const start = tail.length < 2 ? 0 : tail.lastIndexOf(LF, tail.length - 2) + 1;
  const number = /^([0-9]{1,16}):/.exec(tail.toString('latin1', start, start + 20))?.[1];
  if (number === undefined) throw new DataFolderError(`${folder.file(name)}: its last line is no change`);
  return Number(number);
}
