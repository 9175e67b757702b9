/** A range of one chunk, asked or being asked from a chunkserver, and the bytes that have come so far. */
export class ReadRequest {
  readonly buffer: Buffer;
  /** Verified bytes from the start on. */
  filled = 0;
  /** Nobody will ask for it any more. */
  dropped = false;
  lastUsedMs = 0;
  private waiters: { readonly needed: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  private error: Error | undefined;

  /** `start`, `end`: offsets in the file. */
  constructor(
    readonly start: number,
    readonly end: number,
  ) {
    this.buffer = Buffer.allocUnsafeSlow(end - start);
  }

  get complete(): boolean {
    return this.filled === this.buffer.length;
  }

  get failed(): boolean {
    return this.error !== undefined;
  }

  /** Nobody waits for it and nobody will. */
  get unwanted(): boolean {
    return this.dropped && this.waiters.length === 0;
  }

  /** Waits until the bytes before `end` (offset in the file) are there. */
  until(end: number, signal?: AbortSignal): Promise<void> | undefined {
    const needed = end - this.start;
    if (this.filled >= needed) return undefined;
    if (this.error !== undefined) return Promise.reject(this.error);
    return new Promise((resolve, reject) => {
      const waiter = {
        needed,
        resolve: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
        reject: (error: Error) => {
          signal?.removeEventListener('abort', abort);
          reject(error);
        },
      };
      const abort = (): void => {
        this.waiters = this.waiters.filter((one) => one !== waiter);
        reject(signal?.reason as Error);
      };
      if (signal?.aborted) return reject(signal.reason as Error);
      signal?.addEventListener('abort', abort, { once: true });
      this.waiters.push(waiter);
    });
  }

  /** `sizeBytes` more bytes are in the buffer. */
  advance(sizeBytes: number): void {
    this.filled += sizeBytes;
    if (this.waiters.length === 0) return;
    const ready = this.waiters.filter((one) => one.needed <= this.filled);
    if (ready.length === 0) return;
    this.waiters = this.waiters.filter((one) => one.needed > this.filled);
    for (const one of ready) one.resolve();
  }

  fail(error: Error): void {
    this.error = error;
    for (const one of this.waiters.splice(0)) one.reject(error);
  }
}
