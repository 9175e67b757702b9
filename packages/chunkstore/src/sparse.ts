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

/** The part of `data` that has to be written. */
export function withoutZeros(data: Buffer): { from: number; to: number } {
  let from = 0;
  let to = data.length;
  while (to > 0 && isZero(data, Math.max(0, to - STEP_BYTES), to)) to -= Math.min(to, STEP_BYTES);
  while (from < to && isZero(data, from, Math.min(from + STEP_BYTES, to))) from += Math.min(to - from, STEP_BYTES);
  return { from, to };
}
