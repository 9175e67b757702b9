/** Is this the master whose history we hold? Asked before anything is taken from it. */
import { ImageError, readImageHeader } from '@wapiti-fs/metadata';

import { DownloadError, RefusedMasterError } from './errors.js';
import { type HeldState, isEmpty, metaidIn } from './held-state.js';
import { changeNumber, findLine, lastLineOf } from './lines.js';
import { FILE_CHANGELOG_0, FILE_CHANGELOG_1, FILE_IMAGE, type MasterFiles } from './master-files.js';

const IMAGE_HEADER_BYTES = 24;
const END_MARKER_BYTES = 16;
const CHANGELOG_HEAD_BYTES = 4096;
/** How far back the master's changelog is searched for our last change. */
const CHANGELOG_TAIL_BYTES = 1_000_000;

export interface MasterIdentity {
  /** 0n: not known (a new file system that has not written its first change). */
  readonly metaid: bigint;
  /** Number of the last change on the master's disk, 0: none. */
  readonly last: number;
  /** Newest pieces of its changelog. */
  readonly pieces: readonly Buffer[];
}

/** Reads the header of the image and the newest part of the changelogs. */
export async function identifyMaster(files: MasterFiles): Promise<MasterIdentity> {
  const sizeBytes = await files.open(FILE_IMAGE);
  if (sizeBytes === undefined) throw new DownloadError('the master has no metadata image at this moment');
  const head = await files.readAll(0, Math.min(IMAGE_HEADER_BYTES, sizeBytes));
  const tailBytes = Math.min(END_MARKER_BYTES, sizeBytes);
  const tail = await files.readAll(sizeBytes - tailBytes, tailBytes);
  files.end();
  let { metaid, version } = headerOf(head, tail);
  const pieces: Buffer[] = [];
  for (const filenum of [FILE_CHANGELOG_0, FILE_CHANGELOG_1]) {
    const changelogBytes = (await files.open(filenum)) ?? 0;
    if (metaid === 0n && changelogBytes > 0)
      metaid = metaidIn(await files.readAll(0, Math.min(CHANGELOG_HEAD_BYTES, changelogBytes)));
    const pieceBytes = Math.min(CHANGELOG_TAIL_BYTES, changelogBytes);
    const piece = await files.readAll(changelogBytes - pieceBytes, pieceBytes);
    files.end();
    pieces.push(piece);
    version = Math.max(version, changeNumber(lastLineOf(piece).line) + 1);
  }
  return { metaid, last: version - 1, pieces };
}

function headerOf(head: Buffer, tail: Buffer): { metaid: bigint; version: number } {
  try {
    return readImageHeader(head, tail);
  } catch (error) {
    if (error instanceof ImageError) throw new DownloadError(`image of the master: ${error.message}`, { cause: error });
    throw error;
  }
}

const hex = (metaid: bigint): string => `0x${metaid.toString(16).toUpperCase().padStart(16, '0')}`;

/** @throws {RefusedMasterError} another file system, an older state, or a history that went another way */
export function compareHistory(master: MasterIdentity, held: HeldState): void {
  if (isEmpty(held)) return;
  if (held.metaid !== 0n && master.metaid !== held.metaid)
    throw new RefusedMasterError(`the master has metadata id ${hex(master.metaid)}, held is ${hex(held.metaid)}`);
  if (master.last < held.last)
    throw new RefusedMasterError(`the master's last change is ${master.last}, held is ${held.last}: an older state`);
  if (held.lastLine.length === 0) return;
  for (const piece of master.pieces) {
    const line = findLine(piece, held.last);
    if (line !== undefined && !line.equals(held.lastLine))
      throw new RefusedMasterError(
        `change ${held.last} of the master is '${shown(line)}', held is '${shown(held.lastLine)}': another history`,
      );
  }
}

function shown(line: Buffer): string {
  return line.toString('latin1', line.indexOf(' ') + 1, line.indexOf(' ') + 120);
}
