import type { Clock, Timer } from './clock.js';

interface Pending extends Timer {
  dueMs: number;
  readonly order: number;
  readonly periodMs: number | undefined;
  readonly callback: () => void;
}

/**
 * A clock that stands still until told to go on; timers fire in order of their due time, then of their creation, and see
 * exactly their due time as "now".
 */
export class FakeClock implements Clock {
  private elapsedMs = 0;
  private wallOffsetMs: number;
  private order = 0;
  private readonly pending = new Set<Pending>();

  /** `startMs`: wall-clock time at the beginning. The monotonic clock begins at 0. */
  constructor(startMs = 1_600_000_000_000) {
    this.wallOffsetMs = startMs;
  }

  nowMs(): number {
    return this.wallOffsetMs + this.elapsedMs;
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.add(Math.max(delayMs, 0), undefined, callback);
  }

  every(periodMs: number, callback: () => void): Timer {
    const period = Math.max(periodMs, 1);
    return this.add(period, period, callback);
  }

  /** Steps the wall clock as an administrator or NTP would; timers are not touched. */
  stepWallClock(deltaMs: number): void {
    this.wallOffsetMs += deltaMs;
  }

  get pendingTimers(): number {
    return this.pending.size;
  }

  /** Milliseconds until the next timer; undefined when there is none. */
  get nextTimerMs(): number | undefined {
    const next = this.next();
    return next === undefined ? undefined : next.dueMs - this.elapsedMs;
  }

  /** Lets time pass, firing what falls due, also what is created meanwhile. */
  advance(deltaMs: number): void {
    const endMs = this.elapsedMs + deltaMs;
    while (this.fireNext(endMs));
    this.elapsedMs = endMs;
  }

  /** As {@link advance}, but lets promises and immediates settle before the first and after every timer. */
  async advanceAsync(deltaMs: number): Promise<void> {
    const endMs = this.elapsedMs + deltaMs;
    await settle();
    while (this.fireNext(endMs)) await settle();
    this.elapsedMs = endMs;
  }

  /** Time passes without any timer being served, as when the process was stopped; late timers fire with the next advance. */
  freeze(deltaMs: number): void {
    this.elapsedMs += deltaMs;
  }

  private add(delayMs: number, periodMs: number | undefined, callback: () => void): Timer {
    const timer: Pending = {
      dueMs: this.elapsedMs + delayMs,
      order: this.order++,
      periodMs,
      callback,
      cancel: () => void this.pending.delete(timer),
    };
    this.pending.add(timer);
    return timer;
  }

  private next(): Pending | undefined {
    let first: Pending | undefined;
    for (const one of this.pending) {
      if (!first || one.dueMs < first.dueMs || (one.dueMs === first.dueMs && one.order < first.order)) first = one;
    }
    return first;
  }

  private fireNext(endMs: number): boolean {
    const timer = this.next();
    if (timer === undefined || timer.dueMs > endMs) return false;
    this.elapsedMs = Math.max(this.elapsedMs, timer.dueMs);
    if (timer.periodMs === undefined) this.pending.delete(timer);
    else timer.dueMs = this.elapsedMs + timer.periodMs;
    timer.callback();
    return true;
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
