/**
 * Order of nodes and chunks in images. Any order is legal; up to a million records it is that of the reference's hash tables
 * (spec 07 §3.14), beyond that ascending numbers: reading memory in hash order costs a cache miss for each field of each record,
 * here and when the image is loaded again.
 */
import { hash32 } from '../store/hash.js';

const HASH_ORDER_LIMIT = 1 << 20;
const TABLE_SIZE = 2 ** 24;
const PARTS = 4096;
/** Numbers looked at between two pauses. */
const STEP = 1 << 16;

/** Yielded where the user of an iteration may do something else before going on. */
export const PAUSE = 0;

/**
 * The numbers (never 0, up to 2^32-1) of records in the order of an image. A pause is yielded every while, so that no step of the
 * iteration takes long however many there are.
 * @param numbers called twice; must give the same numbers
 * @param key of a record: inode or chunk id; unique
 * @param keyLimit above all keys
 */
export function imageOrder(
  numbers: () => Iterable<number>,
  count: number,
  key: (number: number) => number,
  keyLimit: number,
): Generator<number> {
  if (count > HASH_ORDER_LIMIT) return inOrder(numbers, count, key, keyLimit, key);
  return inOrder(numbers, count, (number) => hash32(key(number)) % TABLE_SIZE, TABLE_SIZE, key);
}

/** Numbers in ascending rank (below `rankLimit`), and in descending key where ranks are equal. */
export function* inOrder(
  numbers: () => Iterable<number>,
  count: number,
  rank: (number: number) => number,
  rankLimit: number,
  key: (number: number) => number,
): Generator<number> {
  const width = Math.ceil(rankLimit / PARTS);
  const partOf = (number: number): number => Math.min(PARTS - 1, Math.floor(rank(number) / width));
  const next = new Uint32Array(PARTS);
  let seen = 0;
  for (const number of numbers()) {
    const part = partOf(number);
    next[part] = (next[part] ?? 0) + 1;
    if (++seen % STEP === 0) yield PAUSE;
  }
  // From the sizes of the parts to their starts.
  let start = 0;
  for (let part = 0; part < PARTS; part++) {
    const size = next[part] ?? 0;
    next[part] = start;
    start += size;
  }
  const placed = new Uint32Array(count);
  for (const number of numbers()) {
    const part = partOf(number);
    const at = next[part] ?? 0;
    placed[at] = number;
    next[part] = at + 1;
    if (++seen % STEP === 0) yield PAUSE;
  }
  let from = 0;
  for (let part = 0; part < PARTS; part++) {
    const end = next[part] ?? 0;
    yield* [...placed.subarray(from, end)].sort((a, b) => rank(a) - rank(b) || key(b) - key(a));
    from = end;
  }
}
