import type { AttributeRecord } from '@wapiti-fs/protocol';

import type { ChunkLocation } from '../data/chunk-master.js';

/** On whose behalf an operation runs. */
export interface Caller {
  readonly uid: number;
  /** At least one; the first is the primary group (spec 02 §5.2). */
  readonly gids: readonly number[];
  /** Gives the operation up: it rejects with the signal's reason, but the master may still execute it. */
  readonly signal?: AbortSignal | undefined;
}

export interface Entry {
  readonly inode: number;
  readonly attributes: AttributeRecord;
}

export interface LookupResult extends Entry {
  /** LOOKUP_* bits: what the caller may do, cacheability (spec 01 §7.2). */
  readonly lflags: number;
  /** Location of the only chunk, when the master gave it along. */
  readonly chunkZero: ChunkLocation | undefined;
}

export interface OpenResult {
  /** OPEN_KEEPCACHE, OPEN_DIRECTMODE, OPEN_APPENDONLY bits. */
  readonly oflags: number;
  readonly attributes: AttributeRecord;
}

export interface DirectoryEntry {
  readonly name: Buffer;
  readonly inode: number;
  /** TYPE_* code. */
  readonly type: number;
}

export interface DirectoryEntryPlus extends DirectoryEntry {
  readonly attributes: AttributeRecord;
}

/** What {@link MfsClient.setattr} changes; members left out stay. Times in seconds, or `now` for the master's clock. */
export interface AttributeChange {
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly atime?: number | 'now' | undefined;
  readonly mtime?: number | 'now' | undefined;
  /** SUGID_CLEAR_MODE_*: what becomes of suid and sgid bits when the owner changes. Default EXT. */
  readonly sugidClearMode?: number | undefined;
}

export interface SpaceInfo {
  readonly totalSpace: number;
  readonly availSpace: number;
  readonly freeSpace: number;
  readonly trashSpace: number;
  readonly sustainedSpace: number;
  readonly inodes: number;
}

/** A POSIX record lock on [start, end); end 2^64-1: to the end of the file. */
export interface RecordLock {
  readonly type: number;
  readonly start: bigint;
  readonly end: bigint;
  readonly pid: number;
}
