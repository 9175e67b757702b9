/** `.chunkdb`: the chunks of a folder as they were at a clean end, to save the scan (spec 05 §7). */
import type { ChunkRecord } from './chunk-index.js';
import { FLAG_OLD_HEADER, UNKNOWN_BLOCKS } from './chunk-index.js';
import { BLOCKS_PER_CHUNK, HEADER_SIZE_BYTES, OLD_HEADER_SIZE_BYTES, subfolderName, SUBFOLDERS } from './format.js';
import type { StoreFs } from './store-fs.js';

const MAGIC = 'MFS CHUNKDB2';
const RECORD_SIZE_BYTES = 18;

export const CHUNKDB_NAME = '.chunkdb';
const TEMPORARY_NAME = '.tmp_chunkdb';

export interface ChunkDbEntry {
  id: number;
  version: number;
  subfolder: number;
  blocks: number;
  flags: number;
}

export function encodeChunkDb(path: string, records: readonly ChunkRecord[]): Buffer {
  const pathBytes = Buffer.from(path);
  const head = Buffer.alloc(MAGIC.length + 2 + pathBytes.length);
  head.write(MAGIC, 0, 'latin1');
  head.writeUInt16BE(pathBytes.length, MAGIC.length);
  pathBytes.copy(head, MAGIC.length + 2);
  const body = Buffer.alloc(RECORD_SIZE_BYTES * (records.length + 1));
  records.forEach((record, index) => {
    const at = index * RECORD_SIZE_BYTES;
    const known = record.blocks !== UNKNOWN_BLOCKS;
    const headerSize = record.flags & FLAG_OLD_HEADER ? OLD_HEADER_SIZE_BYTES : HEADER_SIZE_BYTES;
    body.writeBigUInt64BE(BigInt(record.id), at);
    body.writeUInt32BE(record.version, at + 8);
    body.writeUInt16BE(record.blocks, at + 12);
    body.writeUInt16BE(known ? headerSize : 0, at + 14);
    body.writeUInt16BE(record.subfolder, at + 16);
  });
  return Buffer.concat([head, body]);
}

/** The records, or undefined if the file is not wholly valid for this path. */
export function decodeChunkDb(content: Buffer, path: string): ChunkDbEntry[] | undefined {
  const pathBytes = Buffer.from(path);
  const start = MAGIC.length + 2 + pathBytes.length;
  if (content.length < start + RECORD_SIZE_BYTES || (content.length - start) % RECORD_SIZE_BYTES !== 0)
    return undefined;
  if (content.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
  if (content.readUInt16BE(MAGIC.length) !== pathBytes.length) return undefined;
  if (!content.subarray(MAGIC.length + 2, start).equals(pathBytes)) return undefined;
  const entries: ChunkDbEntry[] = [];
  for (let at = start; ; at += RECORD_SIZE_BYTES) {
    const id = content.readBigUInt64BE(at);
    const last = at + RECORD_SIZE_BYTES === content.length;
    if (id === 0n) return last && content.subarray(at).every((byte) => byte === 0) ? entries : undefined;
    const entry = {
      id: Number(id),
      version: content.readUInt32BE(at + 8),
      blocks: content.readUInt16BE(at + 12),
      headerSize: content.readUInt16BE(at + 14),
      subfolder: content.readUInt16BE(at + 16),
    };
    if (last || !Number.isSafeInteger(entry.id) || entry.subfolder >= SUBFOLDERS) return undefined;
    const trusted = entry.blocks < BLOCKS_PER_CHUNK;
    entries.push({
      id: entry.id,
      version: entry.version,
      subfolder: entry.subfolder,
      blocks: trusted ? entry.blocks : UNKNOWN_BLOCKS,
      flags: trusted && entry.headerSize === OLD_HEADER_SIZE_BYTES ? FLAG_OLD_HEADER : 0,
    });
  }
}

/**
 * Reads and removes the `.chunkdb` of a folder. Undefined when there is none, it is older than any subfolder, does not belong
 * here, or could not be removed: then the folder has to be listed.
 */
export async function takeChunkDb(io: StoreFs, path: string): Promise<ChunkDbEntry[] | undefined> {
  const file = `${path}${CHUNKDB_NAME}`;
  let content: Buffer | undefined;
  try {
    const seconds = (ms: number): number => Math.floor(ms / 1000);
    const written = seconds((await io.stat(file)).mtimeMs);
    if (written >= seconds((await io.stat(path)).mtimeMs) && (await newerThanSubfolders(io, path, written))) {
      content = await io.readFile(file);
    }
  } catch {
    content = undefined;
  }
  try {
    await io.unlink(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return undefined;
  }
  return content === undefined ? undefined : decodeChunkDb(content, path);
}

async function newerThanSubfolders(io: StoreFs, path: string, writtenSeconds: number): Promise<boolean> {
  for (let subfolder = 0; subfolder < SUBFOLDERS; subfolder++) {
    const stats = await io.stat(path + subfolderName(subfolder));
    if (Math.floor(Math.max(stats.mtimeMs, stats.atimeMs) / 1000) > writtenSeconds) return false;
  }
  return true;
}

export async function writeChunkDb(
  io: StoreFs,
  path: string,
  records: readonly ChunkRecord[],
  mode: number,
): Promise<void> {
  await io.writeFile(`${path}${TEMPORARY_NAME}`, encodeChunkDb(path, records), mode);
  await io.rename(`${path}${TEMPORARY_NAME}`, `${path}${CHUNKDB_NAME}`);
}
