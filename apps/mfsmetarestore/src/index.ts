/**
 * Restores metadata from an image and changelogs.
 *
 * @packageDocumentation
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { RestoreFiles } from '@wapiti-fs/metadata';

const USAGE = `usage: mfsmetarestore -a [-d data_path]
       mfsmetarestore -m metadata_file -o output_file changelog_file...
  -a  restore automatically: best image and all changelogs of the data folder, stored there as metadata.mfs
  -d  data folder (default: current folder)
`;

function folderFiles(folder: string): RestoreFiles {
  const path = (name: string): string => (isAbsolute(name) ? name : join(folder, name));
  return {
    list: () => readdirSync(folder),
    read: (name) => readFileSync(path(name)),
    readEnds: (name, headBytes, tailBytes) => {
      const fd = openSync(path(name), 'r');
      try {
        const { size } = fstatSync(fd);
        const head = Buffer.alloc(Math.min(headBytes, size));
        const tail = Buffer.alloc(Math.min(tailBytes, size));
        readSync(fd, head, 0, head.length, 0);
        readSync(fd, tail, 0, tail.length, size - tail.length);
        return { head, tail };
      } finally {
        closeSync(fd);
      }
    },
  };
}

/** Writes to a temporary name first: a crash leaves either the old or the new file. */
function writeFile(path: string, pieces: Iterable<Buffer>): void {
  const temporary = `${path}.tmp`;
  const fd = openSync(temporary, 'w', 0o640);
  try {
    for (const piece of pieces) for (let at = 0; at < piece.length;) at += writeSync(fd, piece, at);
    fsyncSync(fd);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

function usage(problem: string): number {
  process.stderr.write(`${problem}\n${USAGE}`);
  return 1;
}

/** Runs the tool; returns the exit status: 0 = stored, 1 = failed, with the reason on stderr. */
export async function runRestore(argv: readonly string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...argv],
      options: {
        a: { type: 'boolean', short: 'a' },
        d: { type: 'string', short: 'd' },
        m: { type: 'string', short: 'm' },
        o: { type: 'string', short: 'o' },
        h: { type: 'boolean', short: 'h' },
      },
      allowPositionals: true,
    });
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  if (values.h === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { m: image, o: output } = values;
  const automatic = values.a === true;
  if (automatic ? image !== undefined || output !== undefined || positionals.length > 0 : values.d !== undefined)
    return usage('options do not fit together');
  if (!automatic && (image === undefined || output === undefined))
    return usage('either -a or both -m and -o are needed');
  const folder = values.d ?? '.';
  try {
    // Loaded only here: a wrong command line is answered without loading the metadata code.
    const { restoreMetadata, writeImage } = await import('@wapiti-fs/metadata');
    const now = Math.floor(Date.now() / 1000);
    const log = (line: string): void => void process.stderr.write(`${line}\n`);
    const options = automatic || image === undefined ? { now } : { now, image, changelogs: positionals };
    const { store, report } = restoreMetadata(folderFiles(folder), log, options);
    writeFile(output ?? join(folder, 'metadata.mfs'), writeImage(store, now));
    process.stdout.write(`${report.applied} changes applied, metadata version ${report.version} stored\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nmetadata restore failed !!!\n`);
    return 1;
  }
}
