import type { Clock } from './clock.js';
import type { Network } from './connection.js';
import type { Logger } from './logger.js';
import type { Metrics } from './metrics.js';
import type { Random } from './random.js';

/** The outside world as handed to a role, whether it runs as a daemon or embedded (`wapiti dev`, tests). */
export interface Services {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly log: Logger;
  /** Where the role registers its metrics; absent when nobody will read them. */
  readonly metrics?: Metrics;
}

/** A role that was started: what the daemon life cycle (or an embedder) can do with it. */
export interface RunningRole<Config> {
  /** SIGHUP: applies what can be changed at run time; throws a ConfigError to keep the old configuration. */
  reload(config: Config): Promise<void>;
  /** Clean shutdown: connections closed in order, data saved. */
  stop(): Promise<void>;
  /** Resolves if the role ends by itself (fatal condition), with the reason. */
  readonly ended: Promise<Error | undefined>;
  /** `info` action / SIGUSR1: lines describing the running state. */
  describe?(): string[];
}

/** Starts a role. Every app exports one of these; its `main.ts` only hands it to the daemon life cycle. */
export type StartRole<Config, Role extends RunningRole<Config> = RunningRole<Config>> = (
  config: Config,
  services: Services,
) => Promise<Role>;
