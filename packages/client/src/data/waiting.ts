/** Waiting for time, memory and slots. */
import type { Clock } from '@wapiti-fs/runtime';

/** Waits that an event can cut short: a master or chunkservers that came back. */
export class Pauses {
  private readonly waiting = new Set<() => void>();

  constructor(private readonly clock: Clock) {}

  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.waiting.delete(end);
        resolve();
      };
      const timer = this.clock.after(delayMs, end);
      this.waiting.add(end);
    });
  }

  wakeAll(): void {
    for (const end of [...this.waiting]) end();
  }
}

/** A bounded number of units (blocks of the write cache, slots of write sessions), given out in order of asking. */
export class Budget {
  private free: number;
  private readonly queue: (() => void)[] = [];

  constructor(readonly total: number) {
    this.free = total;
  }

  get available(): number {
    return this.free;
  }

  /** Somebody waits. */
  get wanted(): boolean {
    return this.queue.length > 0;
  }

  /** Takes one unit: undefined when it was there, else a promise to wait for. */
  take(): Promise<void> | undefined {
    if (this.free > 0 && this.queue.length === 0) {
      this.free--;
      return undefined;
    }
    return new Promise((resolve) => this.queue.push(resolve));
  }

  give(units = 1): void {
    for (let i = 0; i < units; i++) {
      const next = this.queue.shift();
      if (next === undefined) this.free++;
      else next();
    }
  }
}
