import { hash32, SlotHash } from './hash.js';
import { f64Column, Slots, u32Column, u8Column } from './paged.js';

/** Columns that images hold. */
const FROZEN = ['ids', 'versions', 'locks', 'archives'] as const;

/**
 * The chunk table: id, version, lock, archive flag (all in the image) and the derived references per storage class. Addressed by
 * slot (0 = none), found by id.
 */
export class ChunkTable {
  private readonly slots = new Slots();
  private ids = f64Column();
  private versions = u32Column();
  private locks = u32Column();
  private archives = u8Column();
  private readonly references = u32Column();
  /** Class of all references while they agree; else the counts are in `mixed`. */
  private readonly classes = u8Column();
  private readonly mixed = new Map<number, Map<number, number>>();
  private readonly index = new SlotHash((slot) => hash32(this.ids.get(slot)));

  /** Id of the next new chunk. */
  nextChunkId = 1;

  /** Of a frozen table: its size when it was frozen. */
  private frozen: { readonly count: number; readonly end: number } | undefined;

  get count(): number {
    return this.frozen?.count ?? this.slots.count;
  }

  /** Slot of a chunk id, 0 = unknown. */
  find(chunkId: number): number {
    return this.index.find(hash32(chunkId), (slot) => this.ids.get(slot) === chunkId);
  }

  /** Adds a record; does not move {@link nextChunkId}. */
  add(chunkId: number, version: number, lockedTo: number, archived: boolean): number {
    const slot = this.slots.allocate();
    this.ids.set(slot, chunkId);
    this.versions.set(slot, version);
    this.locks.set(slot, lockedTo);
    this.archives.set(slot, archived ? 1 : 0);
    this.references.set(slot, 0);
    this.classes.set(slot, 0);
    this.index.insert(slot);
    return slot;
  }

  remove(slot: number): void {
    this.index.remove(slot);
    this.mixed.delete(slot);
    this.ids.set(slot, 0);
    this.slots.release(slot);
  }

  id(slot: number): number {
    return this.ids.get(slot);
  }
  version(slot: number): number {
    return this.versions.get(slot);
  }
  setVersion(slot: number, version: number): void {
    this.versions.set(slot, version);
  }
  /** Locked while this time (s) is not in the past; 0 = not locked. */
  lockedTo(slot: number): number {
    return this.locks.get(slot);
  }
  setLockedTo(slot: number, time: number): void {
    this.locks.set(slot, time);
  }
  archived(slot: number): boolean {
    return this.archives.get(slot) !== 0;
  }
  setArchived(slot: number, archived: boolean): void {
    this.archives.set(slot, archived ? 1 : 0);
  }
  /** File positions that refer to the chunk. */
  referenceCount(slot: number): number {
    return this.references.get(slot);
  }

  addReference(slot: number, sclass: number): void {
    const count = this.references.get(slot);
    const counts = this.mixed.get(slot);
    if (counts !== undefined) counts.set(sclass, (counts.get(sclass) ?? 0) + 1);
    else if (count === 0) this.classes.set(slot, sclass);
    else if (this.classes.get(slot) !== sclass) {
      this.mixed.set(
        slot,
        new Map([
          [this.classes.get(slot), count],
          [sclass, 1],
        ]),
      );
    }
    this.references.set(slot, count + 1);
  }

  dropReference(slot: number, sclass: number): void {
    const count = this.references.get(slot);
    if (count === 0) return;
    this.references.set(slot, count - 1);
    const counts = this.mixed.get(slot);
    if (counts === undefined) return;
    const left = (counts.get(sclass) ?? 0) - 1;
    if (left > 0) counts.set(sclass, left);
    else counts.delete(sclass);
    if (counts.size === 1) {
      for (const only of counts.keys()) this.classes.set(slot, only);
      this.mixed.delete(slot);
    }
  }

  /** References per storage class id. */
  classCounts(slot: number): ReadonlyMap<number, number> {
    const counts = this.mixed.get(slot);
    if (counts !== undefined) return counts;
    const count = this.references.get(slot);
    return count === 0 ? new Map() : new Map([[this.classes.get(slot), count]]);
  }

  /** Slots in use. */
  *entries(): Generator<number> {
    const end = this.frozen?.end ?? this.slots.end;
    for (let slot = 1; slot < end; slot++) if (this.ids.get(slot) !== 0) yield slot;
  }

  /** The records for reading, with what is in this table now. */
  freeze(): ChunkTable {
    const frozen = new ChunkTable();
    for (const name of FROZEN) frozen[name] = this[name].freeze();
    frozen.frozen = { count: this.count, end: this.slots.end };
    frozen.nextChunkId = this.nextChunkId;
    return frozen;
  }

  endSharing(): void {
    for (const name of FROZEN) this[name].endSharing();
  }

  get memoryBytes(): number {
    const { references, classes, index, slots } = this;
    const parts = [...FROZEN.map((name) => this[name]), references, classes, index, slots];
    return parts.reduce((sum, part) => sum + part.memoryBytes, 0);
  }
}
