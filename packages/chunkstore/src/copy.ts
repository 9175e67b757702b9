/** Copies the blocks of one chunk file into another, new one (spec 05 §4.5). */
import { BufferPool } from './buffer-pool.js';
import type { ChunkFile } from './chunk-file.js';
import { ChunkError, ioError } from './errors.js';
import { BLOCK_SIZE_BYTES } from './format.js';

/** Blocks read at once. */
export const COPY_BLOCKS = 16;
export const copyBuffers = new BufferPool(COPY_BLOCKS * BLOCK_SIZE_BYTES, 4);

/**
 * Block CRCs are taken over, not computed: a damaged block stays detectable in the copy.
 *
 * @param length undefined: all of it; else the copy is cut or extended to so many bytes
 */
export async function copyBlocks(from: ChunkFile, to: ChunkFile, length: number | undefined): Promise<void> {
  const blocks = length === undefined ? from.blocks : Math.min(from.blocks, Math.ceil(length / BLOCK_SIZE_BYTES));
  const buffer = copyBuffers.take();
  try {
    await onCopy(to, () => to.extend(blocks));
    for (let first = 0; first < blocks; first += COPY_BLOCKS) {
      const sizeBytes = Math.min(COPY_BLOCKS, blocks - first) * BLOCK_SIZE_BYTES;
      await from.readRaw(buffer, sizeBytes, first);
      await onCopy(to, () => to.writeCopied(buffer, sizeBytes, first));
    }
    to.adoptCrcTable(from.crcTable, blocks);
    if (length !== undefined) await onCopy(to, () => to.truncate(length));
  } finally {
    copyBuffers.give(buffer);
  }
}

/** An error of the copy does not make the source damaged. */
async function onCopy(file: ChunkFile, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const error = ioError(file.path, cause);
    throw new ChunkError(error.status, error.message, { cause });
  }
}
