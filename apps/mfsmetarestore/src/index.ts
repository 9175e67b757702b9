/**
 * Restores metadata from an image and changelogs: of a crashed master, or of a metalogger (spec 06 §9). The reference has given
 * this tool up in favour of `mfsmaster -a`; its classic forms are still what scripts of failover setups call.
 *
 * ```
 * mfsmetarestore -a -d /var/lib/mfs
 * mfsmetarestore -m metadata.mfs.back -o metadata.mfs changelog.*.mfs
 * ```
 *
 * @packageDocumentation
 */
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

import type { RestoreOptions } from '@wapiti-fs/metadata';
import { VERSION_STRING } from '@wapiti-fs/protocol';

const USAGE = `usage: mfsmetarestore -a [-i] [-x] [-d data_path]
       mfsmetarestore -m metadata_file -o output_file [-i] [-x] changelog_file...
       mfsmetarestore -v
  -a  restore automatically: best image and all changelogs of the data folder, stored there as metadata.mfs
  -d  data folder (default: current folder)
  -m  image to begin with
  -o  file to store the result in
  -i  ignore errors: store the best state that can be had (dangerous)
  -x  show every file that is used and the progress; without it only what was done and what is wrong
  -v  print version
`;

const PROGRESS_MS = 1000;
const ROUTINE = /^(using|skipping) /;

interface Task {
  readonly folder: string;
  readonly output: string;
  readonly ignoreErrors: boolean;
  readonly verbose: boolean;
  /** Undefined: all that the folder holds. */
  readonly given: { readonly image: string; readonly changelogs: readonly string[] } | undefined;
}

function usage(problem: string): number {
  process.stderr.write(`${problem}\n${USAGE}`);
  return 1;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

function parse(argv: readonly string[]): Task | number {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...argv],
      options: {
        a: { type: 'boolean', short: 'a' },
        d: { type: 'string', short: 'd' },
        m: { type: 'string', short: 'm' },
        o: { type: 'string', short: 'o' },
        i: { type: 'boolean', short: 'i' },
        x: { type: 'boolean', short: 'x', multiple: true },
        v: { type: 'boolean', short: 'v' },
        h: { type: 'boolean', short: 'h' },
      },
      allowPositionals: true,
    });
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  if (values.v === true || values.h === true) {
    process.stdout.write(values.v === true ? `version: ${VERSION_STRING}\n` : USAGE);
    return 0;
  }
  const { m: image, o: output } = values;
  const automatic = values.a === true;
  if (automatic ? image !== undefined || output !== undefined || positionals.length > 0 : values.d !== undefined)
    return usage('options do not fit together');
  const common = { ignoreErrors: values.i === true, verbose: values.x !== undefined };
  if (automatic) {
    const folder = values.d ?? '.';
    return { ...common, folder, output: join(folder, 'metadata.mfs'), given: undefined };
  }
  if (image === undefined || output === undefined) return usage('either -a or both -m and -o are needed');
  return { ...common, folder: '.', output, given: { image, changelogs: positionals } };
}

/** Runs the tool; returns the exit status: 0 = stored, 1 = failed, with the reason on stderr. */
export async function runRestore(argv: readonly string[]): Promise<number> {
  const task = parse(argv);
  if (typeof task === 'number') return task;
  try {
    await restore(task);
    return 0;
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\nmetadata restore failed !!!`);
    return 1;
  }
}

async function restore({ folder, output, ignoreErrors, verbose, given }: Task): Promise<void> {
  // Loaded only here: a wrong command line is answered without loading the metadata code.
  const { restoreMetadata, writeImage } = await import('@wapiti-fs/metadata');
  const { emergencyImages, FolderFiles, imageAt, replaceFile, runningMaster } = await import('./files.js');
  const pid = runningMaster(dirname(output));
  if (pid !== undefined) throw new Error(`a master (pid:${pid}) runs in ${dirname(output)}: stop it first`);

  const files = new FolderFiles(folder);
  const now = Math.floor(Date.now() / 1000);
  const options: RestoreOptions = { now, ignoreErrors, progress: progressPrinter(verbose) };
  const { store, report } = restoreMetadata(
    files,
    (line) => {
      if (verbose || !ROUTINE.test(line)) say(line);
    },
    given === undefined ? { ...options, otherImages: emergencyImages() } : { ...options, ...given },
  );
  const there = imageAt(output);
  if (there !== undefined && !ignoreErrors) {
    if (there.version > report.version)
      throw new Error(`${output} is of version ${there.version}, newer than the restored ${report.version}: kept`);
    if (there.metaid !== 0n && report.metaid !== 0n && there.metaid !== report.metaid)
      throw new Error(`${output} is of another file system (id ${there.metaid.toString(16).toUpperCase()}): kept`);
  }
  if (given === undefined) {
    const torn = files.cutTornLine('changelog.0.mfs');
    if (torn > 0) say(`changelog.0.mfs: incomplete last line of ${torn} bytes cut off`);
  }
  replaceFile(output, writeImage(store, now));
  process.stdout.write(
    `${report.applied} changes applied to ${report.image} (version ${report.imageVersion}), ` +
      `metadata version ${report.version} stored\n`,
  );
}

/** Lines of progress once a second, when it takes longer than that. */
function progressPrinter(verbose: boolean): NonNullable<RestoreOptions['progress']> {
  const startedMs = performance.now();
  let nextMs = startedMs + (verbose ? 0 : PROGRESS_MS);
  return (first, current, last) => {
    const nowMs = performance.now();
    if (nowMs < nextMs) return;
    nextMs = nowMs + PROGRESS_MS;
    const done = (current - first + 1) / Math.max(1, last - first + 1);
    const etaS = Math.ceil(((nowMs - startedMs) * (1 - done)) / done / 1000);
    const percent = Math.floor(done * 100);
    say(`progress: current change: ${current} (first:${first} - last:${last} - ${percent}% - ETA:${etaS}s)`);
  };
}
