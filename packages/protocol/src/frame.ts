import { ProtocolError } from './errors.js';
import { HEADER_SIZE_BYTES } from './message.js';

/** One received packet. `payload` may be a view of the socket's buffer: keep a copy, not the view, beyond the current turn. */
export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

/** Largest accepted payload length, for all or for each message type (spec 01 §2.1). */
export type LengthLimit = number | ((type: number) => number);

function checkLength(limit: LengthLimit, type: number, length: number): void {
  const max = typeof limit === 'number' ? limit : limit(type);
  if (length > max) throw new ProtocolError(`packet too long (${length}/${max}); command:${type}`);
}

/** A payload up to this size gets its memory at once; for a longer one memory grows with what has arrived. */
const GATHER_AT_ONCE_BYTES = 128 * 1024;

/**
 * Streaming parser of `u32 type, u32 length, payload` frames. A payload that arrives whole in one chunk is handed out as a
 * view without copying; one that arrives in pieces, however small, is gathered once. Memory is bounded by twice the bytes that
 * really arrived, or {@link GATHER_AT_ONCE_BYTES} if that is more.
 */
export class FrameParser {
  private readonly head = Buffer.alloc(HEADER_SIZE_BYTES);
  private headFilled = 0;
  /** Payload that did not arrive whole. */
  private gathered: Buffer | undefined;
  private gatheredBytes = 0;
  private type = 0;
  private length = 0;

  constructor(private readonly limit: LengthLimit) {}

  /**
   * Takes received bytes and yields the frames they complete. A length above the limit is a ProtocolError. Each result must be
   * iterated to its end before that of the next call.
   */
  *push(chunk: Buffer): Generator<Frame, void, undefined> {
    let at = 0;
    while (at < chunk.length) {
      if (this.gathered !== undefined) {
        at += this.gather(chunk, at);
        if (this.gatheredBytes < this.length) return;
        const payload = this.gathered.subarray(0, this.length);
        this.gathered = undefined;
        this.headFilled = 0;
        yield { type: this.type, payload };
        continue;
      }
      at += this.readHead(chunk, at);
      if (this.headFilled < HEADER_SIZE_BYTES) return;
      if (chunk.length - at < this.length) {
        this.startGathering(chunk.length - at);
        continue;
      }
      const payload = chunk.subarray(at, at + this.length);
      at += this.length;
      this.headFilled = 0;
      yield { type: this.type, payload };
    }
  }

  /** Bytes of the header taken from the chunk. */
  private readHead(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.head, this.headFilled, at);
    this.headFilled += taken;
    if (this.headFilled < HEADER_SIZE_BYTES) return taken;
    this.type = this.head.readUInt32BE(0);
    this.length = this.head.readUInt32BE(4);
    checkLength(this.limit, this.type, this.length);
    return taken;
  }

  private startGathering(availableBytes: number): void {
    this.gathered = Buffer.allocUnsafe(Math.min(this.length, Math.max(GATHER_AT_ONCE_BYTES, 2 * availableBytes)));
    this.gatheredBytes = 0;
  }

  /** Bytes of the payload taken from the chunk. */
  private gather(chunk: Buffer, at: number): number {
    const gathered = this.gathered as Buffer;
    const sizeBytes = Math.min(chunk.length - at, this.length - this.gatheredBytes);
    const filled = this.gatheredBytes + sizeBytes;
    if (filled > gathered.length) {
      this.gathered = Buffer.allocUnsafe(Math.min(this.length, 2 * filled));
      gathered.copy(this.gathered, 0, 0, this.gatheredBytes);
    }
    chunk.copy(this.gathered as Buffer, this.gatheredBytes, at, at + sizeBytes);
    this.gatheredBytes = filled;
    return sizeBytes;
  }
}

/** Room for the next read that is worth a system call. */
const MIN_ROOM_BYTES = 65536;

/**
 * The same parser for a reader that gives its own memory to the kernel: bytes are received into {@link FrameBuffer.room}, and
 * frames are handed out as views of it. Nothing is copied but the beginning of a frame that is not there as a whole, and the memory
 * is used again: a payload is valid only until the next frame is asked for.
 */
export class FrameBuffer {
  private buffer: Buffer;
  private start = 0;
  private end = 0;

  constructor(
    private readonly limit: LengthLimit,
    sizeBytes: number,
  ) {
    this.buffer = Buffer.allocUnsafeSlow(Math.max(sizeBytes, 2 * MIN_ROOM_BYTES));
  }

  /** Where the next bytes are to be put. */
  room(): Buffer {
    if (this.start === this.end) this.start = this.end = 0;
    if (this.buffer.length - this.end < MIN_ROOM_BYTES) {
      const waiting = this.buffer.subarray(this.start, this.end);
      // A frame longer than the buffer: memory grows with the bytes that really arrive.
      if (this.buffer.length - waiting.length < MIN_ROOM_BYTES)
        this.buffer = Buffer.allocUnsafeSlow(2 * this.buffer.length);
      waiting.copy(this.buffer);
      this.start = 0;
      this.end = waiting.length;
    }
    return this.buffer.subarray(this.end);
  }

  /** `sizeBytes` bytes were put at the begin of the room: yields the frames they complete, as `FrameParser.push`. */
  received(sizeBytes: number): Generator<Frame, void, undefined> {
    this.end += sizeBytes;
    return this.frames();
  }

  private *frames(): Generator<Frame, void, undefined> {
    while (this.end - this.start >= HEADER_SIZE_BYTES) {
      const type = this.buffer.readUInt32BE(this.start);
      const length = this.buffer.readUInt32BE(this.start + 4);
      checkLength(this.limit, type, length);
      const at = this.start + HEADER_SIZE_BYTES;
      if (this.end < at + length) return;
      this.start = at + length;
      yield { type, payload: this.buffer.subarray(at, at + length) };
    }
  }
}
