/** A connection that is made again whenever it is lost. */
import type { Frame } from '@wapiti-fs/protocol';

import type { Clock, Timer } from './clock.js';
import type { ConnectOptions, FramedConnection, KeepaliveRules, Network } from './connection.js';
import { NetworkError } from './errors.js';
import type { Random } from './random.js';

export interface BackOff {
  /** Wait after a lost connection or a first failed attempt. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** Each wait is so many times the one before. Default 2; 1: always the same. */
  readonly factor?: number;
  /** Part of each wait that is random, 0…1, so that many peers do not come back at one instant. Default 0. */
  readonly jitter?: number;
}

/** For so long after an established connection was lost, its successor is looked for. */
const BRISK_MS = 20_000;
/** A moving address does not answer at all for a moment: that is no reason to wait long for it. */
const BRISK_CONNECT_TIMEOUT_MS = 300;
const BRISK_RETRY_MS = 100;

export interface LinkTarget {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string | undefined;
}

export interface LinkOptions extends Omit<ConnectOptions, keyof LinkTarget | 'signal'> {
  readonly network: Network;
  readonly clock: Clock;
  /** Needed for jitter only. */
  readonly random?: Random;
  /** Asked before every wait. */
  readonly backOff: () => BackOff;
  /** Asked before every attempt; names are resolved by every attempt too. */
  readonly target: () => LinkTarget;
}

export interface LinkHandlers {
  /** Connected: `connection` can be sent on. */
  connected(connection: FramedConnection): void;
  frame(frame: Frame, connection: FramedConnection): void;
  /** A connection that had been made is gone; the next attempt follows by itself. */
  closed?(error: Error | undefined): void;
  /** An attempt failed; `retryInMs` until the next. `brisk`: one of many in the time after a loss. */
  failed?(error: Error, retryInMs: number, brisk: boolean): void;
  drain?(): void;
}

/**
 * Keeps a connection to a target. The wait grows with every failed attempt and begins anew after a connection that received at
 * least one frame: a peer that accepts and hangs up does not reset it.
 *
 * When an established connection is lost, its successor is looked for briskly: ten attempts a second for 20 seconds, since a virtual
 * address takes about a second to move. A connection closed by our own side with an error does not count as lost: what was
 * wrong would be wrong again at once.
 */
export class ReconnectingLink {
  private current: FramedConnection | undefined;
  private attempt: AbortController | undefined;
  private retry: Timer | undefined;
  private failures = 0;
  private running = false;
  private taken = false;
  private briskUntilMs = -Infinity;

  constructor(
    private readonly options: LinkOptions,
    private readonly handlers: LinkHandlers,
  ) {}

  /** The connection, while there is one. */
  get connection(): FramedConnection | undefined {
    return this.current;
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.connect();
  }

  /** False when not connected (nothing is queued then) or when the queue is full, as `FramedConnection.send`. */
  send(...parts: Buffer[]): boolean {
    return this.current?.send(...parts) ?? false;
  }

  setKeepalive(rules: KeepaliveRules): void {
    this.current?.setKeepalive(rules);
  }

  /** The peer has taken us: the connection is looked for briskly when it is lost. To be said of each connection. */
  established(): void {
    this.taken = this.current !== undefined;
  }

  /**
   * Connects anew, for example because the target changed: at once instead of a running attempt or wait; a connection is left, and
   * the first wait follows.
   */
  reconnect(error?: Error): void {
    if (!this.running) return;
    this.failures = 0;
    this.retry?.cancel();
    this.retry = undefined;
    if (this.current !== undefined) return this.current.destroy(error);
    this.attempt?.abort();
    this.connect();
  }

  /** No event follows after this. What is queued is still sent. */
  stop(): void {
    this.running = false;
    this.retry?.cancel();
    this.retry = undefined;
    this.attempt?.abort();
    this.attempt = undefined;
    this.current?.end();
    this.current = undefined;
  }

  private get brisk(): boolean {
    return this.options.clock.monotonicMs() < this.briskUntilMs;
  }

  private connect(): void {
    const { network, target, clock: _clock, random: _random, backOff: _backOff, ...framing } = this.options;
    const attempt = new AbortController();
    this.attempt = attempt;
    const connectTimeoutMs = this.brisk ? BRISK_CONNECT_TIMEOUT_MS : framing.connectTimeoutMs;
    network.connect({ ...framing, ...target(), connectTimeoutMs, signal: attempt.signal }).then(
      (connection) => this.made(attempt, connection),
      (error: Error) => {
        if (this.attempt !== attempt) return;
        this.attempt = undefined;
        const { brisk } = this;
        const waitMs = this.nextWaitMs();
        this.again(waitMs);
        this.handlers.failed?.(error, waitMs, brisk);
      },
    );
  }

  private made(attempt: AbortController, connection: FramedConnection): void {
    if (this.attempt !== attempt) return connection.destroy();
    this.attempt = undefined;
    this.current = connection;
    this.taken = false;
    connection.setHandlers({
      frame: (frame) => {
        if (this.current !== connection) return;
        this.failures = 0;
        this.handlers.frame(frame, connection);
      },
      close: (error) => {
        if (this.current !== connection) return;
        this.current = undefined;
        const lost = error === undefined || error instanceof NetworkError;
        if (this.taken && lost) this.briskUntilMs = this.options.clock.monotonicMs() + BRISK_MS;
        this.again(this.nextWaitMs());
        this.handlers.closed?.(error);
      },
      drain: () => {
        if (this.current === connection) this.handlers.drain?.();
      },
    });
    try {
      this.handlers.connected(connection);
    } catch (error) {
      connection.destroy(error as Error);
    }
  }

  private again(waitMs: number): void {
    this.retry = this.options.clock.after(waitMs, () => {
      this.retry = undefined;
      this.connect();
    });
  }

  /** `firstMs` after a good connection, then longer each time; the attempts after a loss are not counted. */
  private nextWaitMs(): number {
    if (this.brisk) return BRISK_RETRY_MS;
    const { firstMs, maxMs, factor = 2, jitter = 0 } = this.options.backOff();
    const waitMs = Math.min(maxMs, firstMs * factor ** this.failures++);
    const random = this.options.random;
    if (jitter === 0 || random === undefined) return waitMs;
    return waitMs * (1 - (jitter * random.below(1001)) / 1000);
  }
}
