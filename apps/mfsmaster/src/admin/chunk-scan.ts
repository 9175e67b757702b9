import { demandOf } from '../chunkservers/demand.js';
import type { MasterContext } from '../context.js';

/** Rows and columns of a matrix: 0…9, and 10 for ten and more. */
export const MATRIX_SIDE = 11;
/** Chunks or inodes looked at before other work gets its turn. */
const PER_SLICE = 20_000;
/** An answer so old is given again. */
const FRESH_MS = 5000;
/** MISSING_LOG_CAPACITY: chunks without a copy that are listed. */
const MISSING_LIMIT = 100_000;

export interface ChunkCounts {
  /** Row = copies wanted, column = copies there are. */
  readonly all: number[];
  /** Without copies on disks that are marked for removal. */
  readonly regular: number[];
  /** Chunks in use that have no good copy: 0 none at all, 1 invalid ones only, 2 ones of another version only. */
  readonly missing: { readonly chunkId: number; readonly type: number }[];
  /** Per storage class: under, exact, over. */
  readonly byClass: ReadonlyMap<number, readonly [number, number, number]>;
}

interface Scan {
  atMs: number;
  counts: ChunkCounts | undefined;
  readonly waiting: ((counts: ChunkCounts) => void)[];
}

const scans = new WeakMap<MasterContext, Scan>();
const edge = (count: number): number => Math.min(count, MATRIX_SIDE - 1);

/** Counts all chunks by what they should have and what they have; calls back, at once if it was done a moment ago. */
export function countChunks(master: MasterContext, done: (counts: ChunkCounts) => void): void {
  const { clock } = master.services;
  const scan = scans.get(master) ?? { atMs: -Infinity, counts: undefined, waiting: [] };
  scans.set(master, scan);
  if (scan.counts !== undefined && clock.monotonicMs() - scan.atMs < FRESH_MS) return done(scan.counts);
  scan.waiting.push(done);
  if (scan.waiting.length > 1) return;
  inSlices(counting(master), (counts) => {
    scan.atMs = clock.monotonicMs();
    scan.counts = counts;
    for (const waiting of scan.waiting.splice(0)) waiting(counts);
  });
}

/** Runs to the end, with other work between the steps; what needs only one step is done at once. */
export function inSlices<T>(steps: Generator<undefined, T, undefined>, done: (value: T) => void): void {
  const step = steps.next();
  if (step.done === true) done(step.value);
  else setImmediate(() => inSlices(steps, done));
}

function* counting(master: MasterContext): Generator<undefined, ChunkCounts, undefined> {
  const { chunks } = master.metadata.store;
  const all = new Array<number>(MATRIX_SIDE ** 2).fill(0);
  const regular = [...all];
  const missing: ChunkCounts['missing'] = [];
  const byClass = new Map<number, [number, number, number]>();
  let looked = 0;
  for (const slot of chunks.entries()) {
    if (++looked % PER_SLICE === 0) yield undefined;
    if (chunks.id(slot) === 0) continue; // went away meanwhile
    const { sclass, goal } = demandOf(master.metadata.store, slot);
    const { good, marked, type } = present(master, chunks.id(slot));
    const row = edge(goal) * MATRIX_SIDE;
    all[row + edge(good + marked)] = (all[row + edge(good + marked)] ?? 0) + 1;
    regular[row + edge(good)] = (regular[row + edge(good)] ?? 0) + 1;
    if (goal === 0) continue;
    const counts = byClass.get(sclass) ?? [0, 0, 0];
    byClass.set(sclass, counts);
    counts[good < goal ? 0 : good === goal ? 1 : 2]++;
    if (good + marked === 0 && missing.length < MISSING_LIMIT) missing.push({ chunkId: chunks.id(slot), type });
  }
  return { all, regular, missing, byClass };
}

function present({ chunkservers }: MasterContext, chunkId: number): { good: number; marked: number; type: number } {
  let good = 0;
  let marked = 0;
  let invalid = 0;
  let wrongVersion = 0;
  for (const copy of chunkservers.manager.copies(chunkId)) {
    if (copy.state === 'valid' || copy.state === 'busy') {
      if (copy.marked) marked++;
      else good++;
    } else if (copy.state === 'invalid') invalid++;
    else if (copy.state === 'wrongVersion') wrongVersion++;
  }
  return { good, marked, type: wrongVersion > 0 ? 2 : invalid > 0 ? 1 : 0 };
}

/** Where in the file system chunks belong. */
export function* findUsers(
  { metadata: { store } }: MasterContext,
  chunkIds: ReadonlySet<number>,
): Generator<undefined, { chunkId: number; inode: number; index: number }[], undefined> {
  const { nodes } = store;
  const found: { chunkId: number; inode: number; index: number }[] = [];
  if (chunkIds.size === 0) return found;
  let looked = 0;
  for (const inode of nodes.inodes()) {
    if (++looked % PER_SLICE === 0) yield undefined;
    if (!nodes.isFile(inode)) continue;
    for (const { index, chunkId } of nodes.chunks(inode))
      if (chunkIds.has(chunkId)) found.push({ chunkId, inode, index });
  }
  return found;
}

/** Files and directories by storage class. */
export function* countUsers({
  metadata: { store },
}: MasterContext): Generator<undefined, Map<number, { files: number; dirs: number }>, undefined> {
  const { nodes } = store;
  const counts = new Map<number, { files: number; dirs: number }>();
  let looked = 0;
  for (const inode of nodes.inodes()) {
    if (++looked % PER_SLICE === 0) yield undefined;
    const sclass = nodes.sclass.get(inode);
    const count = counts.get(sclass) ?? { files: 0, dirs: 0 };
    counts.set(sclass, count);
    if (nodes.isDirectory(inode)) count.dirs++;
    else if (nodes.isFile(inode)) count.files++;
  }
  return counts;
}
