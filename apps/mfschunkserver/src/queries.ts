/** Block count and checksum queries, the same on the data port and from the master (spec 04 §9, 03 §11). */
import { BLOCKS_PER_CHUNK } from '@wapiti-fs/chunkstore';
import {
  ANTOCS_GET_CHUNK_BLOCKS,
  ANTOCS_GET_CHUNK_CHECKSUM,
  ANTOCS_GET_CHUNK_CHECKSUM_TAB,
  CSTOAN_CHUNK_BLOCKS,
  CSTOAN_CHUNK_CHECKSUM,
  CSTOAN_CHUNK_CHECKSUM_TAB,
} from '@wapiti-fs/protocol';

import { statusOf } from './data-connection.js';
import type { ServerContext } from './server-context.js';

const CHECKSUM_FACTOR = 426265243;

/** Rejects (through the decoder, at once) on a malformed request; failures of the chunk are part of the answer. */
export async function answerBlocks({ store }: Pick<ServerContext, 'store'>, payload: Buffer): Promise<Buffer> {
  const { chunkId, version } = ANTOCS_GET_CHUNK_BLOCKS.decode(payload);
  try {
    const blocks = await store.blocks(chunkId, version);
    return CSTOAN_CHUNK_BLOCKS.encode({ chunkId, version, blocks, status: 0 });
  } catch (error) {
    return CSTOAN_CHUNK_BLOCKS.encode({ chunkId, version, blocks: 0, status: statusOf(error) });
  }
}

export async function answerChecksum({ store }: Pick<ServerContext, 'store'>, payload: Buffer): Promise<Buffer> {
  const { chunkId, version } = ANTOCS_GET_CHUNK_CHECKSUM.decode(payload);
  try {
    const checksum = checksumOfTable(await store.crcTable(chunkId, version));
    return CSTOAN_CHUNK_CHECKSUM.encode({ variant: 'ok', chunkId, version, checksum });
  } catch (error) {
    return CSTOAN_CHUNK_CHECKSUM.encode({ variant: 'status', chunkId, version, status: statusOf(error) });
  }
}

export async function answerChecksumTable({ store }: Pick<ServerContext, 'store'>, payload: Buffer): Promise<Buffer> {
  const { chunkId, version } = ANTOCS_GET_CHUNK_CHECKSUM_TAB.decode(payload);
  try {
    const table = await store.crcTable(chunkId, version);
    const crcs = Array.from({ length: BLOCKS_PER_CHUNK }, (_, block) => table.readUInt32BE(4 * block));
    return CSTOAN_CHUNK_CHECKSUM_TAB.encode({ variant: 'ok', chunkId, version, crcs });
  } catch (error) {
    return CSTOAN_CHUNK_CHECKSUM_TAB.encode({ variant: 'status', chunkId, version, status: statusOf(error) });
  }
}

/** One number for a whole CRC table of 1024 entries (spec 04 §9). */
export function checksumOfTable(table: Buffer): number {
  let sum = 1;
  for (let block = 0; block < BLOCKS_PER_CHUNK; block++) {
    sum = (Math.imul(sum, CHECKSUM_FACTOR) ^ table.readUInt32BE(4 * block)) >>> 0;
  }
  return sum;
}
