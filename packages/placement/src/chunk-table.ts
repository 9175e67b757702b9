/**
 * The persistent part of chunks, kept by the metadata: placement reads it and asks for changes, each of which becomes a
 * changelog record (spec 08 §6.5).
 */
export interface ChunkTable {
  /** Version, or undefined for an unknown chunk. */
  version(chunkId: number): number | undefined;
  /** Copies wanted; 0: no file refers to the chunk. */
  goal(chunkId: number): number;
  /** Label expressions of the copies wanted. */
  labels(chunkId: number): readonly (readonly number[])[];
  /** Locked while this time (s) is not in the past; 0: not locked. */
  lockedTo(chunkId: number): number;
  chunkIds(): Iterable<number>;
  /**
   * Lowest version whose copies hold all that was acknowledged, while no writer was given a newer one: an operation that the former
   * master did not live to end. Undefined: only copies of the version that the chunk has do.
   */
  heldFrom(chunkId: number): number | undefined;
  /** CHUNKADD: a server has a chunk that the metadata do not know. */
  add(chunkId: number, version: number, lockedTo: number): void;
  /** CHUNKDEL: unused and without copies. */
  delete(chunkId: number): void;
  /** SETVERSION. */
  setVersion(chunkId: number, version: number): void;
}

/** Commands to chunkservers (spec 03 §10). */
export type Command =
  | { readonly type: 'create'; readonly chunkId: number; readonly version: number }
  | { readonly type: 'delete'; readonly chunkId: number; readonly version: number }
  | { readonly type: 'setVersion'; readonly chunkId: number; readonly newVersion: number; readonly oldVersion: number }
  | {
      readonly type: 'duplicate';
      readonly newChunkId: number;
      readonly newVersion: number;
      readonly oldChunkId: number;
      readonly oldVersion: number;
    }
  | {
      readonly type: 'truncate';
      readonly chunkId: number;
      readonly length: number;
      readonly newVersion: number;
      readonly oldVersion: number;
    }
  | {
      readonly type: 'duptrunc';
      readonly newChunkId: number;
      readonly newVersion: number;
      readonly oldChunkId: number;
      readonly oldVersion: number;
      readonly length: number;
    }
  | {
      readonly type: 'replicate';
      readonly chunkId: number;
      readonly version: number;
      readonly sourceIp: number;
      readonly sourcePort: number;
    };
