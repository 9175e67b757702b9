/** What a data folder holds: image, changelogs, and whether they belong together. */
import { join } from 'node:path';

import { ImageError, type ImageHeader, readImageHeader } from '@wapiti-fs/metadata';
import { type Disk, withDiskFile } from '@wapiti-fs/runtime';

import { type ChangelogExtent, extentOf } from './lines.js';

const IMAGE_HEADER_BYTES = 24;
const END_MARKER_BYTES = 16;

export const IMAGE_NAME = 'metadata_ml.mfs.back';
const CHANGELOG_NAME = /^changelog_ml(_back)?\.([0-9]+)\.mfs$/;
const METAID_CHANGE = /(?:^|\n)[0-9]+: [0-9]+\|SETMETAID\(([0-9]{1,20})\)/;

export interface HeldState {
  /** 0n: not known. */
  readonly metaid: bigint;
  readonly image: (ImageHeader & { readonly sizeBytes: number }) | undefined;
  /** Number of the last change received by the stream, 0: none. */
  readonly lastStreamed: number;
  /** Number of the last change held in any way, 0: none. */
  readonly last: number;
  /** That change's line without newline; empty when it is only in the image. */
  readonly lastLine: Buffer;
  /** Changes that are missing between the image and the last one: the copy cannot be restored completely. */
  readonly missing: { readonly from: number; readonly to: number } | undefined;
}

export function isEmpty(held: HeldState): boolean {
  return held.image === undefined && held.last === 0;
}

/** The header of an image file; undefined when there is no such file. @throws {ImageError} */
export async function readImageFile(
  disk: Disk,
  path: string,
): Promise<(ImageHeader & { sizeBytes: number }) | undefined> {
  return withDiskFile(disk, path, async (file) => {
    const { sizeBytes } = await file.stat();
    const head = Buffer.alloc(Math.min(IMAGE_HEADER_BYTES, sizeBytes));
    const tail = Buffer.alloc(Math.min(END_MARKER_BYTES, sizeBytes));
    await file.read(head, 0);
    await file.read(tail, sizeBytes - tail.length);
    return { ...readImageHeader(head, tail), sizeBytes };
  });
}

/** The id that a changelog gives to a new file system, 0n: none in this piece. */
export function metaidIn(head: Buffer): bigint {
  const match = METAID_CHANGE.exec(head.toString('latin1'));
  return BigInt(match?.[1] ?? 0);
}

/** The first hole behind change `from - 1`, none if the extents cover everything up to their highest number. */
export function firstHole(
  from: number,
  extents: readonly Pick<ChangelogExtent, 'first' | 'last'>[],
): { from: number; to: number } | undefined {
  let next = from;
  for (const { first, last } of [...extents].sort((a, b) => a.first - b.first)) {
    if (first === 0 || last < next) continue;
    if (first > next) return { from: next, to: first - 1 };
    next = last + 1;
  }
  return undefined;
}

/** Reads the ends of all files of the folder. A damaged image counts as none and is reported through `warn`. */
export async function readHeldState(disk: Disk, folder: string, warn: (text: string) => void): Promise<HeldState> {
  let image: HeldState['image'];
  try {
    image = await readImageFile(disk, join(folder, IMAGE_NAME));
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    warn(`${IMAGE_NAME}: ${error.message}`);
  }
  const extents: (ChangelogExtent & { readonly streamed: boolean })[] = [];
  for (const name of await disk.readdir(folder)) {
    const match = CHANGELOG_NAME.exec(name);
    if (match === null) continue;
    const extent = await withDiskFile(disk, join(folder, name), extentOf);
    if (extent !== undefined) extents.push({ ...extent, streamed: match[1] === undefined });
  }
  const newest = (candidates: readonly ChangelogExtent[]): ChangelogExtent | undefined =>
    candidates.reduce<ChangelogExtent | undefined>(
      (best, one) => (one.last > (best?.last ?? 0) ? one : best),
      undefined,
    );
  const last = newest(extents);
  const imageLast = (image?.version ?? 1) - 1;
  const inLines = (last?.last ?? 0) >= imageLast;
  let metaid = image?.metaid ?? 0n;
  for (const { head } of extents) if (metaid === 0n) metaid = metaidIn(head);
  return {
    metaid,
    image,
    lastStreamed: newest(extents.filter((one) => one.streamed))?.last ?? 0,
    last: Math.max(last?.last ?? 0, imageLast),
    lastLine: inLines && last !== undefined ? last.lastLine : Buffer.alloc(0),
    missing: image === undefined ? undefined : firstHole(image.version, extents),
  };
}
