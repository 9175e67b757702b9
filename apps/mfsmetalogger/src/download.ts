/** Image and changelogs of a master, fetched beside what is held and put in its place as a whole (spec 06 §5.5). */
import { join } from 'node:path';

import { ImageError } from '@wapiti-fs/metadata';
import type { Disk, DiskFile, Logger } from '@wapiti-fs/runtime';

import { DownloadError, RefusedMasterError } from './errors.js';
import { type HeldState, IMAGE_NAME, readImageFile } from './held-state.js';
import { extentOf, removeIfThere, renameIfThere } from './lines.js';
import { BLOCK_BYTES, FILE_CHANGELOG_0, FILE_CHANGELOG_1, FILE_IMAGE, type MasterFiles } from './master-files.js';

const IMAGE_TMP = 'metadata_ml.tmp';
const CHANGELOGS = [
  { filenum: FILE_CHANGELOG_0, label: 'changelog_0', tmp: 'changelog_ml.0.tmp', name: 'changelog_ml_back.0.mfs' },
  { filenum: FILE_CHANGELOG_1, label: 'changelog_1', tmp: 'changelog_ml.1.tmp', name: 'changelog_ml_back.1.mfs' },
] as const;

export interface DownloadReport {
  readonly imageVersion: number;
  readonly sizeBytes: number;
}

/** Where downloads go, and how many previous images stay. */
export interface DownloadPlace {
  readonly disk: Disk;
  readonly folder: string;
  readonly keepPreviousImages: number;
  readonly log: Logger;
  readonly nowMs: () => number;
}

/**
 * Fetches image and changelogs. Nothing held is touched before all of it is complete, checked and on the disk.
 *
 * @throws {RefusedMasterError} the image is of another file system or older than the one held
 * @throws {DownloadError} the master has no image, the image is damaged, blocks with wrong checksums, connection lost
 */
export async function download(files: MasterFiles, held: HeldState, place: DownloadPlace): Promise<DownloadReport> {
  const { disk, folder } = place;
  try {
    const sizeBytes = await fetch(files, FILE_IMAGE, 'metadata', IMAGE_TMP, place);
    if (sizeBytes === undefined) throw new DownloadError('the master has no metadata image at this moment');
    const image = await checkImage(held, place);
    for (const { filenum, label, tmp } of CHANGELOGS) {
      await fetch(files, filenum, label, tmp, place);
      await cutTornLine(tmp, place);
    }
    // The changelogs first: with them the image that is still there remains usable if the machine stops in between.
    for (const { tmp, name } of CHANGELOGS) await disk.rename(join(folder, tmp), join(folder, name));
    await replaceImage(held.image?.version !== image.version, place);
    await disk.syncDirectory(folder);
    return { imageVersion: image.version, sizeBytes };
  } finally {
    await removeLeftovers(disk, folder).catch((error: Error) => place.log.warn(error.message));
  }
}

/** Removes what an interrupted download left. */
export async function removeLeftovers(disk: Disk, folder: string): Promise<void> {
  for (const name of [IMAGE_TMP, ...CHANGELOGS.map((one) => one.tmp), 'changelog_ml.tmp'])
    await removeIfThere(disk, join(folder, name));
}

/**
 * The reference leaves the image of a new file system (`MFSM NEW`) under its temporary name, and without it the changelogs
 * alone are worth nothing: it gets the name of an image, if there is none.
 */
export async function adoptNewImage(disk: Disk, folder: string): Promise<void> {
  try {
    if ((await disk.stat(join(folder, IMAGE_NAME))) !== undefined) return;
    const image = await readImageFile(disk, join(folder, IMAGE_TMP));
    if (image?.isNew === true) await disk.rename(join(folder, IMAGE_TMP), join(folder, IMAGE_NAME));
  } catch (error) {
    if (!(error instanceof ImageError)) throw error; // half of a download: removed with the leftovers
  }
}

async function fetch(
  files: MasterFiles,
  filenum: number,
  label: string,
  tmp: string,
  { disk, folder, log, nowMs }: DownloadPlace,
): Promise<number | undefined> {
  const startedMs = nowMs();
  const sizeBytes = await files.open(filenum);
  if (sizeBytes === undefined) return undefined;
  const file = await disk.open(join(folder, tmp), 'w', 0o666);
  try {
    await fetchBlocks(files, file, sizeBytes);
    await file.sync();
  } finally {
    files.end();
    await file.close();
  }
  const tookS = (nowMs() - startedMs) / 1000;
  const rate = tookS > 0 ? (sizeBytes / 1e6 / tookS).toFixed(3) : '?';
  log.notice(`${label} downloaded ${sizeBytes}B/${tookS.toFixed(6)}s (${rate} MB/s)`);
  return sizeBytes;
}

/** The next block is on its way while one is being written. */
async function fetchBlocks(files: MasterFiles, file: DiskFile, sizeBytes: number): Promise<void> {
  let writing: Promise<void> = Promise.resolve();
  try {
    for (let offset = 0; offset < sizeBytes;) {
      const block = await files.read(offset, Math.min(BLOCK_BYTES, sizeBytes - offset));
      await writing;
      writing = file.write(block, offset);
      writing.catch(() => undefined); // seen at the next await
      offset += block.length;
    }
  } finally {
    await writing;
  }
}

async function checkImage(held: HeldState, { disk, folder, log }: DownloadPlace) {
  let image;
  try {
    image = await readImageFile(disk, join(folder, IMAGE_TMP));
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    throw new DownloadError(`metadata file of the master: ${error.message}`, { cause: error });
  }
  if (image === undefined) throw new DownloadError(`${IMAGE_TMP} has vanished`);
  const id = `0x${image.metaid.toString(16).toUpperCase().padStart(16, '0')}`;
  log.notice(`meta data version: ${image.version}, meta data id: ${id}${image.isNew ? ' (new file system)' : ''}`);
  if (held.metaid !== 0n && image.metaid !== held.metaid && !(image.isNew && (held.image?.isNew ?? false)))
    throw new RefusedMasterError(`the image of the master has metadata id ${id}`);
  if (held.image !== undefined && image.version < held.image.version)
    throw new RefusedMasterError(`the image of the master has version ${image.version}, held is ${held.image.version}`);
  return image;
}

async function cutTornLine(tmp: string, { disk, folder, log }: DownloadPlace): Promise<void> {
  const path = join(folder, tmp);
  if ((await disk.stat(path)) === undefined) {
    await (await disk.open(path, 'w', 0o666)).close();
    return;
  }
  const file = await disk.open(path, 'r+');
  try {
    const { first, sizeBytes, wholeBytes } = await extentOf(file);
    if (first === 0 && wholeBytes > 0) throw new DownloadError(`${tmp} is not a changelog`);
    if (wholeBytes === sizeBytes) return;
    log.warn(`${tmp}: incomplete last line of ${sizeBytes - wholeBytes} bytes cut off`);
    await file.truncate(wholeBytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** @param shift keep the image held so far as a previous one */
async function replaceImage(shift: boolean, { disk, folder, keepPreviousImages: keep }: DownloadPlace): Promise<void> {
  const path = join(folder, IMAGE_NAME);
  if (shift && keep > 0) {
    for (let i = keep - 1; i > 0; i--) await renameIfThere(disk, `${path}.${i}`, `${path}.${i + 1}`);
    await renameIfThere(disk, path, `${path}.1`);
  }
  try {
    await disk.rename(join(folder, IMAGE_TMP), path);
  } catch (error) {
    if (shift && keep > 0) await renameIfThere(disk, `${path}.1`, path);
    throw error;
  }
}
