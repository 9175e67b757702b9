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
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { VERSION_STRING } from '@wapiti-fs/protocol';

import { say } from './say.js';
import { restore, type Task } from './restore.js';

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

function usage(problem: string): number {
  process.stderr.write(`${problem}\n${USAGE}`);
  return 1;
}

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
    restore(task);
    return 0;
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\nmetadata restore failed !!!`);
    return 1;
  }
}
