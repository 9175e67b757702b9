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

const SEGMENT_BITS = 10;
const SEGMENT_SHIFT = 32 - SEGMENT_BITS;
const FIRST_CELLS = 8;

/**
 * Open-addressing hash (linear probing, backward-shift deletion) from a 32-bit hash to slot numbers of some table; the table
 * itself keeps the keys. It consists of segments that grow one at a time, at three quarters full: no insertion waits for the
 * rearranging of millions of entries.
 */
export class SlotHash {
  private readonly segments: Uint32Array[] = [];
  private readonly used = new Uint32Array(1 << SEGMENT_BITS);

  /** @param hashOf hash of the key of a slot in use */
  constructor(private readonly hashOf: (slot: number) => number) {}

  /** First slot for `hash` that `matches`, or 0. */
  find(hash: number, matches: (slot: number) => boolean): number {
    const cells = this.segments[hash >>> SEGMENT_SHIFT];
    if (cells === undefined) return 0;
    const mask = cells.length - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const slot = cells[i] ?? 0;
      if (slot === 0 || (this.hashOf(slot) === hash && matches(slot))) return slot;
    }
  }

  insert(slot: number): void {
    const segment = this.hashOf(slot) >>> SEGMENT_SHIFT;
    let cells = this.segments[segment];
    const used = (this.used[segment] ?? 0) + 1;
    if (cells === undefined) cells = this.segments[segment] = new Uint32Array(FIRST_CELLS);
    else if (used * 4 > cells.length * 3) {
      const old = cells;
      cells = this.segments[segment] = new Uint32Array(old.length * 2);
      for (const other of old) if (other !== 0) this.place(cells, other);
    }
    this.used[segment] = used;
    this.place(cells, slot);
  }

  /** Takes `slot` out; its key must still be readable. */
  remove(slot: number): void {
    const hash = this.hashOf(slot);
    const segment = hash >>> SEGMENT_SHIFT;
    const cells = this.segments[segment];
    if (cells === undefined) return;
    const mask = cells.length - 1;
    let hole = hash & mask;
    while (cells[hole] !== slot) {
      if (cells[hole] === 0) return;
      hole = (hole + 1) & mask;
    }
    this.used[segment] = (this.used[segment] ?? 1) - 1;
    for (let i = (hole + 1) & mask; ; i = (i + 1) & mask) {
      const other = cells[i] ?? 0;
      if (other === 0) break;
      const home = this.hashOf(other) & mask;
      if (((i - home) & mask) >= ((i - hole) & mask)) {
        cells[hole] = other;
        hole = i;
      }
    }
    cells[hole] = 0;
  }

  get memoryBytes(): number {
    return this.segments.reduce((sum, cells) => sum + cells.byteLength, this.used.byteLength);
  }

  private place(cells: Uint32Array, slot: number): void {
    const mask = cells.length - 1;
    let i = this.hashOf(slot) & mask;
    while (cells[i] !== 0) i = (i + 1) & mask;
    cells[i] = slot;
  }
}
