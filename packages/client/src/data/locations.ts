import type { ChunkLocation } from './chunk-master.js';

/**
 * Where the chunks of one file are (spec 13 §6.6). An answer of the master that was asked before `clear` or `forget` is not
 * taken: it may be older than the event.
 */
export class Locations {
  private readonly known = new Map<number, ChunkLocation>();
  private epoch = 0;

  get(chunkIndex: number): ChunkLocation | undefined {
    return this.known.get(chunkIndex);
  }

  /** To be taken before asking the master. */
  get now(): number {
    return this.epoch;
  }

  set(chunkIndex: number, location: ChunkLocation, epoch = this.epoch): void {
    if (epoch === this.epoch) this.known.set(chunkIndex, location);
  }

  /** Forgets `location`, unless another one has taken its place. */
  drop(chunkIndex: number, location: ChunkLocation): void {
    if (this.known.get(chunkIndex) === location) this.known.delete(chunkIndex);
  }

  forget(chunkIndex: number): void {
    this.epoch++;
    this.known.delete(chunkIndex);
  }

  clear(): void {
    this.epoch++;
    this.known.clear();
  }
}
