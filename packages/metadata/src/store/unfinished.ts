/**
 * Work of chunkservers that the changelog says was begun and not that it ended: what a master that was killed left behind. Follows
 * from the records since the image; images do not hold it.
 *
 * A master that prepares an operation journals what concerns the chunk only, and what the file has of it when the chunkservers are
 * done: a raise is SETVERSION of an unlocked chunk, and WRITE or UNLOCK at its end. A new chunk is WRITE with opflag 0, which the
 * reference never writes for new ones and replays alike, and SETVERSION to the version it has at its end.
 */
export interface Creation {
  readonly inode: number;
  readonly index: number;
}

export class UnfinishedWork {
  /** Lowest version whose copies hold all that was acknowledged, of chunks whose newer versions nobody was given. */
  readonly raisedFrom = new Map<number, number>();
  /** New chunks that no client was told of, and their place in a file. */
  readonly creations = new Map<number, Creation>();

  raised(chunkId: number, fromVersion: number): void {
    if (!this.raisedFrom.has(chunkId)) this.raisedFrom.set(chunkId, fromVersion);
  }

  /** A raise was refused by all; an earlier one may still be unfinished. */
  lowered(chunkId: number, version: number): void {
    if ((this.raisedFrom.get(chunkId) ?? 0) >= version) this.raisedFrom.delete(chunkId);
  }

  /** The chunk is given to somebody in the version that it has, or is no more. */
  ended(chunkId: number): void {
    this.raisedFrom.delete(chunkId);
    this.creations.delete(chunkId);
  }
}
