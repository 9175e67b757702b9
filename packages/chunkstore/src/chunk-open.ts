/** Opening and creating chunk files, with all that is checked of them before their first use. */
import * as fs from 'node:fs';

import { CrcTable } from './crc-table.js';
import { ChunkError, creationError, errnoOf, ioError, StoreStatus } from './errors.js';
import {
  checkHeader,
  CRC_TABLE_SIZE_BYTES,
  encodeNewFile,
  fileSize,
  HEADER_SIZE_BYTES,
  layoutOfSize,
} from './format.js';
import { readExactly, type StoreFs, writeFully } from './store-fs.js';

const PAGE_SIZE_BYTES = 4096;
const BLOCK_START_BYTES = HEADER_SIZE_BYTES + CRC_TABLE_SIZE_BYTES;
/** Signature, id and version; zeros follow. A header of 1024 bytes has CRCs in what would be the rest of this one. */
const HEADER_USED_BYTES = 20;

export interface OpenedChunkFile {
  readonly fd: number;
  readonly layout: { readonly headerSize: number; readonly blocks: number };
  readonly crcs: CrcTable;
}

/** See {@link ChunkFile.open}. */
export async function openChunkFile(
  io: StoreFs,
  path: string,
  id: number,
  version: number | undefined,
): Promise<OpenedChunkFile> {
  let fd: number;
  try {
    fd = await io.open(path, fs.constants.O_RDWR);
  } catch (cause) {
    if (errnoOf(cause) === 'EROFS') fd = await io.open(path, fs.constants.O_RDONLY);
    else if (errnoOf(cause) === 'ENOENT')
      throw new ChunkError(StoreStatus.NOCHUNK, `${path}: file has vanished`, { cause, damaged: true });
    else throw ioError(path, cause);
  }
  try {
    const sizeBytes = await completeLastBlock(io, fd, await io.fileSize(fd));
    const layout = layoutOfSize(sizeBytes);
    if (layout === undefined)
      throw new ChunkError(StoreStatus.NOCHUNK, `${path}: wrong file size ${sizeBytes}`, { damaged: true });
    const head = Buffer.allocUnsafe(layout.headerSize + CRC_TABLE_SIZE_BYTES);
    await readExactly(io, fd, head, 0, head.length, 0);
    checkHeader(head, id, version, path);
    return { fd, layout, crcs: new CrcTable(head.subarray(layout.headerSize), layout.blocks) };
  } catch (cause) {
    await io.close(fd).catch(() => undefined);
    throw ioError(path, cause);
  }
}

/** See {@link ChunkFile.create}. */
export async function createChunkFile(
  io: StoreFs,
  path: string,
  id: number,
  version: number,
): Promise<OpenedChunkFile> {
  const { O_RDWR, O_CREAT, O_EXCL } = fs.constants;
  let fd: number;
  try {
    fd = await io.open(path, O_RDWR | O_CREAT | O_EXCL);
  } catch (cause) {
    throw creationError(path, cause);
  }
  try {
    const file = encodeNewFile(id, version);
    await writeFully(io, fd, file, 0, file.length, 0);
    const crcs = new CrcTable(file.subarray(HEADER_SIZE_BYTES), 0);
    return { fd, layout: { headerSize: HEADER_SIZE_BYTES, blocks: 0 }, crcs };
  } catch (cause) {
    await io.close(fd).catch(() => undefined);
    await io.unlink(path).catch(() => undefined);
    throw creationError(path, cause);
  }
}

/**
 * A process that is killed while it appends a block leaves a file that ends at some page of the block: the kernel stops between
 * two pages. The blocks before it are good, and have been confirmed. Extends the file to a whole last block. No CRC is computed,
 * so that nothing becomes valid by it: that block, never confirmed, is unreadable until it is written again, instead of the
 * whole chunk.
 *
 * @returns the size of the file now; an impossible size that has no such reason stays as it is
 */
async function completeLastBlock(io: StoreFs, fd: number, sizeBytes: number): Promise<number> {
  if (layoutOfSize(sizeBytes) !== undefined) return sizeBytes;
  if (sizeBytes < BLOCK_START_BYTES || sizeBytes % PAGE_SIZE_BYTES !== 0) return sizeBytes;
  const header = Buffer.allocUnsafe(HEADER_SIZE_BYTES);
  await readExactly(io, fd, header, 0, header.length, 0);
  for (let at = HEADER_USED_BYTES; at < header.length; at++) if (header[at] !== 0) return sizeBytes;
  let blocks = 0;
  while (fileSize(HEADER_SIZE_BYTES, blocks) < sizeBytes) blocks++;
  const completeBytes = fileSize(HEADER_SIZE_BYTES, blocks);
  if (layoutOfSize(completeBytes) === undefined) return sizeBytes;
  await io.truncate(fd, completeBytes);
  return completeBytes;
}
