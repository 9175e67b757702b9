import { setMaxListeners } from 'node:events';

import { VERSION_STRING } from '@wapiti-fs/protocol';
import { Command, CommanderError } from 'commander';

import { copy, type CopyOptions } from './commands/copy.js';
import { type DevCliOptions, runDev } from './commands/dev.js';
import { df, type ListOptions, ls, type MakeOptions, mkdir, rm, type RemoveOptions, stat } from './commands/names.js';
import { type RemoteOptions, withRemoteOptions } from './remote.js';
import { EXIT, type Terminal, UsageError } from './terminal.js';

/** Runs the command line and resolves to the exit code; never rejects. */
export async function runCli(args: readonly string[], given: Partial<Terminal> = {}): Promise<number> {
  const abort = new AbortController();
  setMaxListeners(0, abort.signal); // every file under way listens
  const stop = (): void => abort.abort(new Error('interrupted'));
  const ownSignals = given.signal === undefined;
  if (ownSignals) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  const terminal: Terminal = {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    signal: abort.signal,
    interactive: process.stderr.isTTY === true,
    ...given,
  };
  let code: number = EXIT.ok;
  const program = commands(terminal, (result) => (code = result));
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (terminal.signal.aborted) {
      terminal.err('wapiti: interrupted');
      return EXIT.interrupted;
    }
    terminal.err(`wapiti: ${(error as Error).message}`);
    const { cause } = error as Error;
    if (cause instanceof Error) terminal.err(`wapiti: because: ${cause.message}`);
    return error instanceof UsageError ? EXIT.usage : EXIT.failed;
  } finally {
    if (ownSignals) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, stop);
  }
}

function commands(terminal: Terminal, exit: (code: number) => void): Command {
  const program = new Command('wapiti')
    .description('Wapiti: a MooseFS-compatible distributed file system. Paths in the cluster begin at its root.')
    .version(VERSION_STRING)
    .showHelpAfterError('(see wapiti --help)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
    });
  const remote = (declaration: string, description: string): Command =>
    withRemoteOptions(program.command(declaration).description(description));

  for (const [name, from, to] of [
    ['put', 'local', 'remote'],
    ['get', 'remote', 'local'],
  ] as const) {
    remote(
      `${name} <${from}...>`,
      `copy files ${name === 'put' ? 'into' : 'out of'} the cluster; the last path is the ${to} one`,
    )
      .option('-r, --recursive', 'directories with all they hold')
      .option('-p, --preserve', 'keep times of last change')
      .option('-q, --quiet', 'errors only')
      .action(async (paths: string[], options: CopyOptions) => {
        const target = paths.at(-1);
        if (target === undefined || paths.length < 2)
          throw new UsageError(`${name}: at least one source and a destination are needed`);
        exit(await copy(name, paths.slice(0, -1), target, options, terminal));
      });
  }
  remote('ls [path...]', 'list directories')
    .option('-l, --long', 'with attributes')
    .action(async (paths: string[], options: ListOptions) =>
      exit(await ls(paths.length === 0 ? ['/'] : paths, options, terminal)),
    );
  remote('rm <path...>', 'remove files')
    .option('-r, --recursive', 'directories with all they hold')
    .option('-f, --force', 'nothing there is no error')
    .action(async (paths: string[], options: RemoveOptions) => exit(await rm(paths, options, terminal)));
  remote('mkdir <path...>', 'make directories')
    .option('-p, --parents', 'missing parents too; an existing directory is no error')
    .action(async (paths: string[], options: MakeOptions) => exit(await mkdir(paths, options, terminal)));
  remote('stat <path...>', 'show attributes').action(async (paths: string[], options: RemoteOptions) =>
    exit(await stat(paths, options, terminal)),
  );
  remote('df', 'show space').action(async (options: RemoteOptions) => exit(await df(options, terminal)));

  program
    .command('dev')
    .description('run a whole cluster (master, chunkservers, metalogger) in this process, on loopback, without root')
    .option('--data <directory>', 'keep the data here (default: a temporary folder, removed at the end)')
    .option('--chunkservers <number>', 'how many chunkservers', '2')
    .option('--port-base <port>', 'first of the ports to use', '19419')
    .option('-v, --verbose', 'log at level debug')
    .action(async (options: DevCliOptions) => exit(await runDev(options, terminal)));
  return program;
}
