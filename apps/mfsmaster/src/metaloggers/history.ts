/** Recent changes in memory, ready to be sent (spec 06 §4.2). */
import { HEADER_SIZE_BYTES, MATOAN_METACHANGES_LOG, writeU64At } from '@wapiti-fs/protocol';

/** Changes per block; memory is given back block by block. */
const BLOCK_CHANGES = 5000;
const FIRST_BLOCK_BYTES = 64 * 1024;
/** Above this the oldest blocks go early: a metalogger away for so long downloads anew. */
const MAX_HISTORY_BYTES = 512 * 1024 * 1024;
/** Longest text of one change, with its NUL. */
const MAX_TEXT_BYTES = 200_000;
/** Sub-type 0xFF and the number, before the text. */
const PREFIX_BYTES = 9;
const NO_BYTES = Buffer.alloc(0);

/** Up to 5000 changes as one run of MATOAN_METACHANGES_LOG frames: a range of changes is a view, sent without copying. */
class Block {
  private bytes = Buffer.allocUnsafe(FIRST_BLOCK_BYTES);
  /** Where the frame of change `first + i` begins; the entry behind the last is the end of all. */
  private readonly offsets = new Uint32Array(BLOCK_CHANGES + 1);
  count = 0;

  constructor(
    readonly first: number,
    readonly createdMs: number,
  ) {}

  get full(): boolean {
    return this.count === BLOCK_CHANGES;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  append(version: number, text: string): void {
    const start = this.offsets[this.count] as number;
    const textBytes = Math.min(text.length, MAX_TEXT_BYTES - 1);
    const payloadBytes = PREFIX_BYTES + textBytes + 1;
    const end = start + HEADER_SIZE_BYTES + payloadBytes;
    this.reserve(end);
    const { bytes } = this;
    bytes.writeUInt32BE(MATOAN_METACHANGES_LOG.type, start);
    bytes.writeUInt32BE(payloadBytes, start + 4);
    bytes[start + 8] = 0xff;
    writeU64At(bytes, version, start + 9);
    bytes.write(text, start + 17, textBytes, 'latin1'); // names are escaped: all of it is ASCII
    bytes[end - 1] = 0;
    this.offsets[++this.count] = end;
  }

  /** Frames of the changes `from` to before `to`, both inside the block. */
  frames(from: number, to: number): Buffer {
    return this.bytes.subarray(this.offsets[from - this.first], this.offsets[to - this.first]);
  }

  /** Views given out before stay as they are: they belong to the buffer that was. */
  private reserve(sizeBytes: number): void {
    if (sizeBytes <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(sizeBytes, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.offsets[this.count]);
    this.bytes = larger;
  }
}

export class ChangeHistory {
  private readonly blocks: Block[] = [];
  private next: number;

  /**
   * @param nextVersion number of the next change to come
   * @param preserveMs changes are remembered at least so long; 0: only until they were sent
   */
  constructor(
    nextVersion: number,
    public preserveMs: number,
    private readonly monotonicMs: () => number,
    private readonly maxBytes = MAX_HISTORY_BYTES,
  ) {
    this.next = nextVersion;
  }

  /** The number of the next change. */
  get nextVersion(): number {
    return this.next;
  }

  /** The oldest change that can still be sent; the next one to come when there is none. */
  get oldestVersion(): number {
    return this.blocks[0]?.first ?? this.next;
  }

  /** @param text the change without its number, ASCII */
  append(version: number, text: string): void {
    if (version !== this.next) throw new RangeError(`change ${version} after ${this.next - 1}`);
    let block = this.blocks[this.blocks.length - 1];
    if (block === undefined || block.full) {
      block = new Block(version, this.monotonicMs());
      this.blocks.push(block);
      this.expire();
    }
    block.append(version, text);
    this.next++;
  }

  /** Frames of up to `maxChanges` remembered changes from `from` on: as many as lie in one block. Empty: none. */
  framesFrom(from: number, maxChanges: number): { readonly frames: Buffer; readonly next: number } {
    // Few blocks, and almost always the last one is meant.
    for (let i = this.blocks.length - 1; i >= 0; i--) {
      const block = this.blocks[i] as Block;
      if (block.first > from) continue;
      const to = Math.min(from + maxChanges, block.first + block.count);
      return to > from ? { frames: block.frames(from, to), next: to } : { frames: NO_BYTES, next: from };
    }
    return { frames: NO_BYTES, next: from };
  }

  /** Everything was sent: with a `preserveMs` of 0 nothing is kept. */
  sent(): void {
    if (this.preserveMs === 0) this.blocks.length = 0;
  }

  /** Looked at when a block begins: the oldest goes when the one behind it is old enough itself. */
  private expire(): void {
    const limitMs = this.monotonicMs() - this.preserveMs;
    let sizeBytes = this.blocks.reduce((sum, block) => sum + block.sizeBytes, 0);
    for (let second = this.blocks[1]; second !== undefined; second = this.blocks[1]) {
      if (second.createdMs >= limitMs && sizeBytes <= this.maxBytes) return;
      sizeBytes -= this.blocks.shift()?.sizeBytes ?? 0;
    }
  }
}
