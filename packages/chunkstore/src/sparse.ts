/** Zeros at the ends of data for a new block are not written but left as holes (spec 05 §4.2). */
import { BLOCK_SIZE_BYTES } from './format.js';

const STEP_BYTES = 512;
export const ZEROS = Buffer.alloc(BLOCK_SIZE_BYTES);

export function endsWithZeros(data: Buffer): boolean {
  return isZero(data, Math.max(0, data.length - STEP_BYTES), data.length);
}

function isZero(data: Buffer, from: number, to: number): boolean {
  return data.compare(ZEROS, 0, to - from, from, to) === 0;
}

/** End of what is not zero, to the byte. */
export function dataEnd(data: Buffer): number {
  let end = data.length - zerosBehind(data);
  while (end > 0 && data[end - 1] === 0) end--;
  return end;
}

/** The part of the data that has to be written: where it begins and ends in the whole, and its pieces. */
export function withoutZeros(
  parts: readonly Buffer[],
  sizeBytes: number,
): { from: number; to: number; parts: readonly Buffer[] } {
  let first = 0;
  let last = parts.length - 1;
  let from = 0;
  let to = sizeBytes;
  while (last > 0 && isAllZero(parts[last] as Buffer)) to -= (parts[last--] as Buffer).length;
  while (first < last && isAllZero(parts[first] as Buffer)) from += (parts[first++] as Buffer).length;
  const head = zerosBefore(parts[first] as Buffer);
  const tail = head === (parts[first] as Buffer).length && first === last ? 0 : zerosBehind(parts[last] as Buffer);
  if (first === 0 && last === parts.length - 1 && head === 0 && tail === 0) return { from, to, parts };
  const kept = parts.slice(first, last + 1);
  kept[kept.length - 1] = (kept[kept.length - 1] as Buffer).subarray(0, (parts[last] as Buffer).length - tail);
  kept[0] = (kept[0] as Buffer).subarray(head);
  return { from: from + head, to: to - tail, parts: kept };
}

function isAllZero(data: Buffer): boolean {
  return isZero(data, 0, data.length);
}

function zerosBefore(data: Buffer): number {
  let at = 0;
  while (at < data.length && isZero(data, at, Math.min(at + STEP_BYTES, data.length)))
    at += Math.min(data.length - at, STEP_BYTES);
  return at;
}

function zerosBehind(data: Buffer): number {
  let to = data.length;
  while (to > 0 && isZero(data, Math.max(0, to - STEP_BYTES), to)) to -= Math.min(to, STEP_BYTES);
  return data.length - to;
}
