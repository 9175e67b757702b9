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
import { type Column, f64Column } from './paged.js';

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

/** Per directory the sums over everything below it (not itself), kept up to date along all parent chains. */
export class StatsTable {
  private readonly columns: readonly Column[] = FIELDS.map(() => f64Column());

  constructor(
    private readonly nodes: NodeTable,
    private readonly edges: EdgeTable,
  ) {}

  /** The record of a directory. */
  of(directory: number): DirectoryStats {
    const stats = noStats();
    FIELDS.forEach((field, i) => (stats[field] = this.columns[i]?.get(directory) ?? 0));
    return stats;
  }

  clear(directory: number): void {
    for (const column of this.columns) column.set(directory, 0);
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

  /** Adds (`sign` 1) or subtracts (-1) to a directory and everything above it. */
  add(directory: number, stats: DirectoryStats, sign: 1 | -1): void {
    const seen = new Set<number>();
    for (let at = directory; at !== 0 && !seen.has(at);) {
      seen.add(at);
      FIELDS.forEach((field, i) => this.columns[i]?.add(at, sign * stats[field]));
      const edge = this.nodes.firstParentEdge.get(at);
      at = edge === 0 ? 0 : this.edges.parent(edge);
    }
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
}
