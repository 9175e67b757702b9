import {
  MFSBLOCKSIZE,
  MFSCHUNKBITS,
  MFSCHUNKSIZE,
  MFSHDRSIZE,
  TYPE_DIRECTORY,
  TYPE_SYMLINK,
} from '@wapiti-fs/protocol';
import type { EdgeTable } from './edges.js';
import { isFileType, type NodeTable } from './nodes.js';
import { f64Column, Slots } from './paged.js';

/** Sums of spec 09 §18.1. Lengths and sizes in bytes. */
export interface DirectoryStats {
  inodes: number;
  dirs: number;
  files: number;
  chunks: number;
  length: number;
  size: number;
  realsize: number;
}

const FIELDS = ['inodes', 'dirs', 'files', 'chunks', 'length', 'size', 'realsize'] as const;

export const noStats = (): DirectoryStats => ({
  inodes: 0,
  dirs: 0,
  files: 0,
  chunks: 0,
  length: 0,
  size: 0,
  realsize: 0,
});

/** Adds to sums in place. */
export function addStats(sums: DirectoryStats, more: Readonly<DirectoryStats>): void {
  for (const field of FIELDS) sums[field] += more[field];
}

/** Bytes that chunks of a file of `length` bytes take (spec 09 §18.2); `present(i)` tells non-zero entries of `entries` ones. */
export function fileSize(
  length: number,
  entries: number,
  present: (index: number) => boolean,
): { chunks: number; size: number } {
  const last = length === 0 ? 0 : Math.floor((length - 1) / MFSCHUNKSIZE);
  let chunks = 0;
  let size = 0;
  for (let i = 0; i < entries; i++) {
    if (!present(i)) continue;
    chunks++;
    if (i < last) size += MFSCHUNKSIZE + MFSHDRSIZE;
    else if (i === last) {
      const tail = length === 0 ? 0 : ((length - 1) % 2 ** MFSCHUNKBITS) + 1;
      size += Math.ceil(tail / MFSBLOCKSIZE) * MFSBLOCKSIZE + MFSHDRSIZE;
    }
  }
  return { chunks, size };
}

/**
 * Per directory the sums over everything below it (not itself), kept up to date along all parent chains. A directory that has
 * anything below it has a slot (kept in its `length`), so that files cost nothing here.
 */
export class StatsTable {
  private readonly slots = new Slots();
  private readonly inodes = f64Column();
  private readonly dirs = f64Column();
  private readonly files = f64Column();
  private readonly chunks = f64Column();
  private readonly length = f64Column();
  private readonly size = f64Column();
  private readonly realsize = f64Column();

  constructor(
    private readonly nodes: NodeTable,
    private readonly edges: EdgeTable,
  ) {}

  /** The record of a directory. */
  of(directory: number): DirectoryStats {
    const slot = this.nodes.length.get(directory);
    return {
      inodes: this.inodes.get(slot),
      dirs: this.dirs.get(slot),
      files: this.files.get(slot),
      chunks: this.chunks.get(slot),
      length: this.length.get(slot),
      size: this.size.get(slot),
      realsize: this.realsize.get(slot),
    };
  }

  /** All sums 0; must be called before a directory is removed. */
  clear(directory: number): void {
    const slot = this.nodes.length.get(directory);
    if (slot === 0) return;
    for (const field of FIELDS) this[field].set(slot, 0);
    this.slots.release(slot);
    this.nodes.length.set(directory, 0);
  }

  /** What a node adds to each directory that holds it (spec 09 §18.2). */
  contribution(inode: number): DirectoryStats {
    const nodes = this.nodes;
    const type = nodes.type.get(inode);
    if (type === TYPE_DIRECTORY) {
      const stats = this.of(inode);
      stats.inodes++;
      stats.dirs++;
      return stats;
    }
    if (isFileType(type)) {
      const length = nodes.length.get(inode);
      const { chunks, size } = fileSize(length, nodes.chunkCount(inode), (i) => nodes.chunkAt(inode, i) !== 0);
      return { inodes: 1, dirs: 0, files: 1, chunks, length, size, realsize: size * nodes.goalFactor.get(inode) };
    }
    return { ...noStats(), inodes: 1, length: type === TYPE_SYMLINK ? nodes.symlinkLength(inode) : 0 };
  }

  /** Adds (`sign` 1) or subtracts (-1) to a directory and everything above it; a directory has one parent at most. */
  add(directory: number, stats: DirectoryStats, sign: 1 | -1): void {
    for (let at = directory; at !== 0;) {
      let slot = this.nodes.length.get(at);
      if (slot === 0) {
        slot = this.slots.allocate();
        this.nodes.length.set(at, slot);
      }
      this.inodes.add(slot, sign * stats.inodes);
      this.dirs.add(slot, sign * stats.dirs);
      this.files.add(slot, sign * stats.files);
      this.chunks.add(slot, sign * stats.chunks);
      this.length.add(slot, sign * stats.length);
      this.size.add(slot, sign * stats.size);
      this.realsize.add(slot, sign * stats.realsize);
      const edge = this.nodes.firstParentEdge.get(at);
      at = edge === 0 ? 0 : this.edges.parent(edge);
    }
  }

  /** Sets the record of a directory, of which nothing above it takes notice. */
  set(directory: number, stats: Readonly<DirectoryStats>): void {
    this.clear(directory);
    if (FIELDS.every((field) => stats[field] === 0)) return;
    const slot = this.slots.allocate();
    this.nodes.length.set(directory, slot);
    for (const field of FIELDS) this[field].set(slot, stats[field]);
  }

  /** Runs `change` on a file and corrects the sums of all directories that hold it. */
  around(inode: number, change: () => void): void {
    const before = this.contribution(inode);
    change();
    const after = this.contribution(inode);
    const difference = noStats();
    for (const field of FIELDS) difference[field] = after[field] - before[field];
    if (FIELDS.every((field) => difference[field] === 0)) return;
    for (const edge of this.edges.parentEdges(inode)) {
      const parent = this.edges.parent(edge);
      if (parent !== 0) this.add(parent, difference, 1);
    }
  }

  get memoryBytes(): number {
    return FIELDS.reduce((sum, field) => sum + this[field].memoryBytes, this.slots.memoryBytes);
  }
}
