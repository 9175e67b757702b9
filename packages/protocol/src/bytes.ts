import { ProtocolError } from './errors.js';

/** A 64-bit value at a place of a frame that is read by hand; above 2^53 its lowest bits are lost. */
export function readU64At(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * 0x100000000 + buffer.readUInt32BE(at + 4);
}

/** `value` below 2^53 as a 64-bit value at a place of a frame that is written by hand. */
export function writeU64At(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32BE(Math.floor(value / 0x100000000), at);
  buffer.writeUInt32BE(value >>> 0, at + 4);
}

/** Cursor over received bytes. All integers are big-endian and unsigned (spec 01 §2). Reading past the end is a ProtocolError. */
export class Reader {
  offset = 0;

  constructor(readonly buffer: Buffer) {}

  get remaining(): number {
    return this.buffer.length - this.offset;
  }

  private advance(sizeBytes: number): number {
    const at = this.offset;
    if (sizeBytes > this.buffer.length - at) {
      throw new ProtocolError(`needs ${sizeBytes} bytes at offset ${at}, ${this.buffer.length - at} left`);
    }
    this.offset = at + sizeBytes;
    return at;
  }

  u8(): number {
    return this.buffer[this.advance(1)] as number;
  }

  u16(): number {
    return this.buffer.readUInt16BE(this.advance(2));
  }

  u32(): number {
    return this.buffer.readUInt32BE(this.advance(4));
  }

  /** 64-bit value as bigint: for identifiers and masks that use all bits. */
  u64(): bigint {
    return this.buffer.readBigUInt64BE(this.advance(8));
  }

  /** 64-bit value as number: for lengths, counters and chunk ids. Above 2^53-1 it is a ProtocolError. */
  u64n(): number {
    const at = this.advance(8);
    const high = this.buffer.readUInt32BE(at);
    if (high > 0x1fffff) throw new ProtocolError(`value at offset ${at} exceeds 2^53-1`);
    return high * 0x100000000 + this.buffer.readUInt32BE(at + 4);
  }

  /** A view of the next bytes, not a copy. */
  bytes(sizeBytes: number): Buffer {
    const at = this.advance(sizeBytes);
    return this.buffer.subarray(at, at + sizeBytes);
  }

  rest(): Buffer {
    return this.bytes(this.remaining);
  }
}

/** Growing output buffer. Values out of range are a RangeError: a defect of the caller, not of the peer. */
export class Writer {
  private buffer: Buffer;
  private length = 0;

  constructor(initialSizeBytes = 128) {
    this.buffer = Buffer.allocUnsafe(initialSizeBytes);
  }

  get sizeBytes(): number {
    return this.length;
  }

  private reserve(sizeBytes: number): number {
    const at = this.length;
    const end = at + sizeBytes;
    if (end > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, this.buffer.length * 2));
      this.buffer.copy(grown, 0, 0, at);
      this.buffer = grown;
    }
    this.length = end;
    return at;
  }

  u8(value: number): void {
    const at = this.reserve(1);
    this.buffer.writeUInt8(value, at);
  }

  u16(value: number): void {
    const at = this.reserve(2);
    this.buffer.writeUInt16BE(value, at);
  }

  u32(value: number): void {
    const at = this.reserve(4);
    this.buffer.writeUInt32BE(value, at);
  }

  u64(value: bigint): void {
    const at = this.reserve(8);
    this.buffer.writeBigUInt64BE(value, at);
  }

  u64n(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an unsigned integer below 2^53: ${value}`);
    const at = this.reserve(8);
    writeU64At(this.buffer, value, at);
  }

  bytes(value: Uint8Array): void {
    const at = this.reserve(value.length);
    this.buffer.set(value, at);
  }

  /** Overwrites four bytes written before (a length or count known only afterwards). */
  patchU32(at: number, value: number): void {
    this.buffer.writeUInt32BE(value, at);
  }

  /** The bytes written so far, as a view: the writer must not be used afterwards. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.length);
  }
}
