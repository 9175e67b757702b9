/** Real files of this machine to work with, and checksums of files. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const MAX_FILE_BYTES = 512 * 1024;
const MAX_TOTAL_BYTES = 96 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;

export interface SourceFile {
  readonly path: string;
  /** Where it goes, relative to the top of the copy. */
  readonly name: string;
  readonly sizeBytes: number;
}

/** At least `count` regular files from where Linux machines have many: the Node installation, headers, documentation. */
export function findFiles(count: number): SourceFile[] {
  const found: SourceFile[] = [];
  let total = 0;
  const walk = (top: string, folder: string): void => {
    let entries;
    try {
      entries = readdirSync(folder, { withFileTypes: true });
    } catch {
      return;
    }
    for (const entry of entries) {
      if (found.length >= count) return;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(top, path);
      if (!entry.isFile()) continue;
      const { size } = statSync(path);
      if (size > MAX_FILE_BYTES || total + size > MAX_TOTAL_BYTES) continue;
      total += size;
      found.push({ path, name: relative(dirname(top), path), sizeBytes: size });
    }
  };
  const prefix = join(dirname(process.execPath), '..');
  for (const top of [
    join(prefix, 'lib', 'node_modules'),
    join(prefix, 'include', 'node'),
    '/usr/include',
    '/usr/share',
  ])
    walk(top, top);
  if (found.length < count) throw new Error(`only ${found.length} files of ${count} were found on this machine`);
  return found;
}

/** SHA-256 of a file, read in pieces. */
export function checksumOf(path: string): string {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  const fd = openSync(path, 'r');
  try {
    for (;;) {
      const read = readSync(fd, piece, 0, piece.length, null);
      if (read === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, read));
    }
  } finally {
    closeSync(fd);
  }
}
