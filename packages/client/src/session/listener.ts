import type { SessionInfo } from './options.js';

/** CHUNK_HAS_CHANGED (spec 13 §2.9). */
export interface ChunkChanged {
  readonly inode: number;
  readonly chunkIndex: number;
  readonly chunkId: number;
  readonly version: number;
  readonly length: number;
  readonly truncateFlag: number;
}

/** What happens to the session by itself; all are called on the event loop, in order of arrival. */
export interface SessionListener {
  /** Registered, for the first time or again. `fresh`: under a new session id; locks are lost. */
  connected?(info: SessionInfo, fresh: boolean): void;
  /** The connection is gone: locations of chunks and everything else the master told may be outdated. */
  disconnected?(error: Error): void;
  /** Another client wrote (702). */
  chunkChanged?(change: ChunkChanged): void;
  /** Another client changed the length (703). */
  lengthChanged?(inode: number, length: number): void;
  /** A chunkserver came or went (706): all locations of chunks are to be forgotten. */
  serversChanged?(): void;
}
