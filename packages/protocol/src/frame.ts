import { ProtocolError } from './errors.js';
import { HEADER_SIZE_BYTES } from './message.js';

/** One received packet. `payload` may be a view of the socket's buffer: keep a copy, not the view, beyond the current turn. */
export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

/** Largest accepted payload length, for all or for each message type (spec 01 §2.1). */
export type LengthLimit = number | ((type: number) => number);

/**
 * Streaming parser of `u32 type, u32 length, payload` frames. A payload that arrives whole in one chunk is handed out as a
 * view without copying; one that arrives in pieces is gathered once. Memory is bounded by the bytes that really arrived.
 */
export class FrameParser {
  private pieces: Buffer[] = [];
  private bufferedBytes = 0;

  constructor(private readonly limit: LengthLimit) {}

  /** Adds received bytes and yields the frames they complete. A length above the limit is a ProtocolError. */
  *push(chunk: Buffer): Generator<Frame, void, undefined> {
    this.pieces.push(chunk);
    this.bufferedBytes += chunk.length;
    while (this.bufferedBytes >= HEADER_SIZE_BYTES) {
      const head = this.peek(HEADER_SIZE_BYTES);
      const type = head.readUInt32BE(0);
      const length = head.readUInt32BE(4);
      const max = typeof this.limit === 'number' ? this.limit : this.limit(type);
      if (length > max) throw new ProtocolError(`packet too long (${length}/${max}); command:${type}`);
      if (this.bufferedBytes < HEADER_SIZE_BYTES + length) return;
      const frame = this.take(HEADER_SIZE_BYTES + length);
      yield { type, payload: frame.subarray(HEADER_SIZE_BYTES) };
    }
  }

  private peek(sizeBytes: number): Buffer {
    const first = this.pieces[0] as Buffer;
    if (first.length >= sizeBytes) return first;
    this.pieces = [Buffer.concat(this.pieces, this.bufferedBytes)];
    return this.pieces[0] as Buffer;
  }

  private take(sizeBytes: number): Buffer {
    const joined = this.peek(sizeBytes);
    this.bufferedBytes -= sizeBytes;
    if (joined.length === sizeBytes) this.pieces.shift();
    else this.pieces[0] = joined.subarray(sizeBytes);
    return joined.subarray(0, sizeBytes);
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
      const max = typeof this.limit === 'number' ? this.limit : this.limit(type);
      if (length > max) throw new ProtocolError(`packet too long (${length}/${max}); command:${type}`);
      const at = this.start + HEADER_SIZE_BYTES;
      if (this.end < at + length) return;
      this.start = at + length;
      yield { type, payload: this.buffer.subarray(at, at + length) };
    }
  }
}
