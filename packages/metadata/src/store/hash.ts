/** 32-bit integer hash of the reference's tables (spec 07 §3.3), which decides the record order of its images. */
export function hash32(value: number): number {
  let k = value >>> 0;
  k = (~k + (k << 15)) >>> 0;
  k = (k ^ (k >>> 12)) >>> 0;
  k = (k + (k << 2)) >>> 0;
  k = (k ^ (k >>> 4)) >>> 0;
  k = Math.imul(k, 2057) >>> 0;
  return (k ^ (k >>> 16)) >>> 0;
}

/** Hash of a directory entry's key. */
export function hashEntry(parent: number, name: Uint8Array): number {
  let h = hash32(parent) ^ 0x811c9dc5;
  for (const byte of name) h = Math.imul(h ^ byte, 0x01000193);
  return (h ^ (h >>> 15)) >>> 0;
}

const FIRST_BITS = 10;

/**
 * Open-addressing hash (linear probing, backward-shift deletion) from a 32-bit hash to slot numbers of some table; the table
 * itself keeps the keys. Twice as many cells as entries at most half full.
 */
export class SlotHash {
  private cells = new Uint32Array(1 << FIRST_BITS);
  private mask = (1 << FIRST_BITS) - 1;
  private used = 0;

  /** @param hashOf hash of the key of a slot in use */
  constructor(private readonly hashOf: (slot: number) => number) {}

  /** First slot for `hash` that `matches`, or 0. */
  find(hash: number, matches: (slot: number) => boolean): number {
    for (let i = hash & this.mask; ; i = (i + 1) & this.mask) {
      const slot = this.cells[i] ?? 0;
      if (slot === 0 || (this.hashOf(slot) === hash && matches(slot))) return slot;
    }
  }

  insert(slot: number): void {
    if ((this.used + 1) * 2 > this.cells.length) this.grow();
    this.used++;
    this.place(slot);
  }

  /** Takes `slot` out; its key must still be readable. */
  remove(slot: number): void {
    let hole = this.hashOf(slot) & this.mask;
    while (this.cells[hole] !== slot) {
      if (this.cells[hole] === 0) return;
      hole = (hole + 1) & this.mask;
    }
    this.used--;
    for (let i = (hole + 1) & this.mask; ; i = (i + 1) & this.mask) {
      const other = this.cells[i] ?? 0;
      if (other === 0) break;
      const home = this.hashOf(other) & this.mask;
      if (((i - home) & this.mask) >= ((i - hole) & this.mask)) {
        this.cells[hole] = other;
        hole = i;
      }
    }
    this.cells[hole] = 0;
  }

  private place(slot: number): void {
    let i = this.hashOf(slot) & this.mask;
    while (this.cells[i] !== 0) i = (i + 1) & this.mask;
    this.cells[i] = slot;
  }

  private grow(): void {
    const old = this.cells;
    this.cells = new Uint32Array(old.length * 2);
    this.mask = this.cells.length - 1;
    for (const slot of old) if (slot !== 0) this.place(slot);
  }
}
