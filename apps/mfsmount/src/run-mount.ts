/** The life of a mount from its command line to its exit code (spec 12 §12, 13 §2). */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { passwordDigest, VERSION, versionText } from '@wapiti-fs/protocol';
import {
  createLogger,
  findStarter,
  Metrics,
  type RootLogger,
  startInBackground,
  type Starter,
  systemClock,
  systemRandom,
  tcpNetwork,
} from '@wapiti-fs/runtime';

import { acceptedText, failureText } from './messages.js';
import { checkMountPoint } from './mount-point.js';
import { parseMountCommand } from './options/parse.js';
import { type MountSettings, UsageError } from './options/settings.js';
import { askPassword } from './password.js';
import { prepareProcess } from './process-environment.js';
import { startMount } from './start.js';
import { USAGE } from './usage.js';

/** Notifications hold a thread, readers of /dev/fuse one each where the event loop cannot read; the rest is for names and the log. */
const THREADS = '8';
/** The digest of a password that was asked for, handed to the process in the background. */
const DIGEST_VARIABLE = 'WAPITI_MOUNT_DIGEST';

/** @param argv the arguments behind the script. Sets the exit code, or ends the process when a mount has ended. */
export async function runMount(argv: readonly string[]): Promise<void> {
  process.env['UV_THREADPOOL_SIZE'] ??= THREADS;
  const { starter, isDaemon } = findStarter();
  try {
    const parsed = parseMountCommand(argv, { programName: basename(process.argv[1] ?? 'mfsmount'), readFile });
    if (parsed.kind === 'help') {
      process.stdout.write(USAGE);
      return;
    }
    if (parsed.kind === 'version') {
      process.stdout.write(`MFS version: ${versionText(VERSION)}-1 ; build: wapiti\n`);
      return;
    }
    const settings = await withPassword(parsed.settings, isDaemon);
    // hides a password in the command line from the list of processes
    process.title = `mfsmount (mounted on: ${settings.mountPoint})`;
    if (!isDaemon) {
      for (const notice of settings.notices) starter.print(`${notice}\n`);
      checkMountPoint(settings.mountPoint, settings.nonEmpty);
      if (settings.meta) throw new UsageError('the meta file system (mfsmeta) cannot be mounted by this program');
    }
    if (parsed.fake) return;
    if (!settings.foreground && !isDaemon) {
      process.exitCode = await startInBackground(argv, environment(settings));
      return;
    }
    await serve(settings, starter, isDaemon);
  } catch (error) {
    starter.print(`${error instanceof UsageError ? error.message : explain(error)}\n`);
    if (error instanceof UsageError && error.seeHelp) starter.print('see: mfsmount -h for help\n');
    starter.release(false, undefined);
    process.exitCode = 1;
  }
}

function explain(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function readFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

async function withPassword(settings: MountSettings, isDaemon: boolean): Promise<MountSettings> {
  const handed = process.env[DIGEST_VARIABLE];
  delete process.env[DIGEST_VARIABLE];
  if (isDaemon && handed !== undefined) return { ...settings, passwordDigest: Buffer.from(handed, 'hex') };
  if (!settings.askPassword || isDaemon) return settings;
  return { ...settings, passwordDigest: passwordDigest(await askPassword('MFS Password: ')) };
}

function environment({ askPassword: asked, passwordDigest }: MountSettings): NodeJS.ProcessEnv {
  return asked && passwordDigest !== undefined ? { [DIGEST_VARIABLE]: passwordDigest.toString('hex') } : {};
}

/** Mounts and serves until the mount ends; then ends the process. */
async function serve(settings: MountSettings, starter: Starter, isDaemon: boolean): Promise<never> {
  const log = createLogger({
    ident: 'mfsmount',
    level: settings.debug ? 'debug' : 'info',
    target: isDaemon ? { file: settings.logFile } : 'stderr',
  });
  prepareProcess(settings, log);
  process.on('SIGHUP', () => undefined);
  process.on('SIGPIPE', () => undefined);
  // one defect must not take all files of the mount away
  process.on('uncaughtException', (error) => log.error('unexpected error', { error }));
  process.on('unhandledRejection', (error) => log.error('unexpected error', { error: error as Error }));
  const services = {
    clock: systemClock,
    random: systemRandom,
    network: tcpNetwork,
    log,
    metrics: new Metrics(),
  };
  let mount;
  try {
    mount = await startMount(settings, services);
  } catch (error) {
    starter.print(`${failureText(error, settings)}\n`);
    starter.release(false, undefined);
    log.close();
    process.exit(1);
  }
  const { session } = mount.fs.context;
  if (isDaemon && session !== undefined) starter.print(`${acceptedText(session)}\n`);
  starter.release(true, undefined);
  const running = mount;
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    log.notice(`${signal} received: ${stopping ? 'ending without waiting for data' : 'unmounting'}`);
    const ending = stopping ? running.abort() : running.stop();
    stopping = true;
    ending.catch((error: unknown) => log.error('unmounting failed', { error: error as Error }));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return exit(await running.ended, log);
}

function exit(error: Error | undefined, log: RootLogger): never {
  if (error === undefined) log.notice('the mount has ended');
  else log.error('the mount has ended', { error });
  log.close();
  process.exit(error === undefined ? 0 : 1);
}
