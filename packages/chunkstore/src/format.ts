/** The chunk file of spec 05 §3: header, CRC table, whole blocks of 64 KiB; block count is told by the file size. */
import { ChunkError, StoreStatus } from './errors.js';

export const BLOCK_SIZE_BYTES = 65536;
export const BLOCKS_PER_CHUNK = 1024;
export const CHUNK_SIZE_BYTES = BLOCK_SIZE_BYTES * BLOCKS_PER_CHUNK;
export const CRC_TABLE_SIZE_BYTES = 4 * BLOCKS_PER_CHUNK;
/** Header size of every file written by 2.x and later. */
export const HEADER_SIZE_BYTES = 4096;
/** Header size of files written by 1.x: still read, written and versioned in place. */
export const OLD_HEADER_SIZE_BYTES = 1024;
/** CRC32 of 64 KiB of zeros. */
export const EMPTY_BLOCK_CRC = 0xd7978eeb;
export const SUBFOLDERS = 256;

const VERSION_OFFSET = 16;
const SIGNATURES = ['MFSC 1.0', 'MFSC 1.1'];
const NAME = /^chunk_([0-9A-F]{16})_([0-9A-F]{8})\.mfs$/;

export function chunkFileName(id: number, version: number): string {
  return `chunk_${hex(id, 16)}_${hex(version, 8)}.mfs`;
}

export function subfolderName(subfolder: number): string {
  return hex(subfolder, 2);
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}

/** Id and version told by a file name; undefined for anything that is not a chunk file (lower-case digits included). */
export function parseChunkFileName(name: string): { id: number; version: number } | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const id = Number.parseInt(match[1] as string, 16);
  if (id === 0 || !Number.isSafeInteger(id)) return undefined;
  return { id, version: Number.parseInt(match[2] as string, 16) };
}

/** Header and blocks told by the size of a chunk file; undefined if no chunk file can have this size (spec 05 §3). */
export function layoutOfSize(sizeBytes: number): { headerSize: number; blocks: number } | undefined {
  const headerSize = (sizeBytes - CRC_TABLE_SIZE_BYTES) % BLOCK_SIZE_BYTES;
  if (headerSize !== HEADER_SIZE_BYTES && headerSize !== OLD_HEADER_SIZE_BYTES) return undefined;
  const blocks = (sizeBytes - headerSize - CRC_TABLE_SIZE_BYTES) / BLOCK_SIZE_BYTES;
  return blocks <= BLOCKS_PER_CHUNK ? { headerSize, blocks } : undefined;
}

export function fileSize(headerSize: number, blocks: number): number {
  return blockOffset(headerSize, blocks);
}

export function blockOffset(headerSize: number, block: number): number {
  return headerSize + CRC_TABLE_SIZE_BYTES + block * BLOCK_SIZE_BYTES;
}

/** Header and all-zero CRC table of a fresh chunk: 8192 bytes. */
export function encodeNewFile(id: number, version: number): Buffer {
  const file = Buffer.alloc(HEADER_SIZE_BYTES + CRC_TABLE_SIZE_BYTES);
  file.write('MFSC 1.0', 0, 'latin1');
  file.writeBigUInt64BE(BigInt(id), 8);
  file.writeUInt32BE(version, VERSION_OFFSET);
  return file;
}

/** Where and what to write for a new version. */
export function encodeVersion(version: number): { offset: number; bytes: Buffer } {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(version);
  return { offset: VERSION_OFFSET, bytes };
}

export function versionOf(header: Buffer): number {
  return header.readUInt32BE(VERSION_OFFSET);
}

/**
 * Compares the first 20 bytes of a chunk file with what its name tells; `version` undefined: not compared
 * (set version ignores it, spec 05 §4.4). A difference is a ChunkError IO.
 */
export function checkHeader(header: Buffer, id: number, version: number | undefined, path: string): void {
  const signature = header.toString('latin1', 0, 8);
  if (!SIGNATURES.includes(signature)) {
    throw new ChunkError(StoreStatus.IO, `${path}: wrong signature in header`, { damaged: true });
  }
  const foundId = header.readBigUInt64BE(8);
  const foundVersion = versionOf(header);
  if (foundId !== BigInt(id) || (version !== undefined && foundVersion !== version)) {
    throw new ChunkError(
      StoreStatus.IO,
      `${path}: wrong id/version in header (${foundId.toString(16)}_${foundVersion.toString(16)})`,
      { damaged: true },
    );
  }
}
