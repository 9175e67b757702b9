/**
 * Data of one chunk on their way to the chunkservers: a chain of blocks in the order of writing.
 *
 * Invariants: a block never crosses a 64 KiB border; blocks that were sent stand before those that were not; a block stays
 * until it is acknowledged; data that overwrite a block already sent become a new block behind it, so that sending in order
 * (and sending again from the first unacknowledged one) always ends with the newest data.
 */
import { MFSBLOCKSIZE } from '@wapiti-fs/protocol';

export class Block {
  /** 0: not sent (in this session). */
  writeId = 0;

  /** `buffer`: the whole 64 KiB, of which the bytes from `from` to `to` are data. */
  constructor(
    readonly blocknum: number,
    public from: number,
    public to: number,
    readonly buffer: Buffer,
  ) {}

  get full(): boolean {
    return this.from === 0 && this.to === MFSBLOCKSIZE;
  }

  get data(): Buffer {
    return this.full ? this.buffer : this.buffer.subarray(this.from, this.to);
  }

  /** Puts data over and beside what is there; they touch or overlap. */
  merge(from: number, data: Buffer): void {
    data.copy(this.buffer, from);
    this.from = Math.min(this.from, from);
    this.to = Math.max(this.to, from + data.length);
  }
}

/** Memory of blocks, used again: large buffers made anew for all data cost more than copying them. */
export class BlockPool {
  private readonly spare: Buffer[] = [];

  /** Keeps at most `capacity` buffers that nobody uses. */
  constructor(private readonly capacity: number) {}

  take(): Buffer {
    return this.spare.pop() ?? Buffer.allocUnsafeSlow(MFSBLOCKSIZE);
  }

  give(buffer: Buffer): void {
    if (this.spare.length < this.capacity) this.spare.push(buffer);
  }
}

/** Where data overlay what chunkservers have: `at` in the chunk. */
export interface Patch {
  readonly at: number;
  readonly data: Buffer;
}

export class ChunkBlocks {
  private readonly chain: Block[] = [];
  private sentCount = 0;
  /** The newest block of each number. */
  private readonly newest = new Map<number, Block>();

  constructor(private readonly pool: BlockPool) {}

  get size(): number {
    return this.chain.length;
  }

  get unsent(): number {
    return this.chain.length - this.sentCount;
  }

  /** Sent and not acknowledged. */
  get outstanding(): number {
    return this.sentCount;
  }

  /** Takes a copy of data within one block; true when that made a new block in the chain. */
  add(blocknum: number, from: number, data: Buffer): boolean {
    const to = from + data.length;
    const last = this.newest.get(blocknum);
    if (last !== undefined && last.writeId === 0 && from <= last.to && to >= last.from) {
      last.merge(from, data);
      return false;
    }
    const block = new Block(blocknum, from, to, this.pool.take());
    data.copy(block.buffer, from);
    this.chain.push(block);
    this.newest.set(blocknum, block);
    return true;
  }

  /** The next block to send. */
  next(): Block | undefined {
    return this.chain[this.sentCount];
  }

  /** `next()` was sent. */
  sent(writeId: number): void {
    const block = this.chain[this.sentCount] as Block;
    block.writeId = writeId;
    this.sentCount++;
  }

  /**
   * Takes an acknowledged block out of the chain; its memory is not to be used any more. Undefined when no such block was sent, or when older data of the same place are
   * not acknowledged yet: they would be sent once more, over newer ones.
   */
  acknowledge(writeId: number): Block | undefined {
    // Statuses come in order, so that this is the first one as a rule.
    for (let i = 0; i < this.sentCount; i++) {
      const block = this.chain[i] as Block;
      if (block.writeId !== writeId) continue;
      for (let older = 0; older < i; older++) {
        if ((this.chain[older] as Block).blocknum === block.blocknum) return undefined;
      }
      if (i === 0) this.chain.shift();
      else this.chain.splice(i, 1);
      this.sentCount--;
      if (this.newest.get(block.blocknum) === block) this.newest.delete(block.blocknum);
      this.pool.give(block.buffer);
      return block;
    }
    return undefined;
  }

  /** The session is over: whatever is not acknowledged will be sent again. */
  unsend(): void {
    for (let i = 0; i < this.sentCount; i++) (this.chain[i] as Block).writeId = 0;
    this.sentCount = 0;
  }

  /** Gives all blocks up; tells how many there were. */
  clear(): number {
    const count = this.chain.length;
    this.chain.length = 0;
    this.sentCount = 0;
    this.newest.clear();
    return count;
  }

  /** What is in the chain of a range of the chunk, oldest first. */
  patches(from: number, to: number, into: Patch[], shift: number): void {
    for (const block of this.chain) {
      const start = block.blocknum * MFSBLOCKSIZE;
      const first = Math.max(from, start + block.from);
      const end = Math.min(to, start + block.to);
      if (first >= end) continue;
      into.push({ at: shift + first, data: block.buffer.subarray(first - start, end - start) });
    }
  }
}
