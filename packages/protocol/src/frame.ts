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
