/** Memory for byte strings (names, paths, symlink targets) in large pages, with reuse of freed pieces of equal size. */
const UNIT_BYTES = 16;
const PAGE_UNITS = 1 << 16;
/** Longest string kept: a symlink target (4096) or detached path (1024) fits. */
export const ARENA_MAX_BYTES = 65536;

export class ByteArena {
  private pages: Buffer[] = [];
  /** Pages before this number may be shared with a frozen arena; `copied` holds those that no longer are. */
  private sharedPages = 0;
  private readonly copied = new Set<number>();
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
      this.copied.add(pageIndex);
    } else if (pageIndex < this.sharedPages && !this.copied.has(pageIndex)) {
      page = Buffer.from(page);
      this.pages[pageIndex] = page;
      this.copied.add(pageIndex);
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

  /** An arena for reading with what is in this one now. */
  freeze(): ByteArena {
    const frozen = new ByteArena();
    frozen.pages = [...this.pages];
    this.sharedPages = this.pages.length;
    this.copied.clear();
    return frozen;
  }

  /** No frozen arena is in use any more. */
  endSharing(): void {
    this.sharedPages = 0;
    this.copied.clear();
  }

  get memoryBytes(): number {
    return this.pages.reduce((sum, page) => sum + page.length, 0);
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
  private pages: Float64Array[] = [];
  private large = new Map<number, Float64Array>();
  /** While frozen lists are in use: pages and large lists that they do not share. */
  private own: { readonly pages: Set<number>; readonly large: Set<number> } | undefined;
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
      this.own?.large.add(ref);
      return ref;
    }
    const reused = this.free[capacity]?.pop();
    if (reused !== undefined) {
      const page = this.pageForWriting(reused);
      const start = reused & (LIST_PAGE - 1);
      page?.fill(0, start, start + capacity);
      return reused;
    }
    if ((this.nextEntry & (LIST_PAGE - 1)) + capacity > LIST_PAGE)
      this.nextEntry = ((this.nextEntry >>> LIST_PAGE_BITS) + 1) * LIST_PAGE;
    const ref = this.nextEntry;
    this.nextEntry += capacity;
    if (this.pages[ref >>> LIST_PAGE_BITS] === undefined) {
      this.pages[ref >>> LIST_PAGE_BITS] = new Float64Array(LIST_PAGE);
      this.own?.pages.add(ref >>> LIST_PAGE_BITS);
    }
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
    let large = this.large.get(ref);
    if (large === undefined) {
      const page = this.pageForWriting(ref);
      if (page !== undefined) page[(ref & (LIST_PAGE - 1)) + index] = chunkId;
      return;
    }
    if (this.own !== undefined && !this.own.large.has(ref)) {
      large = large.slice();
      this.large.set(ref, large);
      this.own.large.add(ref);
    }
    large[index] = chunkId;
  }

  /** Lists for reading with what is in these now. */
  freeze(): ChunkListArena {
    const frozen = new ChunkListArena();
    frozen.pages = [...this.pages];
    frozen.large = new Map(this.large);
    this.own = { pages: new Set(), large: new Set() };
    return frozen;
  }

  /** No frozen lists are in use any more. */
  endSharing(): void {
    this.own = undefined;
  }

  get memoryBytes(): number {
    const large = [...this.large.values()].reduce((sum, list) => sum + list.byteLength, 0);
    return this.pages.reduce((sum, page) => sum + page.byteLength, large);
  }

  private pageForWriting(ref: number): Float64Array | undefined {
    const pageIndex = ref >>> LIST_PAGE_BITS;
    let page = this.pages[pageIndex];
    if (page !== undefined && this.own !== undefined && !this.own.pages.has(pageIndex)) {
      page = page.slice();
      this.pages[pageIndex] = page;
      this.own.pages.add(pageIndex);
    }
    return page;
  }
}
