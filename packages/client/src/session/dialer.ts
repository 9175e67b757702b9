/**
 * Attempts to get a registered connection. A new attempt begins every fraction of a second while earlier ones may still be waiting
 * for an answer of an address that is moving between hosts: the first registered one wins, the others are dropped. So a moved
 * address is found as soon as it answers, and a slow network is given time all the same.
 *
 * Only a first registration makes a new session; it is not raced.
 */
import { MATOCL_MAXPACKETSIZE, type Frame, ProtocolError } from '@wapiti-fs/protocol';
import { type FramedConnection, NetworkError, type Timer } from '@wapiti-fs/runtime';

import { MfsError } from '../errors.js';
import {
  DEFAULT_CONNECT_TIMEOUT_MS,
  DEFAULT_PORT,
  DEFAULT_RETRY_MS,
  MAX_ATTEMPTS,
  REFUSED_PAUSE_MS,
  REGISTER_TIMEOUT_MS,
  SLOW_AFTER_MS,
  SLOW_FACTOR,
  type SessionInfo,
  type SessionOptions,
  type SessionServices,
} from './options.js';
import { type Registered, registration, type RegistrationDialogue } from './registration.js';

/** A connection whose frames go to whoever owns it at the moment. */
export class Wire {
  owner: WireOwner | undefined;
  private pending: { error: Error | undefined } | undefined;

  constructor(readonly connection: FramedConnection) {
    connection.setHandlers({
      frame: (frame) => this.owner?.frame(frame),
      close: (error) => {
        this.pending = { error };
        this.owner?.closed(error);
      },
    });
  }

  /** Changes the owner; a connection that closed meanwhile reports it. */
  own(owner: WireOwner): void {
    this.owner = owner;
    if (this.pending !== undefined) owner.closed(this.pending.error);
  }

  drop(error?: Error): void {
    this.owner = undefined;
    this.connection.destroy(error);
  }
}

export interface WireOwner {
  frame(frame: Frame): void;
  closed(error: Error | undefined): void;
}

export interface DialerHandlers {
  registered(wire: Wire, result: Registered): void;
  /** An attempt failed. `refused`: by the master, not by the network. */
  failed(error: Error, refused: boolean): void;
}

export class Dialer {
  private readonly attempts = new Set<Attempt>();
  private timer: Timer | undefined;
  private startedMs = 0;
  private registerTimeoutMs = REGISTER_TIMEOUT_MS;

  constructor(
    private readonly services: SessionServices,
    private readonly options: SessionOptions,
    private readonly known: () => SessionInfo | undefined,
    private readonly handlers: DialerHandlers,
  ) {}

  get running(): boolean {
    return this.timer !== undefined || this.attempts.size > 0;
  }

  start(): void {
    if (this.running) return;
    this.startedMs = this.services.clock.monotonicMs();
    this.registerTimeoutMs = REGISTER_TIMEOUT_MS;
    this.next();
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
    for (const attempt of this.attempts) attempt.cancel();
    this.attempts.clear();
  }

  private next(): void {
    this.timer = undefined;
    const known = this.known();
    const most = known === undefined ? 1 : MAX_ATTEMPTS;
    if (this.attempts.size >= most && most > 1) this.makeRoom();
    if (this.attempts.size < most) {
      const attempt = new Attempt(this.services, this.options, known, this.registerTimeoutMs, {
        registered: (wire, result) => {
          this.attempts.delete(attempt);
          this.stop();
          this.handlers.registered(wire, result);
        },
        failed: (error, refused) => this.failed(attempt, error, refused),
      });
      this.attempts.add(attempt);
      attempt.start();
    }
    this.schedule(this.retryMs());
  }

  /**
   * The oldest attempt is left its time, since a busy master may answer yet; the second oldest goes, since the address may belong to
   * another host by now.
   */
  private makeRoom(): void {
    const [, second] = this.attempts;
    if (second === undefined) return;
    this.attempts.delete(second);
    second.cancel();
  }

  private retryMs(): number {
    const retryMs = this.options.retryMs ?? DEFAULT_RETRY_MS;
    const elapsedMs = this.services.clock.monotonicMs() - this.startedMs;
    // A host that accepts connections is there, but busy or hung: not to be flooded.
    const slow = elapsedMs > SLOW_AFTER_MS || [...this.attempts].some((one) => one.registering);
    // Not all clients of a cluster at one instant.
    const jitter = 0.8 + this.services.random.below(401) / 1000;
    return retryMs * (slow ? SLOW_FACTOR : 1) * jitter;
  }

  private schedule(waitMs: number): void {
    this.timer?.cancel();
    this.timer = this.services.clock.after(waitMs, () => this.next());
  }

  private failed(attempt: Attempt, error: Error, refused: boolean): void {
    if (!this.attempts.delete(attempt)) return;
    if (refused) {
      this.stop();
      this.schedule(REFUSED_PAUSE_MS);
    } else if (attempt.registering) {
      // Connected, but no answer: perhaps a very busy master.
      this.registerTimeoutMs = Math.min(this.registerTimeoutMs * 2, 8 * REGISTER_TIMEOUT_MS);
    }
    this.handlers.failed(error, refused);
  }
}

/** One connection and its registration. */
class Attempt {
  registering = false;
  private readonly abort = new AbortController();
  private wire: Wire | undefined;
  private dialogue: RegistrationDialogue | undefined;
  private answerType = 0;
  private timer: Timer | undefined;
  private done = false;

  constructor(
    private readonly services: SessionServices,
    private readonly options: SessionOptions,
    private readonly known: SessionInfo | undefined,
    private readonly registerTimeoutMs: number,
    private readonly handlers: DialerHandlers,
  ) {}

  start(): void {
    const { host, port = DEFAULT_PORT, localAddress, connectTimeoutMs = DEFAULT_CONNECT_TIMEOUT_MS } = this.options;
    this.services.network
      .connect({
        host,
        port,
        localAddress,
        connectTimeoutMs,
        limit: MATOCL_MAXPACKETSIZE,
        signal: this.abort.signal,
      })
      .then(
        (connection) => this.connected(connection),
        (error: Error) => this.fail(error, false),
      );
  }

  cancel(): void {
    this.done = true;
    this.timer?.cancel();
    this.abort.abort();
    this.wire?.drop();
  }

  private connected(connection: FramedConnection): void {
    if (this.done) return connection.destroy();
    this.registering = true;
    this.wire = new Wire(connection);
    this.wire.own({
      frame: (frame) => this.frame(frame),
      closed: (error) =>
        this.fail(
          error ?? new NetworkError('ECONNRESET', `${this.options.host}: closed during the registration`),
          false,
        ),
    });
    this.dialogue = registration(this.options, this.known);
    this.step(undefined);
  }

  private frame({ type, payload }: Frame): void {
    if (type === 0 && this.answerType !== 0) return; // NOPs also come to the unregistered
    if (type !== this.answerType)
      return this.fail(
        new ProtocolError(`message ${type} during the registration, expected ${this.answerType}`),
        false,
      );
    this.step(payload);
  }

  private step(payload: Buffer | undefined): void {
    const { dialogue, wire } = this;
    if (dialogue === undefined || wire === undefined || this.done) return;
    this.timer?.cancel();
    try {
      const { value, done } = payload === undefined ? dialogue.next() : dialogue.next(payload);
      if (done) {
        this.done = true;
        return this.handlers.registered(wire, value);
      }
      this.answerType = value.answerType;
      this.timer = this.services.clock.after(this.registerTimeoutMs, () =>
        this.fail(
          new NetworkError(
            'ETIMEDOUT',
            `${this.options.host}: no answer to the registration within ${this.registerTimeoutMs} ms`,
          ),
          false,
        ),
      );
      wire.connection.send(value.frame);
    } catch (error) {
      this.fail(error as Error, error instanceof MfsError);
    }
  }

  private fail(error: Error, refused: boolean): void {
    if (this.done) return;
    this.done = true;
    this.timer?.cancel();
    this.wire?.drop();
    this.handlers.failed(error, refused);
  }
}
