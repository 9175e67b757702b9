/**
 * The first thing that the program of a daemon loads, on its own (`@wapiti-fs/runtime/launch`): the process that only starts
 * another one in the background must not load the role, which takes longer than all it does.
 *
 * @packageDocumentation
 */
import { type DaemonOption, goesToBackground, parseArguments } from './daemon/arguments.js';
import { isStartedByUs, startInBackground } from './daemon/background.js';

export type { DaemonOption } from './daemon/arguments.js';

/**
 * Starts the program again in the background if that is what its command line asks for, and sets the exit code; everything else
 * is done by `run`, which loads the role.
 *
 * @param options those of its own that the daemon takes
 * @param argv the arguments behind the script, `process.argv.slice(2)`
 */
export async function launchDaemon(
  name: string,
  options: readonly DaemonOption[],
  argv: readonly string[],
  run: (argv: readonly string[]) => Promise<void>,
): Promise<void> {
  const parsed = parseArguments(name, options, argv);
  if (parsed.kind === 'run' && goesToBackground(parsed.arguments) && !isStartedByUs())
    process.exitCode = await startInBackground(argv);
  else await run(argv);
}
