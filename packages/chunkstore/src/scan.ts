/** Finds the chunks of a folder: from `.chunkdb` or by listing the 256 subfolders (spec 05 §7, §8). */
import { type ChunkDbEntry, takeChunkDb } from './chunkdb.js';
import { UNKNOWN_BLOCKS } from './chunk-index.js';
import type { Folder } from './folder.js';
import { chunkFileName, parseChunkFileName, subfolderName, SUBFOLDERS } from './format.js';
import type { StoreFs } from './store-fs.js';

/** Chunks handled before other work gets its turn. */
const CHUNKS_PER_TURN = 5000;
const DIRECTORIES_OF_DIGITS = [...'0123456789ABCDEF'];

export interface ScanTarget {
  found(entry: ChunkDbEntry): void;
  /** The folder was released meanwhile: stop. */
  readonly stopped: boolean;
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Rejects when the folder cannot be listed. */
export async function scanFolder(io: StoreFs, folder: Folder, target: ScanTarget): Promise<void> {
  const saved = folder.readOnly ? undefined : await takeChunkDb(io, folder.path);
  if (saved !== undefined) {
    for (let i = 0; i < saved.length && !target.stopped; i++) {
      target.found(saved[i] as ChunkDbEntry);
      if (i % CHUNKS_PER_TURN === CHUNKS_PER_TURN - 1) {
        folder.scanPercent = Math.floor((100 * i) / saved.length);
        await nextTurn();
      }
    }
    return;
  }
  if (!folder.readOnly) await makeSubfolders(io, folder);
  for (let subfolder = 0; subfolder < SUBFOLDERS && !target.stopped; subfolder++) {
    await scanSubfolder(io, folder, subfolder, target);
    folder.scanPercent = Math.floor((100 * (subfolder + 1)) / SUBFOLDERS);
  }
}

async function scanSubfolder(io: StoreFs, folder: Folder, subfolder: number, target: ScanTarget): Promise<void> {
  let names: string[];
  try {
    names = await io.readdir(folder.path + subfolderName(subfolder));
  } catch (error) {
    if (folder.readOnly && (error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  for (let i = 0; i < names.length && !target.stopped; i++) {
    const chunk = parseChunkFileName(names[i] as string);
    if (chunk === undefined) continue;
    target.found({ ...chunk, subfolder, blocks: UNKNOWN_BLOCKS, flags: 0 });
    if (i % CHUNKS_PER_TURN === CHUNKS_PER_TURN - 1) await nextTurn();
  }
}

async function makeSubfolders(io: StoreFs, folder: Folder): Promise<void> {
  const present = new Set(await io.readdir(folder.path));
  for (let subfolder = 0; subfolder < SUBFOLDERS; subfolder++) {
    const name = subfolderName(subfolder);
    if (!present.has(name)) await io.mkdir(folder.path + name);
  }
  for (const digit of DIRECTORIES_OF_DIGITS) {
    if (present.has(digit)) await moveLegacyFolder(io, folder, digit);
  }
}

/** Folders `0`…`F` of the oldest layout: chunks go to subfolder (id mod 256). */
async function moveLegacyFolder(io: StoreFs, folder: Folder, digit: string): Promise<void> {
  const from = folder.path + digit;
  for (const name of await io.readdir(from)) {
    const chunk = parseChunkFileName(name);
    if (chunk === undefined) continue;
    const to = folder.path + subfolderName(chunk.id % SUBFOLDERS);
    await io.rename(`${from}/${name}`, `${to}/${chunkFileName(chunk.id, chunk.version)}`);
  }
  // Other files keep the folder alive; they are none of ours.
  await io.rmdir(from).catch(() => undefined);
}
