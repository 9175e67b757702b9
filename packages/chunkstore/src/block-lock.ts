/**
 * Who may touch which part of a chunk: data operations hold one range of blocks and run beside each other; operations on the
 * whole chunk (version, truncate, delete, growth by a partial block) wait until they are alone. First come, first served
 * among those that conflict. Getting a free lock costs no promise.
 */
interface Waiter {
  readonly from: number;
  readonly to: number;
  readonly go: () => void;
}

interface Held {
  readonly from: number;
  readonly to: number;
}

const WHOLE = { from: 0, to: Number.MAX_SAFE_INTEGER };

export class BlockLock {
  private readonly held: Held[] = [];
  private waiting: Waiter[] = [];

  get idle(): boolean {
    return this.held.length === 0 && this.waiting.length === 0;
  }

  /** Takes blocks `from` ≤ b < `to`; undefined when it was free, else a promise that resolves when it is ours. */
  acquire(from: number, to: number): Promise<void> | undefined {
    if (!overlaps(this.held, from, to) && !overlaps(this.waiting, from, to)) {
      this.held.push({ from, to });
      return undefined;
    }
    return new Promise((go) => this.waiting.push({ from, to, go }));
  }

  acquireAll(): Promise<void> | undefined {
    return this.acquire(WHOLE.from, WHOLE.to);
  }

  release(from: number, to: number): void {
    const at = this.held.findIndex((one) => one.from === from && one.to === to);
    if (at < 0) throw new Error(`blocks ${from}-${to} are not locked`);
    this.held.splice(at, 1);
    if (this.waiting.length === 0) return;
    const still: Waiter[] = [];
    for (const waiter of this.waiting) {
      if (overlaps(this.held, waiter.from, waiter.to) || overlaps(still, waiter.from, waiter.to)) {
        still.push(waiter);
      } else {
        this.held.push({ from: waiter.from, to: waiter.to });
        waiter.go();
      }
    }
    this.waiting = still;
  }

  releaseAll(): void {
    this.release(WHOLE.from, WHOLE.to);
  }
}

function overlaps(ranges: readonly Held[], from: number, to: number): boolean {
  for (const range of ranges) if (from < range.to && range.from < to) return true;
  return false;
}
