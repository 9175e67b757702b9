/** Requests that wait for a locked or busy chunk, in the order of their arrival (spec 02 §8.1, 09 §10.6). */
import type { ClientConnection } from './connection.js';

/** Longest wait; then the status that queued the request is the answer. */
const LIMIT_MS = 30_000;

interface Waiting {
  readonly client: ClientConnection;
  readonly sinceMs: number;
  /** Starts the request anew; it may queue itself again. */
  readonly retry: () => void;
  readonly giveUp: () => void;
}

export class ChunkQueue {
  private readonly waiting = new Map<number, Waiting[]>();

  constructor(
    private readonly monotonicMs: () => number,
    /** The chunk is locked or an operation runs on it. */
    private readonly isTaken: (chunkId: number) => boolean,
  ) {}

  get length(): number {
    let count = 0;
    for (const list of this.waiting.values()) count += list.length;
    return count;
  }

  add(chunkId: number, client: ClientConnection, retry: () => void, giveUp: () => void): void {
    const list = this.waiting.get(chunkId);
    const entry = { client, sinceMs: this.monotonicMs(), retry, giveUp };
    if (list === undefined) this.waiting.set(chunkId, [entry]);
    else list.push(entry);
  }

  /** The chunk may be free: runs those who wait until one of them takes it again. */
  run(chunkId: number): void {
    const list = this.waiting.get(chunkId);
    if (list === undefined || this.isTaken(chunkId)) return;
    this.waiting.delete(chunkId);
    while (list.length > 0 && !this.isTaken(chunkId)) list.shift()?.retry();
    if (list.length === 0) return;
    // those not reached stay before those who queued anew
    this.waiting.set(chunkId, [...list, ...(this.waiting.get(chunkId) ?? [])]);
  }

  /** Once a second: locks that have timed out, requests that have waited too long. */
  tick(): void {
    const now = this.monotonicMs();
    for (const [chunkId, list] of [...this.waiting]) {
      while (list[0] !== undefined && list[0].sinceMs + LIMIT_MS <= now) list.shift()?.giveUp();
      if (list.length === 0) this.waiting.delete(chunkId);
      else this.run(chunkId);
    }
  }

  drop(client: ClientConnection): void {
    for (const [chunkId, list] of [...this.waiting]) {
      const left = list.filter((one) => one.client !== client);
      if (left.length === 0) this.waiting.delete(chunkId);
      else this.waiting.set(chunkId, left);
    }
  }
}
