import { hash32, SlotHash } from './hash.js';
import { f64Column, Slots, u32Column, u8Column } from './paged.js';

/**
 * The chunk table: id, version, lock, archive flag (all in the image) and the derived references per storage class. Addressed by
 * slot (0 = none), found by id.
 */
export class ChunkTable {
  private readonly slots = new Slots();
  private readonly ids = f64Column();
  private readonly versions = u32Column();
  private readonly locks = u32Column();
  private readonly archives = u8Column();
  private readonly references = u32Column();
  /** Class of all references while they agree; else the counts are in `mixed`. */
  private readonly classes = u8Column();
  private readonly mixed = new Map<number, Map<number, number>>();
  private readonly index = new SlotHash((slot) => hash32(this.ids.get(slot)));

  /** Id of the next new chunk. */
  nextChunkId = 1;

  get count(): number {
    return this.slots.count;
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
    for (let slot = 1; slot < this.slots.end; slot++) if (this.ids.get(slot) !== 0) yield slot;
  }
}
