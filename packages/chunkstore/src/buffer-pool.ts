/** Buffers of one size, kept for reuse: a fresh one of this size costs page faults each time. */
export class BufferPool {
  private readonly free: Buffer[] = [];

  constructor(
    readonly sizeBytes: number,
    private readonly maxKept: number,
  ) {}

  take(): Buffer {
    return this.free.pop() ?? Buffer.allocUnsafeSlow(this.sizeBytes);
  }

  /** Only when nothing (no socket, no system call) uses the buffer any more. */
  give(buffer: Buffer): void {
    if (this.free.length < this.maxKept) this.free.push(buffer);
  }
}
