/**
 * All chunks of the server, known by id. Ten million of them are normal, so there is no object per chunk: records live in
 * typed arrays of open-addressing tables (linear probing, deletion by shifting back, so no tombstones). The table is cut
 * into shards by the low byte of the id; growing one copies 1/256 of the whole and never stops the server for long.
 */
const SHARDS = 256;
const INITIAL_CAPACITY = 8;
export const UNKNOWN_BLOCKS = 0xffff;
/** Record flag: an error was found; not tested or moved any more (spec 05 §11.2). */
export const FLAG_DAMAGED = 1;
/** Record flag: header of 1024 bytes. */
export const FLAG_OLD_HEADER = 2;

/** A chunk's record as a value; changes are written back with `put`. */
export interface ChunkRecord {
  id: number;
  version: number;
  /** Number of the folder, as given out by the store. */
  folder: number;
  subfolder: number;
  /** 0…1024 or {@link UNKNOWN_BLOCKS}. */
  blocks: number;
  flags: number;
}

class Shard {
  count = 0;
  capacity = INITIAL_CAPACITY;
  /** 0: free slot (no chunk has id 0). */
  ids = new Float64Array(INITIAL_CAPACITY);
  versions = new Uint32Array(INITIAL_CAPACITY);
  blocks = new Uint16Array(INITIAL_CAPACITY);
  folders = new Uint16Array(INITIAL_CAPACITY);
  subfolders = new Uint8Array(INITIAL_CAPACITY);
  flags = new Uint8Array(INITIAL_CAPACITY);

  home(id: number): number {
    const low = Math.imul((id / SHARDS) >>> 0, 0x9e3779b1);
    const high = Math.imul((id / 0x10000000000) >>> 0, 0x85ebca6b);
    return ((low ^ high) >>> 7) & (this.capacity - 1);
  }

  /** The slot of `id`, or the free slot where it would go. */
  slot(id: number): number {
    const mask = this.capacity - 1;
    let at = this.home(id);
    while (this.ids[at] !== 0 && this.ids[at] !== id) at = (at + 1) & mask;
    return at;
  }

  grow(): void {
    const old = { ...this };
    this.capacity *= 2;
    this.ids = new Float64Array(this.capacity);
    this.versions = new Uint32Array(this.capacity);
    this.blocks = new Uint16Array(this.capacity);
    this.folders = new Uint16Array(this.capacity);
    this.subfolders = new Uint8Array(this.capacity);
    this.flags = new Uint8Array(this.capacity);
    for (let from = 0; from < old.capacity; from++) {
      const id = old.ids[from] as number;
      if (id === 0) continue;
      const to = this.slot(id);
      this.ids[to] = id;
      this.versions[to] = old.versions[from] as number;
      this.blocks[to] = old.blocks[from] as number;
      this.folders[to] = old.folders[from] as number;
      this.subfolders[to] = old.subfolders[from] as number;
      this.flags[to] = old.flags[from] as number;
    }
  }

  move(from: number, to: number): void {
    this.ids[to] = this.ids[from] as number;
    this.versions[to] = this.versions[from] as number;
    this.blocks[to] = this.blocks[from] as number;
    this.folders[to] = this.folders[from] as number;
    this.subfolders[to] = this.subfolders[from] as number;
    this.flags[to] = this.flags[from] as number;
  }

  free(at: number): void {
    const mask = this.capacity - 1;
    let hole = at;
    let next = at;
    for (;;) {
      next = (next + 1) & mask;
      const id = this.ids[next] as number;
      if (id === 0) break;
      // A record may move back into the hole unless its home lies cyclically after the hole.
      const distanceHome = (next - this.home(id)) & mask;
      if (distanceHome >= ((next - hole) & mask)) {
        this.move(next, hole);
        hole = next;
      }
    }
    this.ids[hole] = 0;
    this.count--;
  }

  record(at: number): ChunkRecord {
    return {
      id: this.ids[at] as number,
      version: this.versions[at] as number,
      folder: this.folders[at] as number,
      subfolder: this.subfolders[at] as number,
      blocks: this.blocks[at] as number,
      flags: this.flags[at] as number,
    };
  }
}

export class ChunkIndex {
  private readonly shards = Array.from({ length: SHARDS }, () => new Shard());
  private total = 0;

  /** Number of shards: the unit of {@link entriesOfShard}. */
  static readonly shardCount = SHARDS;

  get size(): number {
    return this.total;
  }

  private shardOf(id: number): Shard {
    return this.shards[id % SHARDS] as Shard;
  }

  has(id: number): boolean {
    const shard = this.shardOf(id);
    return shard.ids[shard.slot(id)] === id;
  }

  get(id: number): ChunkRecord | undefined {
    const shard = this.shardOf(id);
    const at = shard.slot(id);
    return shard.ids[at] === id && id !== 0 ? shard.record(at) : undefined;
  }

  /** Adds or overwrites. */
  put(record: ChunkRecord): void {
    if (!Number.isSafeInteger(record.id) || record.id <= 0) throw new RangeError(`chunk id ${record.id}`);
    const shard = this.shardOf(record.id);
    let at = shard.slot(record.id);
    if (shard.ids[at] === 0) {
      if ((shard.count + 1) * 4 > shard.capacity * 3) {
        shard.grow();
        at = shard.slot(record.id);
      }
      shard.ids[at] = record.id;
      shard.count++;
      this.total++;
    }
    shard.versions[at] = record.version;
    shard.blocks[at] = record.blocks;
    shard.folders[at] = record.folder;
    shard.subfolders[at] = record.subfolder;
    shard.flags[at] = record.flags;
  }

  /** True if it was there. */
  delete(id: number): boolean {
    const shard = this.shardOf(id);
    const at = shard.slot(id);
    if (id === 0 || shard.ids[at] !== id) return false;
    shard.free(at);
    this.total--;
    return true;
  }

  /** Calls `visit` for every chunk of a shard; the index must not be changed meanwhile. */
  forEachInShard(shardNumber: number, visit: (id: number, version: number, folder: number) => void): void {
    const shard = this.shards[shardNumber] as Shard;
    for (let at = 0; at < shard.capacity; at++) {
      const id = shard.ids[at] as number;
      if (id !== 0) visit(id, shard.versions[at] as number, shard.folders[at] as number);
    }
  }

  /** All records, as they are while the walk comes by; a shard is copied before it is handed out, so changes are allowed. */
  *entries(): Generator<ChunkRecord, void, undefined> {
    for (let number = 0; number < SHARDS; number++) yield* this.entriesOfShard(number);
  }

  entriesOfShard(shardNumber: number): ChunkRecord[] {
    const shard = this.shards[shardNumber] as Shard;
    const records: ChunkRecord[] = [];
    for (let at = 0; at < shard.capacity; at++) if (shard.ids[at] !== 0) records.push(shard.record(at));
    return records;
  }
}
