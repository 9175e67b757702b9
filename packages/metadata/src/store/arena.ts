/** Memory for byte strings (names, paths, symlink targets) in large pages, with reuse of freed pieces of equal size. */
const UNIT_BYTES = 16;
const PAGE_UNITS = 1 << 16;
/** Longest string kept: a symlink target (4096) or detached path (1024) fits. */
export const ARENA_MAX_BYTES = 65536;

export class ByteArena {
  private readonly pages: Buffer[] = [];
  /** Per size in units: references of free pieces. */
  private readonly free = new Map<number, number[]>();
  private nextUnit = 1;

  /** Stores a copy; the reference (never 0) is valid until {@link release} with the same length. */
  store(bytes: Uint8Array): number {
    const units = Math.max(1, Math.ceil(bytes.length / UNIT_BYTES));
    let ref = this.free.get(units)?.pop();
    if (ref === undefined) {
      if ((this.nextUnit % PAGE_UNITS) + units > PAGE_UNITS)
        this.nextUnit = Math.ceil(this.nextUnit / PAGE_UNITS) * PAGE_UNITS;
      ref = this.nextUnit;
      this.nextUnit += units;
    }
    const pageIndex = Math.floor(ref / PAGE_UNITS);
    let page = this.pages[pageIndex];
    if (page === undefined) {
      page = Buffer.alloc(PAGE_UNITS * UNIT_BYTES);
      this.pages[pageIndex] = page;
    }
    page.set(bytes, (ref % PAGE_UNITS) * UNIT_BYTES);
    return ref;
  }

  release(ref: number, lengthBytes: number): void {
    const units = Math.max(1, Math.ceil(lengthBytes / UNIT_BYTES));
    const list = this.free.get(units);
    if (list === undefined) this.free.set(units, [ref]);
    else list.push(ref);
  }

  /** A view (not a copy): valid until the string is released. */
  view(ref: number, lengthBytes: number): Buffer {
    const start = (ref % PAGE_UNITS) * UNIT_BYTES;
    return this.pages[Math.floor(ref / PAGE_UNITS)]?.subarray(start, start + lengthBytes) ?? Buffer.alloc(0);
  }
}

const LIST_PAGE_BITS = 16;
const LIST_PAGE = 1 << LIST_PAGE_BITS;

/** Memory for lists of chunk ids: pieces of 2^n entries up to a page, larger lists on their own. */
export class ChunkListArena {
  private readonly pages: Float64Array[] = [];
  private readonly large = new Map<number, Float64Array>();
  private readonly free: number[][] = [];
  private nextEntry = 1;
  private nextLarge = 0xffffffff;

  /** Entries held by a piece for `count` entries. */
  static capacity(count: number): number {
    let capacity = 1;
    while (capacity < count) capacity *= 2;
    return capacity;
  }

  /** A zeroed piece for `count` ≥ 1 entries. */
  allocate(count: number): number {
    const capacity = ChunkListArena.capacity(count);
    if (capacity > LIST_PAGE) {
      const ref = this.nextLarge--;
      this.large.set(ref, new Float64Array(capacity));
      return ref;
    }
    const reused = this.free[capacity]?.pop();
    if (reused !== undefined) {
      const page = this.pages[reused >>> LIST_PAGE_BITS];
      const start = reused & (LIST_PAGE - 1);
      page?.fill(0, start, start + capacity);
      return reused;
    }
    if ((this.nextEntry & (LIST_PAGE - 1)) + capacity > LIST_PAGE)
      this.nextEntry = ((this.nextEntry >>> LIST_PAGE_BITS) + 1) * LIST_PAGE;
    const ref = this.nextEntry;
    this.nextEntry += capacity;
    this.pages[ref >>> LIST_PAGE_BITS] ??= new Float64Array(LIST_PAGE);
    return ref;
  }

  release(ref: number, count: number): void {
    if (this.large.delete(ref)) return;
    const capacity = ChunkListArena.capacity(count);
    (this.free[capacity] ??= []).push(ref);
  }

  get(ref: number, index: number): number {
    const large = this.large.get(ref);
    if (large !== undefined) return large[index] ?? 0;
    return this.pages[ref >>> LIST_PAGE_BITS]?.[(ref & (LIST_PAGE - 1)) + index] ?? 0;
  }

  set(ref: number, index: number, chunkId: number): void {
    const large = this.large.get(ref);
    if (large !== undefined) {
      large[index] = chunkId;
      return;
    }
    const page = this.pages[ref >>> LIST_PAGE_BITS];
    if (page !== undefined) page[(ref & (LIST_PAGE - 1)) + index] = chunkId;
  }
}
