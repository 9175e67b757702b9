/** Open chunk files, kept for a while after their last use. At most one object and descriptor per chunk. */
import type { ChunkFile } from './chunk-file.js';
import type { Folder } from './folder.js';

export interface OpenChunk {
  readonly id: number;
  readonly file: ChunkFile;
  readonly folder: Folder;
  readonly subfolder: number;
  version: number;
  users: number;
  lastUseMs: number;
  /** Removed from the store: users must stop. */
  gone: boolean;
}

export class OpenFiles {
  private readonly chunks = new Map<number, OpenChunk>();
  private readonly opening = new Map<number, Promise<OpenChunk>>();
  private readonly closing = new Set<Promise<void>>();

  /**
   * @param maxIdle descriptors kept without a user
   * @param closed called before a file is closed: flushes it
   */
  constructor(
    private readonly maxIdle: number,
    private readonly finish: (chunk: OpenChunk) => Promise<void>,
  ) {}

  /** The open chunk, one user more; undefined if it is not open. */
  reuse(id: number): OpenChunk | undefined {
    const chunk = this.chunks.get(id);
    if (chunk !== undefined) chunk.users++;
    return chunk;
  }

  peek(id: number): OpenChunk | undefined {
    return this.chunks.get(id);
  }

  /** True while the chunk is open or just being opened. */
  inUse(id: number): boolean {
    return (this.chunks.get(id)?.users ?? 0) > 0 || this.opening.has(id);
  }

  /** Opens once, however many ask at the same time. */
  async open(id: number, open: () => Promise<OpenChunk>): Promise<OpenChunk> {
    let pending = this.opening.get(id);
    if (pending === undefined) {
      pending = open();
      this.opening.set(id, pending);
      const done = (): boolean => this.opening.delete(id);
      pending.then((chunk) => {
        done();
        this.chunks.set(id, chunk);
      }, done);
    }
    const chunk = await pending;
    chunk.users++;
    return chunk;
  }

  /** Waits until nobody is opening the chunk any more. */
  async settled(id: number): Promise<void> {
    await this.opening.get(id)?.catch(() => undefined);
  }

  add(chunk: OpenChunk): void {
    this.chunks.set(chunk.id, chunk);
  }

  release(chunk: OpenChunk, nowMs: number): void {
    chunk.users--;
    chunk.lastUseMs = nowMs;
    if (chunk.users === 0 && chunk.gone) this.close(chunk);
    else if (this.chunks.size > this.maxIdle) this.sweep(nowMs, 0);
  }

  /** The chunk was removed: closes it now or with its last user. */
  forget(id: number): void {
    const chunk = this.chunks.get(id);
    if (chunk === undefined) return;
    this.chunks.delete(id);
    chunk.gone = true;
    if (chunk.users === 0) this.close(chunk);
  }

  /** Closes files not used for `idleMs`. */
  sweep(nowMs: number, idleMs: number): void {
    for (const chunk of this.chunks.values()) {
      if (chunk.users > 0 || nowMs - chunk.lastUseMs < idleMs) continue;
      this.chunks.delete(chunk.id);
      this.close(chunk);
    }
  }

  *all(): Generator<OpenChunk, void, undefined> {
    yield* this.chunks.values();
  }

  private close(chunk: OpenChunk): void {
    const work = this.finish(chunk)
      .then(() => chunk.file.close())
      .catch(() => undefined)
      .finally(() => this.closing.delete(work));
    this.closing.add(work);
  }

  /** Closes everything; users must have gone. */
  async closeAll(): Promise<void> {
    for (const chunk of this.chunks.values()) this.close(chunk);
    this.chunks.clear();
    await Promise.all(this.closing);
  }
}
