import { performance } from 'node:perf_hooks';

import type { Clock, Timer } from './clock.js';

/** Longest delay of a timer of Node (2^31−1 ms); longer ones would fire at once. */
const MAX_DELAY_MS = 0x7fffffff;

/** The real clock. Timers keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    return new LongTimeout(delayMs, callback);
  },
  every(periodMs, callback) {
    const handle = setInterval(callback, Math.min(Math.max(periodMs, 1), MAX_DELAY_MS));
    return { cancel: () => clearInterval(handle) };
  },
};

/** A timeout in steps that Node can count. */
class LongTimeout implements Timer {
  private handle: NodeJS.Timeout | undefined;

  constructor(
    private restMs: number,
    private readonly callback: () => void,
  ) {
    this.arm();
  }

  private arm(): void {
    const stepMs = Math.min(Math.max(this.restMs, 0), MAX_DELAY_MS);
    this.restMs -= stepMs;
    this.handle = setTimeout(() => {
      this.handle = undefined;
      if (this.restMs > 0) this.arm();
      else this.callback();
    }, stepMs);
  }

  cancel(): void {
    if (this.handle !== undefined) clearTimeout(this.handle);
    this.handle = undefined;
  }
}
