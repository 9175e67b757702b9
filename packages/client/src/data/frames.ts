/**
 * Frames of the data path, written and read by hand: the blocks themselves are sent from where they lie, without an object per
 * packet. Layouts: spec 04 §4.
 */
import {
  CLTOCS_READ,
  CLTOCS_WRITE_DATA,
  CSTOCL_READ_DATA,
  DATA_PROTOCOL,
  HEADER_SIZE_BYTES,
  ProtocolError,
  readU64At,
  writeU64At,
} from '@wapiti-fs/protocol';

export const READ_DATA_HEAD_BYTES = 20;
const WRITE_DATA_FIELDS_BYTES = 24;
const READ_FIELDS_BYTES = 21;
export const WRITE_DATA_HEAD_BYTES = HEADER_SIZE_BYTES + WRITE_DATA_FIELDS_BYTES;

/** Frame header and fields of CLTOCS_WRITE_DATA into `head` (32 bytes); `sizeBytes` bytes of data follow. */
export function writeDataHead(
  head: Buffer,
  chunkId: number,
  writeId: number,
  blocknum: number,
  offset: number,
  sizeBytes: number,
  crc: number,
): void {
  head.writeUInt32BE(CLTOCS_WRITE_DATA.type, 0);
  head.writeUInt32BE(WRITE_DATA_FIELDS_BYTES + sizeBytes, 4);
  writeU64At(head, chunkId, 8);
  head.writeUInt32BE(writeId, 16);
  head.writeUInt16BE(blocknum, 20);
  head.writeUInt16BE(offset, 22);
  head.writeUInt32BE(sizeBytes, 24);
  head.writeUInt32BE(crc, 28);
}

export function readFrame(chunkId: number, version: number, offset: number, sizeBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_SIZE_BYTES + READ_FIELDS_BYTES);
  frame.writeUInt32BE(CLTOCS_READ.type, 0);
  frame.writeUInt32BE(READ_FIELDS_BYTES, 4);
  frame.writeUInt8(DATA_PROTOCOL, 8);
  writeU64At(frame, chunkId, 9);
  frame.writeUInt32BE(version, 17);
  frame.writeUInt32BE(offset, 21);
  frame.writeUInt32BE(sizeBytes, 25);
  return frame;
}

/** Throws unless the payload of a READ_DATA continues chunk `chunkId` at `offset`; tells the size of its data. */
export function checkReadData(payload: Buffer, chunkId: number, offset: number): number {
  const { name } = CSTOCL_READ_DATA;
  if (payload.length < READ_DATA_HEAD_BYTES) throw new ProtocolError(`${payload.length} bytes`, name);
  const size = payload.readUInt32BE(12);
  if (size !== payload.length - READ_DATA_HEAD_BYTES)
    throw new ProtocolError(`size ${size} with ${payload.length - READ_DATA_HEAD_BYTES} bytes of data`, name, 'size');
  const got = readU64At(payload, 0);
  if (got !== chunkId) throw new ProtocolError(`${got}, asked for ${chunkId}`, name, 'chunkId');
  const position = payload.readUInt16BE(8) * 65536 + payload.readUInt16BE(10);
  if (position !== offset) throw new ProtocolError(`data of ${position}, expected ${offset}`, name, 'blocknum');
  return size;
}
