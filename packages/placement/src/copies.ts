/** Which servers hold which chunks, as far as known: the picture that reports of servers paint and operations change. */
import type { Operation } from './operations.js';
import type { ServerId } from './servers.js';

/**
 * Copies of chunks on connected servers (spec 10 §2): `valid`; `busy` in an operation; `wrongVersion`; `invalid` (broken or
 * doubtful); `deleting`.
 */
export type CopyState = 'valid' | 'busy' | 'wrongVersion' | 'invalid' | 'deleting';

export interface Copy {
  state: CopyState;
  /** The version that it has on its server; 0 unknown. */
  version: number;
  /** On a disk marked for removal: readable, but not counted for the goal. */
  marked: boolean;
}

export interface ChunkState {
  readonly copies: Map<ServerId, Copy>;
  operation: Operation | undefined;
  /** Some copy may be out of sight: the next write raises the version first (spec 10 §4). */
  needsVersion: boolean;
  /** No operation yet since the start of the master: a server out of sight may have a version that its predecessor gave. */
  inherited: boolean;
  /**
   * Set after an operation that nobody carried out for certain, until one succeeds: copies from this version on hold all that
   * was acknowledged, but the version of the chunk may be held by a server out of sight and cannot be used again. They are
   * brought to a newer one.
   */
  rescueVersion: number | undefined;
}

export class CopyTable {
  private readonly chunks = new Map<number, ChunkState>();
  private readonly byServer = new Map<ServerId, Set<number>>();

  /** @param heldFrom rescue version of a chunk that an operation of a former master left */
  constructor(private readonly heldFrom: (chunkId: number) => number | undefined) {}

  find(chunkId: number): ChunkState | undefined {
    return this.chunks.get(chunkId);
  }

  /** The state of a chunk, made if there is none. */
  of(chunkId: number): ChunkState {
    let chunk = this.chunks.get(chunkId);
    if (chunk === undefined) {
      const rescueVersion = this.heldFrom(chunkId);
      chunk = { copies: new Map(), operation: undefined, needsVersion: true, inherited: true, rescueVersion };
      this.chunks.set(chunkId, chunk);
    }
    return chunk;
  }

  forget(chunkId: number): void {
    this.chunks.delete(chunkId);
  }

  set(chunkId: number, chunk: ChunkState, id: ServerId, copy: Copy): void {
    chunk.copies.set(id, copy);
    this.byServer.get(id)?.add(chunkId);
  }

  drop(chunkId: number, chunk: ChunkState, id: ServerId): void {
    chunk.copies.delete(id);
    this.byServer.get(id)?.delete(chunkId);
  }

  addServer(id: ServerId): void {
    this.byServer.set(id, new Set());
  }

  /** Copies on a server, in whatever state. */
  countOn(id: ServerId): number {
    return this.byServer.get(id)?.size ?? 0;
  }

  /** The server is gone: ids of the chunks that had a copy there. */
  removeServer(id: ServerId): ReadonlySet<number> {
    const chunks = this.byServer.get(id) ?? new Set();
    this.byServer.delete(id);
    return chunks;
  }
}
