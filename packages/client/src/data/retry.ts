/** When to try again, and when to give up (spec 13 §7.8, §8.6). Time comes in as an argument. */
import {
  MFS_ERROR_CANTCONNECT,
  MFS_ERROR_DISCONNECTED,
  MFS_ERROR_EAGAIN,
  MFS_ERROR_IO,
  MFS_ERROR_LOCKED,
  MFS_ERROR_NOSPACE,
  MFS_ERROR_NOTDONE,
  ProtocolError,
} from '@wapiti-fs/protocol';

import { DataError, exhaustedError, finalError, statusOf } from './errors.js';

export interface RetryLimits {
  readonly outageLimitMs: number;
  readonly refusalLimitMs: number;
  readonly noSpaceLimitMs: number;
}

const STEP_MS = 300;
/** The reference goes up to 10 s; a program that waits for a failover should not wait much longer than it takes. */
const MAX_DELAY_MS = 2000;
/** Longer between two refusals: something else was the matter in between. */
const MAX_REFUSAL_GAP_MS = 2 * MAX_DELAY_MS;
const NOTDONE_DELAY_MS = 300;
const NO_SERVERS_DELAY_MS = 500;

/** Tries of one chunk operation. Every method tells the wait before the next try, or throws the DataError to end with. */
export class Retry {
  private tries = 0;
  private polls = 0;
  /** Since the last success. */
  private outageSinceMs: number | undefined;
  private refusedForMs = 0;
  private lastRefusedMs: number | undefined;

  constructor(
    private readonly limits: RetryLimits,
    private readonly what: string,
  ) {}

  get failures(): number {
    return this.tries;
  }

  /** Something worked. */
  reset(): void {
    this.tries = 0;
    this.polls = 0;
    this.outageSinceMs = undefined;
    this.refusedForMs = 0;
    this.lastRefusedMs = undefined;
  }

  /** The master rejected a request. */
  afterMaster(error: unknown, nowMs: number): number {
    const status = statusOf(error);
    if (status === undefined) return this.afterOutage(error, nowMs);
    const final = finalError(status, this.what);
    if (final !== undefined) throw final;
    if (status === MFS_ERROR_LOCKED || status === MFS_ERROR_EAGAIN) {
      this.polls++;
      return this.polls <= 3 ? 1 : this.polls <= 7 ? 100 : 500;
    }
    return this.afterRefusal(status, nowMs);
  }

  /** A session with a chunkserver failed, with a status or otherwise. */
  afterServer(error: Error, status: number | undefined, nowMs: number): number {
    // Nonsense and wrong checksums do not go away by waiting for ever.
    if (error instanceof ProtocolError) return this.afterRefusal(MFS_ERROR_IO, nowMs, error);
    if (status === undefined || status === MFS_ERROR_CANTCONNECT || status === MFS_ERROR_DISCONNECTED)
      return this.afterOutage(error, nowMs);
    return this.afterRefusal(status, nowMs);
  }

  private afterRefusal(status: number, nowMs: number, error?: Error): number {
    if (status === MFS_ERROR_NOTDONE) return NOTDONE_DELAY_MS;
    const limitMs = status === MFS_ERROR_NOSPACE ? this.limits.noSpaceLimitMs : this.limits.refusalLimitMs;
    if (this.refused(nowMs) >= limitMs)
      throw exhaustedError(status, error === undefined ? this.what : `${this.what}: ${error.message}`);
    return this.delayMs();
  }

  /** No copy can be reached at the moment, says the master. */
  afterNoServers(nowMs: number): number {
    if (this.refused(nowMs) >= this.limits.refusalLimitMs)
      throw new DataError('ENXIO', `${this.what}: no chunkserver with a copy is connected`);
    this.tries++;
    return NO_SERVERS_DELAY_MS;
  }

  /** How long there have been refusals. A request that waited for a master to come back was not refused meanwhile. */
  private refused(nowMs: number): number {
    this.refusedForMs += Math.min(nowMs - (this.lastRefusedMs ?? nowMs), MAX_REFUSAL_GAP_MS);
    this.lastRefusedMs = nowMs;
    return this.refusedForMs;
  }

  /** No answer, no connection, a broken one. */
  afterOutage(error: unknown, nowMs: number): number {
    this.outageSinceMs ??= nowMs;
    if (nowMs - this.outageSinceMs >= this.limits.outageLimitMs)
      throw new DataError('EIO', `${this.what}: ${(error as Error).message}`, { cause: error });
    return this.delayMs();
  }

  private delayMs(): number {
    this.tries++;
    return Math.min(1 + (this.tries - 1) * STEP_MS, MAX_DELAY_MS);
  }
}
