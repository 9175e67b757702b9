/**
 * Inode numbers: allocation of the lowest number that is free, and the queue of numbers waiting for their reuse delay (spec 08 §5.2).
 */
export class FreeInodes {
  /** Queue in order of deletion; `head` is the first live index. */
  private queue: { inode: number; time: number }[] = [];
  private head = 0;
  private readonly waiting = new Set<number>();
  /** Every number below is busy. */
  private hint = 1;

  constructor(private readonly nodeExists: (inode: number) => boolean) {}

  get length(): number {
    return this.queue.length - this.head;
  }

  *entries(): Generator<{ readonly inode: number; readonly time: number }> {
    for (let i = this.head; i < this.queue.length; i++) {
      const entry = this.queue[i];
      if (entry !== undefined) yield entry;
    }
  }

  /** The number that the next new node gets. */
  next(): number {
    while (this.nodeExists(this.hint) || this.waiting.has(this.hint)) this.hint++;
    return this.hint;
  }

  /** Appends a removed node's number; times after `time` are cut first (the clock went back). */
  append(inode: number, time: number): void {
    this.cutTimes(time);
    this.queue.push({ inode, time });
    this.waiting.add(inode);
  }

  cutTimes(time: number): void {
    const last = this.queue[this.queue.length - 1];
    if (this.length === 0 || last === undefined || last.time <= time) return;
    for (let i = this.head; i < this.queue.length; i++) {
      const entry = this.queue[i];
      if (entry !== undefined && entry.time > time) entry.time = time;
    }
  }

  first(): { readonly inode: number; readonly time: number } | undefined {
    return this.queue[this.head];
  }

  /** Takes the first entry off; the number becomes allocatable at once (unless appended again). */
  shift(): void {
    const entry = this.queue[this.head];
    if (entry === undefined) return;
    this.head++;
    this.waiting.delete(entry.inode);
    if (entry.inode < this.hint) this.hint = entry.inode;
    if (this.head > 4096 && this.head * 2 > this.queue.length) {
      this.queue = this.queue.slice(this.head);
      this.head = 0;
    }
  }
}
