/** Opening and creating chunk files, with all that is checked of them before their first use. */
import * as fs from 'node:fs';
import { crc32 } from 'node:zlib';

import { BufferPool } from './buffer-pool.js';
import { CrcTable } from './crc-table.js';
import { ChunkError, creationError, errnoOf, ioError, StoreStatus } from './errors.js';
import {
  BLOCK_SIZE_BYTES,
  blockOffset,
  checkHeader,
  CRC_TABLE_SIZE_BYTES,
  encodeNewFile,
  encodeVersion,
  fileSize,
  HEADER_SIZE_BYTES,
  layoutOfSize,
  OLD_HEADER_SIZE_BYTES,
  versionOf,
} from './format.js';
import { readExactly, type StoreFs, writeFully } from './store-fs.js';
import { eraseNote, notedBlocks, WriteNote } from './write-note.js';

const PAGE_SIZE_BYTES = 4096;
const BLOCK_START_BYTES = HEADER_SIZE_BYTES + CRC_TABLE_SIZE_BYTES;

/** Buffers for single blocks. */
export const scratch = new BufferPool(BLOCK_SIZE_BYTES, 64);

export interface OpenedChunkFile {
  readonly fd: number;
  readonly layout: { readonly headerSize: number; readonly blocks: number };
  readonly crcs: CrcTable;
  readonly note: WriteNote;
  readonly mended: readonly number[];
}

/** See {@link ChunkFile.open}. */
export async function openChunkFile(
  io: StoreFs,
  path: string,
  id: number,
  version: number | undefined,
  bootId: Buffer | undefined,
): Promise<OpenedChunkFile> {
  let fd: number;
  let readOnly = false;
  try {
    fd = await io.open(path, fs.constants.O_RDWR);
  } catch (cause) {
    if (errnoOf(cause) === 'EROFS') {
      fd = await io.open(path, fs.constants.O_RDONLY);
      readOnly = true;
    } else if (errnoOf(cause) === 'ENOENT')
      throw new ChunkError(StoreStatus.NOCHUNK, `${path}: file has vanished`, { cause, damaged: true });
    else throw ioError(path, cause);
  }
  try {
    const foundBytes = await io.fileSize(fd);
    const sizeBytes = readOnly ? foundBytes : await completeLastBlock(io, fd, foundBytes);
    const layout = layoutOfSize(sizeBytes);
    if (layout === undefined)
      throw new ChunkError(StoreStatus.NOCHUNK, `${path}: wrong file size ${sizeBytes}`, { damaged: true });
    const head = Buffer.allocUnsafe(layout.headerSize + CRC_TABLE_SIZE_BYTES);
    await readExactly(io, fd, head, 0, head.length, 0);
    checkHeader(head, id, undefined, path);
    if (!readOnly && version !== undefined) await completeVersion(io, fd, head, version);
    checkHeader(head, id, version, path);
    const crcs = new CrcTable(head.subarray(layout.headerSize), layout.blocks);
    const noted = readOnly ? undefined : notedBlocks(head, bootId);
    const mended: number[] = [];
    if (noted !== undefined) {
      for (const block of noted) {
        if (block < layout.blocks && (await mendBlock(io, fd, layout.headerSize, crcs, block))) mended.push(block);
      }
      await crcs.flush(io, fd, layout.headerSize);
      await eraseNote(io, fd);
    }
    return { fd, layout, crcs, note: new WriteNote(bootId), mended };
  } catch (cause) {
    await io.close(fd).catch(() => undefined);
    throw ioError(path, cause);
  }
}

/** A process that is killed between the two steps of a version change leaves the new version in the name only. */
async function completeVersion(io: StoreFs, fd: number, head: Buffer, version: number): Promise<void> {
  if (versionOf(head) >= version) return;
  const { bytes, offset } = encodeVersion(version);
  await writeFully(io, fd, bytes, 0, bytes.length, offset);
  bytes.copy(head, offset);
}

/**
 * Gives a block the CRC of what it holds, if it has another one. Only for blocks in the note of this kernel: what was
 * confirmed of them is there, the rest is old or new or, where it was cut off, some of both.
 *
 * @returns whether it had another one
 */
async function mendBlock(io: StoreFs, fd: number, headerSize: number, crcs: CrcTable, block: number): Promise<boolean> {
  const data = scratch.take();
  try {
    await readExactly(io, fd, data, 0, BLOCK_SIZE_BYTES, blockOffset(headerSize, block));
    const crc = crc32(data);
    if (crc === crcs.get(block)) return false;
    crcs.set(block, crc);
    return true;
  } finally {
    scratch.give(data);
  }
}

/** See {@link ChunkFile.create}. */
export async function createChunkFile(
  io: StoreFs,
  path: string,
  id: number,
  version: number,
  bootId: Buffer | undefined,
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
    const note = new WriteNote(bootId);
    // A copy is made under version 0, and is no good until it is whole.
    if (version !== 0) note.putInto(file);
    await writeFully(io, fd, file, 0, file.length, 0);
    const crcs = new CrcTable(file.subarray(HEADER_SIZE_BYTES), 0);
    return { fd, layout: { headerSize: HEADER_SIZE_BYTES, blocks: 0 }, crcs, note, mended: [] };
  } catch (cause) {
    await io.close(fd).catch(() => undefined);
    await io.unlink(path).catch(() => undefined);
    throw creationError(path, cause);
  }
}

/**
 * A process that is killed while it appends a block leaves a file that ends at some page of the block: the kernel stops between
 * two pages. The blocks before it are good, and have been confirmed. Extends the file to a whole last block. No CRC is computed
 * here: unless the block is noted as being written, it is unreadable until it is written again, instead of the whole chunk.
 *
 * @returns the size of the file now; an impossible size that has no such reason stays as it is
 */
async function completeLastBlock(io: StoreFs, fd: number, sizeBytes: number): Promise<number> {
  if (layoutOfSize(sizeBytes) !== undefined) return sizeBytes;
  if (sizeBytes < BLOCK_START_BYTES || sizeBytes % PAGE_SIZE_BYTES !== 0) return sizeBytes;
  const header = Buffer.allocUnsafe(HEADER_SIZE_BYTES);
  await readExactly(io, fd, header, 0, header.length, 0);
  for (let at = OLD_HEADER_SIZE_BYTES; at < header.length; at++) if (header[at] !== 0) return sizeBytes;
  let blocks = 0;
  while (fileSize(HEADER_SIZE_BYTES, blocks) < sizeBytes) blocks++;
  const completeBytes = fileSize(HEADER_SIZE_BYTES, blocks);
  if (layoutOfSize(completeBytes) === undefined) return sizeBytes;
  await io.truncate(fd, completeBytes);
  return completeBytes;
}
