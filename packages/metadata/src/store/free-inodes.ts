import { u32Column, u8Column } from './paged.js';

/** Positions of the queue start anew before they leave 32 bits. */
const POSITION_LIMIT = 2 ** 31;

/**
 * Inode numbers: allocation of the lowest number that is free, and the queue of numbers waiting for their reuse delay (spec 08 §5.2).
 */
export class FreeInodes {
  /** Queue in order of deletion: positions `head` to `tail`-1. */
  private inodes = u32Column();
  private times = u32Column();
  private head = 0;
  private tail = 0;
  /** Per inode number 1 while it is in the queue. */
  private readonly waiting = u8Column();
  /** Every number below is busy. */
  private hint = 1;

  constructor(private readonly nodeExists: (inode: number) => boolean) {}

  get length(): number {
    return this.tail - this.head;
  }

  *entries(): Generator<{ readonly inode: number; readonly time: number }> {
    for (let at = this.head; at < this.tail; at++) yield { inode: this.inodes.get(at), time: this.times.get(at) };
  }

  /** The number that the next new node gets. */
  next(): number {
    while (this.nodeExists(this.hint) || this.waiting.get(this.hint) !== 0) this.hint++;
    return this.hint;
  }

  /** Appends a removed node's number; times after `time` are cut first (the clock went back). */
  append(inode: number, time: number): void {
    this.cutTimes(time);
    if (this.tail >= POSITION_LIMIT) this.moveDown();
    this.inodes.set(this.tail, inode);
    this.times.set(this.tail, time);
    this.tail++;
    this.waiting.set(inode, 1);
  }

  cutTimes(time: number): void {
    if (this.length === 0 || this.times.get(this.tail - 1) <= time) return;
    for (let at = this.head; at < this.tail; at++) if (this.times.get(at) > time) this.times.set(at, time);
  }

  first(): { readonly inode: number; readonly time: number } | undefined {
    return this.length === 0 ? undefined : { inode: this.inodes.get(this.head), time: this.times.get(this.head) };
  }

  /** Takes the first entry off; the number becomes allocatable at once (unless appended again). */
  shift(): void {
    if (this.length === 0) return;
    const inode = this.inodes.get(this.head);
    this.waiting.set(inode, 0);
    if (inode < this.hint) this.hint = inode;
    const { head } = this;
    this.head++;
    if (this.length === 0) this.head = this.tail = 0;
    else if (this.inodes.isPageStart(this.head)) {
      this.inodes.dropPage(head);
      this.times.dropPage(head);
    }
  }

  get memoryBytes(): number {
    return this.inodes.memoryBytes + this.times.memoryBytes + this.waiting.memoryBytes;
  }

  private moveDown(): void {
    const [inodes, times] = [u32Column(), u32Column()];
    for (let at = this.head; at < this.tail; at++) {
      inodes.set(at - this.head, this.inodes.get(at));
      times.set(at - this.head, this.times.get(at));
    }
    this.inodes = inodes;
    this.times = times;
    this.tail -= this.head;
    this.head = 0;
  }
}
