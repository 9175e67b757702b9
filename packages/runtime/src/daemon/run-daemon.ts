/** The life of a daemon from its command line to its exit code (spec 11 §12). */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

import { type CommonConfig, commonKeys } from '../config/common-keys.js';
import {
  type ConfigDefinition,
  ConfigError,
  configFrom,
  defineConfig,
  loadConfig,
  type LoadedConfig,
} from '../config/config.js';
import type { Services, StartRole } from '../daemon-types.js';
import { LockedError } from '../libc/locks.js';
import { Metrics } from '../metrics.js';
import { systemClock } from '../system-clock.js';
import { createLogger } from '../winston-logger.js';
import { type DaemonArguments, type DaemonOption, goesToBackground, parseArguments, usageText } from './arguments.js';
import { findStarter, startInBackground, type Starter } from './background.js';
import { changeUser, enterDataPath, prepareProcess, StartError } from './environment.js';
import { openDaemonLog } from './daemon-log.js';
import { LockFile, signalOwner } from './lock-file.js';
import { runOnce, runRole } from './run-role.js';

const DEFAULT_OPEN_FILES = 16_384;

/** What makes a program a daemon. */
export interface DaemonSpec<Config> {
  /** Name of the program and of its lock file. */
  readonly name: string;
  /** Printed by `-v`. */
  readonly version: string;
  /** Used without `-c` if it exists (or the same with `.yaml`). */
  readonly defaultConfigPath: string;
  /** The role's keys; those common to all daemons are added. */
  readonly config: ConfigDefinition<Config>;
  readonly start: StartRole<Config>;
  /** Options of its own. */
  readonly options?: readonly DaemonOption[];
  /** Puts the number of times each of these options was given into the configuration. */
  readonly applyOptions?: (config: Config, options: Readonly<Record<string, number>>) => Config;
  /** More lines for the usage text. */
  readonly usage?: readonly string[];
  /** Default 16384. */
  readonly openFiles?: number;
  /** The action `restore`: runs with the lock held and ends the program. Without it the action is refused. */
  readonly restore?: (config: Config, services: Services) => Promise<void>;
}

/** Configuration of a daemon: its role's and what is common to all. */
export interface DaemonConfig<Config> {
  readonly role: Config;
  readonly common: CommonConfig;
}

/**
 * Does what the command line asks for. Client-like actions set `process.exitCode` and resolve; a started daemon ends the process
 * itself. In the background (without `-f`) it returns 0 only after the role has started.
 *
 * @param argv the arguments behind the script, `process.argv.slice(2)`
 */
export async function runDaemon<Config>(spec: DaemonSpec<Config>, argv: readonly string[]): Promise<void> {
  const own = spec.options ?? [];
  const parsed = parseArguments(spec.name, own, argv);
  if (parsed.kind === 'version') return void process.stdout.write(`version: ${spec.version}\n`);
  if (parsed.kind === 'usage') {
    if (parsed.problem !== undefined) process.stderr.write(`${parsed.problem}\n`);
    process.stdout.write(usageText(spec.name, own, spec.usage));
    process.exitCode = 1;
    return;
  }
  const { starter, isDaemon } = findStarter();
  try {
    process.exitCode = await act(spec, parsed.arguments, argv, starter, isDaemon);
  } catch (error) {
    starter.print(explain(error));
    starter.release(false, undefined);
    process.exitCode = 1;
  }
}

/** A known reason in its own words, anything else with the place where it happened. */
function explain(error: unknown): string {
  if (error instanceof LockedError) return `can't start: lockfile is already locked by another process\n`;
  if (error instanceof ConfigError || error instanceof StartError) return `${error.message}\n`;
  if (!(error instanceof Error)) return `${String(error)}\n`;
  return `${'code' in error ? error.message : (error.stack ?? error.message)}\n`;
}

async function act<Config>(
  spec: DaemonSpec<Config>,
  args: DaemonArguments,
  argv: readonly string[],
  starter: Starter,
  isDaemon: boolean,
): Promise<number> {
  if (goesToBackground(args) && !isDaemon) return startInBackground(argv);
  const { loaded, load } = readConfig(spec, args, starter.print);

  const { common } = loaded.config;
  const say = (text: string): void => starter.print(`${text}\n`);
  const lock = new LockFile(resolve(common.DATA_PATH), spec.name);
  switch (args.action) {
    case 'stop':
    case 'kill': {
      const signal = args.action === 'stop' ? 'SIGTERM' : 'SIGKILL';
      const ended = await lock.endOwner(signal, args.lockTimeoutS, systemClock, starter.print);
      if (ended === false) say("can't find process to terminate");
      return ended === undefined ? 1 : 0;
    }
    case 'reload':
      return sendSignal(lock, 'SIGHUP', 'reload', say);
    case 'info':
      return sendSignal(lock, 'SIGUSR1', 'info', say);
    case 'test':
    case 'status': {
      if (args.action === 'test') process.stdout.write(effectiveText(loaded));
      const owner = lock.owner();
      say(owner === undefined ? `${spec.name} is not running` : `${spec.name} pid: ${owner}`);
      return owner === undefined ? 1 : 0;
    }
    case 'restore':
      if (spec.restore === undefined) throw new StartError(`action 'restore' is not implemented in ${spec.name}`);
      break;
    default:
  }

  const problems: string[] = [];
  prepareProcess(common, {
    openFiles: spec.openFiles ?? DEFAULT_OPEN_FILES,
    raiseCoreLimit: !args.keepCoreLimit,
    say,
    warn: (text) => problems.push(text),
  });
  usePackagesOnce();
  changeUser(common);
  process.umask(common.FILE_UMASK);
  enterDataPath(common);
  say(`working directory: ${process.cwd()}`);
  let replaced = false;
  if (args.action !== 'start') {
    const ended = await lock.endOwner('SIGTERM', args.lockTimeoutS, systemClock, starter.print);
    if (ended === undefined) throw new StartError(`${spec.name} did not end within ${args.lockTimeoutS} s`);
    if (ended === false && args.action === 'try-restart') throw new StartError("can't find process to restart");
    replaced = ended === true;
  }
  lock.take();
  // The C daemons take over the lock of one they have ended without a word.
  if (!replaced) say('lockfile created and locked');

  const log = openDaemonLog(spec.name, common, isDaemon);
  for (const text of [...problems, ...loaded.warnings]) log.root.warn(text);
  if (args.listDefaults) {
    for (const { key, text, isDefault } of loaded.effective)
      if (isDefault) log.root.notice(`config: using default value for option '${key}' - '${text}'`);
  }
  const run = { spec, loaded, load, log, starter, foreground: !isDaemon };
  return args.action === 'restore' ? runOnce(run) : runRole(run);
}

/**
 * Packages are loaded by their first use, and load parts of themselves then. What every daemon uses must be there before it becomes a
 * user who may not read the folder where it is installed.
 */
function usePackagesOnce(): void {
  createLogger({ ident: '', target: () => undefined }).notice('loaded');
  const metrics = new Metrics();
  metrics.counter('loaded_total', 'loaded');
  metrics.gauge('loaded', 'loaded');
  metrics.histogram('loaded_seconds', 'loaded', [1]);
}

function sendSignal(lock: LockFile, signal: NodeJS.Signals, what: string, say: (text: string) => void): number {
  const owner = lock.owner();
  if (owner === undefined) {
    say(`can't find process to send ${what} signal`);
    return 1;
  }
  signalOwner(owner, signal, lock.path);
  say(`${what} signal has been sent`);
  return 0;
}

export type Loaded<Config> = LoadedConfig<DaemonConfig<Config>>;

/** The configuration now, and the way to load it again. */
function readConfig<Config>(
  spec: DaemonSpec<Config>,
  args: DaemonArguments,
  print: (text: string) => void,
): { loaded: Loaded<Config>; load: () => Loaded<Config> } {
  const definition: ConfigDefinition<DaemonConfig<Config>> = defineConfig(
    { ...commonKeys, ...spec.config.keys },
    (values, source) => {
      const role = spec.config.build(values, source);
      const common = values as unknown as CommonConfig;
      return { common, role: spec.applyOptions ? spec.applyOptions(role, args.options) : role };
    },
  );
  for (const notice of args.notices) print(`${notice}\n`);
  const path = resolve(args.configPath ?? findDefault(spec.defaultConfigPath));
  const exists = existsSync(path);
  if (!exists && args.configPath !== undefined) throw new StartError(`main config file (${path}) not found`);
  if (!exists) print(`can't load config file: ${path} - using defaults\n`);
  // A file that vanishes later is an error of the reload, not a reason to fall back to defaults.
  const load = exists ? () => loadConfig(definition, path) : () => configFrom(definition);
  return { loaded: load(), load };
}

function findDefault(path: string): string {
  const yaml = path.replace(/\.cfg$/, '.yaml');
  return !existsSync(path) && existsSync(yaml) ? yaml : path;
}

/** The configuration in effect, as a `.cfg` file. */
function effectiveText<Config>(loaded: Loaded<Config>): string {
  const from = loaded.source.path === '' ? 'all keys at their defaults' : loaded.source.path;
  const lines = [`# effective configuration: ${from}`];
  for (const { key, text, isDefault } of loaded.effective) lines.push(`${isDefault ? '# ' : ''}${key} = ${text}`);
  for (const warning of loaded.warnings) lines.push(`# warning: ${warning}`);
  return `${lines.join('\n')}\n`;
}
