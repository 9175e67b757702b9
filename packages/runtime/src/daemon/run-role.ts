/** A role as a process: signals in, exit code out (spec 11 §12.2, §12.3). */
import { closeSync, openSync } from 'node:fs';

import { commonKeys } from '../config/common-keys.js';
import { ConfigError, type EffectiveKey, type KeyDefinitions } from '../config/config.js';
import type { RunningRole, Services } from '../daemon-types.js';
import type { LogFields, Logger } from '../logger.js';
import { Metrics } from '../metrics.js';
import { type MetricsServer, serveMetrics } from '../metrics-server.js';
import { systemRandom } from '../seeded-random.js';
import { systemClock } from '../system-clock.js';
import { tcpNetwork } from '../tcp-network.js';
import type { Starter } from './background.js';
import type { DaemonLog } from './daemon-log.js';
import type { DaemonSpec, Loaded } from './run-daemon.js';

export interface DaemonRun<Config> {
  readonly spec: DaemonSpec<Config>;
  readonly loaded: Loaded<Config>;
  readonly load: () => Loaded<Config>;
  readonly log: DaemonLog;
  readonly starter: Starter;
  readonly foreground: boolean;
}

const IGNORED: readonly NodeJS.Signals[] = ['SIGPIPE', 'SIGQUIT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGUSR2'];
const LOGGED: readonly NodeJS.Signals[] = ['SIGALRM', 'SIGVTALRM', 'SIGPROF'];

/** Runs the role until it ends; then ends the process. */
export async function runRole<Config>(run: DaemonRun<Config>): Promise<never> {
  const { spec, starter, foreground } = run;
  const { root } = run.log;
  const daemon = new Daemon(run);
  process.on('SIGTERM', () => daemon.terminate('terminate signal received'));
  process.on('SIGINT', () => foreground && daemon.terminate('interrupt signal received'));
  process.on('SIGHUP', () => daemon.reload());
  process.on('SIGUSR1', () => daemon.info());
  for (const signal of IGNORED) process.on(signal, () => undefined);
  for (const signal of LOGGED) process.on(signal, () => root.notice(`${signal} received`));
  process.on('uncaughtException', (error) => daemon.crash(error));

  starter.print(`initializing ${spec.name} modules ...\n`);
  const code = await daemon.run();
  root.notice(`process exited ${code === 0 ? 'successfully' : 'with an error'} (status:${code})`);
  root.close();
  process.exit(code);
}

/** Runs the action `restore` and ends the process. */
export async function runOnce<Config>(run: DaemonRun<Config>): Promise<never> {
  const { spec, loaded, starter } = run;
  const { root } = run.log;
  let code = 0;
  try {
    await spec.restore?.(loaded.config.role, servicesWith(root, new Metrics()));
  } catch (error) {
    starter.print(`${(error as Error).message}\n`);
    code = 1;
  }
  root.close();
  process.exit(code);
}

function servicesWith(log: Logger, metrics: Metrics): Services {
  return { clock: systemClock, random: systemRandom, network: tcpNetwork, log, metrics };
}

class Daemon<Config> {
  private role: RunningRole<Config> | undefined;
  private metricsServer: MetricsServer | undefined;
  private effective: readonly EffectiveKey[];
  private starting = true;
  private stopRequested: (() => void) | undefined;
  private readonly stopped = new Promise<void>((resolve) => (this.stopRequested = resolve));
  private terminating = false;
  private reloading: Promise<void> = Promise.resolve();
  private readonly log: Logger;

  constructor(private readonly daemon: DaemonRun<Config>) {
    this.log = daemon.log.root;
    this.effective = daemon.loaded.effective;
  }

  async run(): Promise<number> {
    const { spec, loaded, starter, log } = this.daemon;
    const metrics = new Metrics();
    try {
      const services = servicesWith(this.startLogger(log.root), metrics);
      this.metricsServer = await serveMetrics(loaded.config.common.METRICS_LISTEN, metrics, log.root);
      this.role = await spec.start(loaded.config.role, services);
    } catch (error) {
      log.root.error(`${spec.name} cannot start`, { error: error as Error });
      starter.print(`${(error as Error).message}\nerror occurred during initialization - exiting\nexiting ...\n`);
      starter.release(false, undefined);
      return 1;
    }
    this.starting = false;
    starter.print(`${spec.name} daemon initialized properly\n`);
    const logFd = log.file === undefined ? undefined : openSync(log.file, 'a');
    starter.release(true, logFd);
    if (logFd !== undefined) closeSync(logFd);

    const ended = await Promise.race([
      this.stopped.then(() => 'stop' as const),
      this.role.ended.then((error) => ({ error })),
    ]);
    if (ended !== 'stop') {
      this.terminating = true;
      await this.metricsServer?.close();
      if (ended.error === undefined) return 0;
      this.log.error(`${spec.name} ends: ${ended.error.message}`);
      return 1;
    }
    return this.stop(this.role);
  }

  private async stop(role: RunningRole<Config>): Promise<number> {
    try {
      await this.reloading;
      await role.stop();
      await this.metricsServer?.close();
      this.log.notice('exiting ...');
      return 0;
    } catch (error) {
      this.log.error(`stopping failed: ${(error as Error).message}`);
      return 1;
    }
  }

  terminate(text: string): void {
    if (this.terminating) return;
    this.terminating = true;
    this.log.notice(text);
    this.stopRequested?.();
  }

  reload(): void {
    this.reloading = this.reloading.then(() => this.reloadNow());
  }

  private async reloadNow(): Promise<void> {
    const { role } = this;
    if (role === undefined || this.terminating) return;
    const { root } = this.daemon.log;
    try {
      const loaded = this.daemon.load();
      for (const warning of loaded.warnings) root.warn(warning);
      root.setLevels(loaded.config.common.LOG_LEVEL, loaded.config.common.LOG_LEVELS);
      root.reopen();
      this.warnOfFixed(loaded.effective);
      await role.reload(loaded.config.role);
      this.effective = loaded.effective;
      this.log.notice('configuration has been reloaded');
    } catch (error) {
      const problems = error instanceof ConfigError ? error.problems : [(error as Error).message];
      for (const problem of problems) this.log.error(problem);
      this.log.error('reload failed: the old configuration stays in effect');
    }
  }

  private warnOfFixed(now: readonly EffectiveKey[]): void {
    const keys: KeyDefinitions = { ...commonKeys, ...this.daemon.spec.config.keys };
    for (const { key, text } of now) {
      const before = this.effective.find((one) => one.key === key);
      const definition = Object.hasOwn(keys, key) ? keys[key] : undefined;
      if (before === undefined || before.text === text || definition?.reload !== false) continue;
      this.log.warn(`${key}: the change takes effect with the next start`);
    }
  }

  info(): void {
    this.log.notice('log extra info');
    for (const line of this.role?.describe?.() ?? []) this.log.notice(line);
  }

  crash(error: Error): void {
    this.log.error(`unexpected error, the process ends: ${error.stack ?? error.message}`);
    if (this.starting) this.daemon.starter.print(`${error.stack ?? error.message}\n`);
    process.exit(1);
  }

  /** While starting, what is worth a notice is also told to the one who starts, in plain words. */
  private startLogger(root: Logger): Logger {
    const { starter, foreground } = this.daemon;
    if (foreground) return root;
    const tell = (text: string): void => {
      if (this.starting) starter.print(`${text}\n`);
    };
    const teeing = (to: Logger): Logger => {
      const both =
        (method: 'error' | 'warn' | 'notice') =>
        (text: string, fields?: LogFields): void => {
          to[method](text, fields);
          tell(text);
        };
      return {
        error: both('error'),
        warn: both('warn'),
        notice: both('notice'),
        info: (text, fields) => to.info(text, fields),
        debug: (text, fields) => to.debug(text, fields),
        child: (module) => teeing(to.child(module)),
      };
    };
    return teeing(root);
  }
}
