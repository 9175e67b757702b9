/**
 * Columns of numbers in fixed-size pages outside the JavaScript heap. A page is made when an index in it is first written, so a
 * column may be sparse; an index never written reads as 0. Growing never copies old pages (no pause, no doubling of memory).
 *
 * A column can be frozen: the frozen one shares its pages, and the live one copies a page before the first write into it.
 */
const PAGE_BITS = 14;
const PAGE_SIZE = 1 << PAGE_BITS;
const PAGE_MASK = PAGE_SIZE - 1;

type NumberArray = Uint8Array | Uint16Array | Uint32Array | Float64Array;

export class Column {
  private pages: (NumberArray | undefined)[] = [];
  /** Pages before this number may be shared with a frozen column; `copied` tells which no longer are. */
  private sharedPages = 0;
  private copied = new Uint8Array(0);

  constructor(private readonly makePage: (entries: number) => NumberArray) {}

  get(index: number): number {
    return this.pages[index >>> PAGE_BITS]?.[index & PAGE_MASK] ?? 0;
  }

  set(index: number, value: number): void {
    const pageIndex = index >>> PAGE_BITS;
    let page = this.pages[pageIndex];
    if (page === undefined) {
      if (value === 0) return;
      page = this.makePage(PAGE_SIZE);
      this.pages[pageIndex] = page;
      if (pageIndex < this.sharedPages) this.copied[pageIndex] = 1;
    } else if (pageIndex < this.sharedPages && this.copied[pageIndex] === 0) {
      page = page.slice();
      this.pages[pageIndex] = page;
      this.copied[pageIndex] = 1;
    }
    page[index & PAGE_MASK] = value;
  }

  /** `index` itself, or the first index of the next page that exists if its own does not; `end` when there is none. */
  skipGaps(index: number, end: number): number {
    let page = index >>> PAGE_BITS;
    if (this.pages[page] !== undefined) return index;
    while (page < this.pages.length && this.pages[page] === undefined) page++;
    return page < this.pages.length ? page * PAGE_SIZE : end;
  }

  add(index: number, difference: number): void {
    this.set(index, this.get(index) + difference);
  }

  /** Whether a page begins at the index. */
  isPageStart(index: number): boolean {
    return (index & PAGE_MASK) === 0;
  }

  /** Gives the page of an index back; everything in it reads as 0. */
  dropPage(index: number): void {
    this.pages[index >>> PAGE_BITS] = undefined;
  }

  /** A column for reading with what is in this one now. */
  freeze(): Column {
    const frozen = new Column(this.makePage);
    frozen.pages = [...this.pages];
    this.sharedPages = this.pages.length;
    this.copied = new Uint8Array(this.sharedPages);
    return frozen;
  }

  /** No frozen column is in use any more. */
  endSharing(): void {
    this.sharedPages = 0;
    this.copied = new Uint8Array(0);
  }

  /** Bytes held by the pages made so far. */
  get memoryBytes(): number {
    return this.pages.reduce((sum, page) => sum + (page?.byteLength ?? 0), 0);
  }
}

export const u8Column = (): Column => new Column((n) => new Uint8Array(n));
export const u16Column = (): Column => new Column((n) => new Uint16Array(n));
export const u32Column = (): Column => new Column((n) => new Uint32Array(n));
/** Integers up to 2^53-1. */
export const f64Column = (): Column => new Column((n) => new Float64Array(n));

/** Numbers of the slots of a table: lowest-overhead reuse, last freed first. Slot 0 is never given out (it means "none"). */
export class Slots {
  private readonly nextFree = u32Column();
  private firstFree = 0;
  private top = 1;
  /** Slots in use. */
  count = 0;

  allocate(): number {
    this.count++;
    if (this.firstFree !== 0) {
      const slot = this.firstFree;
      this.firstFree = this.nextFree.get(slot);
      return slot;
    }
    return this.top++;
  }

  release(slot: number): void {
    this.count--;
    this.nextFree.set(slot, this.firstFree);
    this.firstFree = slot;
  }

  /** One more than the highest slot ever used. */
  get end(): number {
    return this.top;
  }

  get memoryBytes(): number {
    return this.nextFree.memoryBytes;
  }
}
