/**
 * Frames of the data path, written by hand: the data block itself is sent from where it lies, and the encoders of the catalogue
 * would copy it. Layouts: spec 04 §4.
 */
import { CLTOCS_WRITE_DATA, CSTOCL_READ_DATA, CSTOCL_WRITE_STATUS, readU64At, writeU64At } from '@wapiti-fs/protocol';

const READ_DATA_FIELDS = 20;
const WRITE_DATA_FIELDS = 24;
const STATUS_FIELDS = 13;

/** Frame header and fields of CSTOCL_READ_DATA; `size` bytes of data follow. */
export function readDataHead(chunkId: number, block: number, offset: number, size: number, crc: number): Buffer {
  const head = Buffer.allocUnsafe(8 + READ_DATA_FIELDS);
  head.writeUInt32BE(CSTOCL_READ_DATA.type, 0);
  head.writeUInt32BE(READ_DATA_FIELDS + size, 4);
  writeU64At(head, chunkId, 8);
  head.writeUInt16BE(block, 16);
  head.writeUInt16BE(offset, 18);
  head.writeUInt32BE(size, 20);
  head.writeUInt32BE(crc, 24);
  return head;
}

export interface WriteData {
  readonly chunkId: number;
  readonly writeId: number;
  readonly block: number;
  readonly offset: number;
  readonly size: number;
  readonly crc: number;
  readonly data: Buffer;
}

/** CLTOCS_WRITE_DATA, the data as a view; undefined if the length is wrong. */
export function parseWriteData(payload: Buffer): WriteData | undefined {
  if (payload.length < WRITE_DATA_FIELDS) return undefined;
  const size = payload.readUInt32BE(16);
  if (payload.length !== WRITE_DATA_FIELDS + size) return undefined;
  return {
    chunkId: readU64At(payload, 0),
    writeId: payload.readUInt32BE(8),
    block: payload.readUInt16BE(12),
    offset: payload.readUInt16BE(14),
    size,
    crc: payload.readUInt32BE(20),
    data: payload.subarray(WRITE_DATA_FIELDS),
  };
}

/** Header of a frame whose payload was received and goes on unchanged. */
export function frameHead(type: number, payloadBytes: number): Buffer {
  const head = Buffer.allocUnsafe(8);
  head.writeUInt32BE(type, 0);
  head.writeUInt32BE(payloadBytes, 4);
  return head;
}

/** CSTOCL_WRITE_STATUS frames for several packets in one piece. */
export function writeStatuses(chunkId: number, entries: readonly { writeId: number; status: number }[]): Buffer {
  const frames = Buffer.allocUnsafe(entries.length * (8 + STATUS_FIELDS));
  let at = 0;
  for (const { writeId, status } of entries) {
    frames.writeUInt32BE(CSTOCL_WRITE_STATUS.type, at);
    frames.writeUInt32BE(STATUS_FIELDS, at + 4);
    writeU64At(frames, chunkId, at + 8);
    frames.writeUInt32BE(writeId, at + 16);
    frames.writeUInt8(status, at + 20);
    at += 8 + STATUS_FIELDS;
  }
  return frames;
}

export const WRITE_DATA_TYPE = CLTOCS_WRITE_DATA.type;
