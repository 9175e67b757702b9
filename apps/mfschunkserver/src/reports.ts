/** What waits to be told to the master about chunks (spec 03 §9): kept while there is no connection, except NEW. */
import { ChunkIndex, type ChunkStore, MARKED_FOR_REMOVAL, type StoreEvents } from '@wapiti-fs/chunkstore';

/** Fewer than 25 000 per packet. */
export const MAX_PER_PACKET = 24_000;

export interface NewChunk {
  readonly chunkId: number;
  readonly version: number;
}

export class Reports implements StoreEvents {
  private errors = 0;
  private readonly damaged = new Set<number>();
  private lost = new Set<number>();
  private newIds: number[] = [];
  private newVersions: number[] = [];
  /** The chunk list is being told, or has been: later finds must be told too. Before that the list will contain them. */
  private listing = false;

  chunkNew(id: number, version: number): void {
    if (!this.listing) return;
    this.newIds.push(id);
    this.newVersions.push(version);
  }

  chunkLost(id: number): void {
    this.lost.add(id);
  }

  chunkDamaged(id: number): void {
    this.damaged.add(id);
  }

  errorOccurred(): void {
    this.errors++;
  }

  /** A registration starts: forgets what the list of all chunks will tell anyway. */
  startListing(): void {
    this.listing = true;
    this.newIds = [];
    this.newVersions = [];
  }

  stopListing(): void {
    this.listing = false;
    this.newIds = [];
    this.newVersions = [];
  }

  takeErrors(): number {
    const errors = this.errors;
    this.errors = 0;
    return errors;
  }

  takeDamaged(): number[] {
    const ids = [...this.damaged];
    this.damaged.clear();
    return ids;
  }

  takeLost(): number[] {
    const ids = [...this.lost].slice(0, MAX_PER_PACKET);
    if (ids.length === this.lost.size) this.lost = new Set();
    else for (const id of ids) this.lost.delete(id);
    return ids;
  }

  takeNew(): NewChunk[] {
    const count = Math.min(MAX_PER_PACKET, this.newIds.length);
    const chunks: NewChunk[] = [];
    for (let i = 0; i < count; i++) {
      chunks.push({ chunkId: this.newIds[i] as number, version: this.newVersions[i] as number });
    }
    this.newIds = this.newIds.slice(count);
    this.newVersions = this.newVersions.slice(count);
    return chunks;
  }
}

/** Walks over all chunks in parts of at least `partSize` (spec 03 §4.2: a part may be slightly larger). */
export function* listChunks(store: ChunkStore, partSize: number): Generator<NewChunk[], void, undefined> {
  let part: NewChunk[] = [];
  for (let shard = 0; shard < ChunkIndex.shardCount; shard++) {
    store.index.forEachInShard(shard, (chunkId, version, folder) => {
      part.push({ chunkId, version: store.isMarked(folder) ? (version | MARKED_FOR_REMOVAL) >>> 0 : version });
    });
    if (part.length >= partSize) {
      yield part;
      part = [];
    }
  }
  if (part.length > 0) yield part;
}
