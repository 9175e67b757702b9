/** A running timer of a {@link Clock}. */
export interface Timer {
  cancel(): void;
}

/**
 * Time as the cores see it. Wall-clock time is for what is stored or shown, monotonic time for every delay and timeout.
 * The real one is `systemClock`; tests and the simulator use `FakeClock`.
 */
export interface Clock {
  /** Wall clock, milliseconds since 1970 UTC. */
  nowMs(): number;
  /** Monotonic clock in milliseconds; only differences mean anything. */
  monotonicMs(): number;
  after(delayMs: number, callback: () => void): Timer;
  every(periodMs: number, callback: () => void): Timer;
}

/** Waits; never resolves early; rejects with the signal's reason when aborted. */
export type Sleep = (delayMs: number, signal?: AbortSignal) => Promise<void>;

/** The {@link Sleep} of a clock. */
export function sleepOn(clock: Clock): Sleep {
  return (delayMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const onAbort = (): void => {
        timer.cancel();
        reject(signal?.reason as Error);
      };
      const timer = clock.after(delayMs, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
}
