/** Order of nodes and chunks in images: that of the reference's hash tables (spec 07 §3.14). */
import { hash32 } from '../store/hash.js';

const TABLE_MASK = 2 ** 24 - 1;
const PART_BITS = 12;
const PARTS = 1 << PART_BITS;
const PART_MASK = PARTS - 1;
const NUMBER_LIMIT = 2 ** 32;
/** Numbers looked at between two pauses. */
const STEP = 1 << 16;

/** Yielded by {@link inHashOrder} where its user may do something else before going on. */
export const PAUSE = 0;

/**
 * Numbers (never 0, up to 2^32-1) in ascending hash of their key; the higher key first where hashes meet. A pause is yielded every
 * while, so that no step of the iteration takes long however many numbers there are.
 * @param numbers called twice; must give the same numbers
 */
export function* inHashOrder(
  numbers: () => Iterable<number>,
  count: number,
  key: (number: number) => number,
): Generator<number> {
  const starts = new Uint32Array(PARTS + 1);
  let seen = 0;
  for (const number of numbers()) {
    const part = (hash32(key(number)) & TABLE_MASK) >>> PART_BITS;
    starts[part + 1] = (starts[part + 1] ?? 0) + 1;
    if (++seen % STEP === 0) yield PAUSE;
  }
  for (let part = 0; part < PARTS; part++) starts[part + 1] = (starts[part + 1] ?? 0) + (starts[part] ?? 0);
  const placed = new Uint32Array(count);
  const next = starts.slice();
  for (const number of numbers()) {
    const part = (hash32(key(number)) & TABLE_MASK) >>> PART_BITS;
    const at = next[part] ?? 0;
    placed[at] = number;
    next[part] = at + 1;
    if (++seen % STEP === 0) yield PAUSE;
  }
  for (let part = 0; part < PARTS; part++) {
    const from = starts[part] ?? 0;
    const sorted = new Float64Array((starts[part + 1] ?? 0) - from);
    for (let i = 0; i < sorted.length; i++) {
      const number = placed[from + i] ?? 0;
      sorted[i] = (hash32(key(number)) & PART_MASK) * NUMBER_LIMIT + (NUMBER_LIMIT - 1 - number);
    }
    sorted.sort();
    yield* decode(sorted, key);
  }
}

function* decode(sorted: Float64Array, key: (number: number) => number): Generator<number> {
  const numberOf = (value: number): number => NUMBER_LIMIT - 1 - (value % NUMBER_LIMIT);
  const hashOf = (value: number): number => Math.floor(value / NUMBER_LIMIT);
  for (let i = 0; i < sorted.length; i++) {
    const value = sorted[i] ?? 0;
    const hash = hashOf(value);
    let end = i + 1;
    while (end < sorted.length && hashOf(sorted[end] ?? 0) === hash) end++;
    if (end === i + 1) yield numberOf(value);
    else yield* [...sorted.subarray(i, end)].map(numberOf).sort((a, b) => key(b) - key(a));
    i = end - 1;
  }
}
