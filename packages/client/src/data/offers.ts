import type { ChunkLocation } from './chunk-master.js';

/** Offers older than this are not taken (spec 13 §6.5). */
const VALID_MS = 1000;
const MAX_OFFERS = 1000;

interface Offer {
  readonly chunkIndex: number;
  readonly location: ChunkLocation;
  readonly atMs: number;
}

/** Locations of files that are not open yet: the LOOKUP before an open brings the one of the first chunk. */
export class Offers {
  /** By inode, oldest first. */
  private readonly offers = new Map<number, Offer>();

  put(inode: number, offer: Offer): void {
    // A hole that another client fills meanwhile would be read as zeros; a chunk that has changed is refused by its server.
    if (offer.location.chunkId === 0) return;
    this.offers.delete(inode);
    this.offers.set(inode, offer);
    if (this.offers.size <= MAX_OFFERS) return;
    for (const oldest of this.offers.keys()) {
      this.offers.delete(oldest);
      return;
    }
  }

  take(inode: number, nowMs: number): Offer | undefined {
    const offer = this.offers.get(inode);
    this.offers.delete(inode);
    return offer !== undefined && nowMs - offer.atMs <= VALID_MS ? offer : undefined;
  }

  clear(): void {
    this.offers.clear();
  }
}
