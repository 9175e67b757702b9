/** Ends of changelog files: first and last whole line (spec 06 §6.2). */
import { type Disk, DiskError, type DiskFile } from '@wapiti-fs/runtime';

const LF = 10;
/** Longest line: number, colon, blank, 199 999 bytes of text, newline. */
export const MAX_LINE_BYTES = 200_032;
const HEAD_BYTES = 4096;

/** What a changelog file covers. */
export interface ChangelogExtent {
  /** Numbers of the first and the last whole line, 0: none. */
  readonly first: number;
  readonly last: number;
  /** The last whole line without its newline. */
  readonly lastLine: Buffer;
  /** Bytes up to the end of the last whole line. */
  readonly wholeBytes: number;
  readonly sizeBytes: number;
  /** The beginning of the file, some KiB. */
  readonly head: Buffer;
}

/** The change number at the start of a line, 0: none. */
export function changeNumber(line: Buffer): number {
  const match = /^([0-9]{1,16}): /.exec(line.toString('latin1', 0, 20));
  const value = Number(match?.[1] ?? 0);
  return Number.isSafeInteger(value) ? value : 0;
}

/** The last whole line of a file's tail, and how many of the tail's bytes follow it. */
export function lastLineOf(tail: Buffer): { line: Buffer; tornBytes: number } {
  const end = tail.lastIndexOf(LF);
  if (end < 0) return { line: Buffer.alloc(0), tornBytes: tail.length };
  const start = end === 0 ? 0 : tail.lastIndexOf(LF, end - 1) + 1;
  return { line: tail.subarray(start, end), tornBytes: tail.length - end - 1 };
}

/** The line with this number in a piece of a file, without its newline. */
export function findLine(piece: Buffer, number: number): Buffer | undefined {
  const mark = Buffer.from(`${number}: `);
  for (let at = piece.indexOf(mark); at >= 0; at = piece.indexOf(mark, at + 1)) {
    if (at > 0 && piece[at - 1] !== LF) continue;
    const end = piece.indexOf(LF, at);
    return end < 0 ? undefined : piece.subarray(at, end);
  }
  return undefined;
}

export async function extentOf(file: DiskFile): Promise<ChangelogExtent> {
  const { sizeBytes } = await file.stat();
  const head = Buffer.alloc(Math.min(HEAD_BYTES, sizeBytes));
  const tail = Buffer.alloc(Math.min(MAX_LINE_BYTES, sizeBytes));
  await file.read(head, 0);
  await file.read(tail, sizeBytes - tail.length);
  const { line, tornBytes } = lastLineOf(tail);
  return {
    first: tornBytes === sizeBytes ? 0 : changeNumber(head),
    last: changeNumber(line),
    lastLine: line,
    wholeBytes: sizeBytes - tornBytes,
    sizeBytes,
    head,
  };
}

/** Renames a file that may be missing. */
export async function renameIfThere(disk: Disk, from: string, to: string): Promise<void> {
  try {
    await disk.rename(from, to);
  } catch (error) {
    if (!(error instanceof DiskError) || error.code !== 'ENOENT') throw error;
  }
}

/** Removes a file that may be missing. */
export async function removeIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path);
  } catch (error) {
    if (!(error instanceof DiskError) || error.code !== 'ENOENT') throw error;
  }
}
