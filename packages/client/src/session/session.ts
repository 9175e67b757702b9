/**
 * The session with the master: one registered connection at a time, made anew whenever it is lost, with all requests that have no
 * answer yet sent again over the new one. Callers only see that an answer takes longer.
 *
 * A connection is lost when the peer or the kernel says so, after ten seconds of silence, or when it has been silent for a while
 * and a second connection made beside it is registered first: a moved address is noticed in this way without waiting for
 * retransmissions, and a master that is merely busy keeps its connection.
 */
import {
  ANTOAN_BAD_COMMAND_SIZE,
  ANTOAN_NOP,
  ANTOAN_UNKNOWN_COMMAND,
  CLTOMA_FUSE_TIME_SYNC,
  type Frame,
  MATOCL_FUSE_CHUNK_HAS_CHANGED,
  MATOCL_FUSE_FLENG_HAS_CHANGED,
  MATOCL_FUSE_INVALIDATE_CHUNK_CACHE,
  MATOCL_FUSE_REGISTER,
  MATOCL_FUSE_TIME_SYNC,
  type Message,
  MFS_ERROR_ENOTSUP,
  NOP_CLIENT_FRAME,
  ProtocolError,
} from '@wapiti-fs/protocol';
import type { Timer } from '@wapiti-fs/runtime';

import { MfsError } from '../errors.js';
import { Dialer, Wire } from './dialer.js';
import type { SessionListener } from './listener.js';
import {
  DEFAULT_PORT,
  DEFAULT_START_LIMIT_MS,
  IDLE_TIMEOUT_MS,
  NOP_AFTER_MS,
  type SessionInfo,
  type SessionOptions,
  type SessionServices,
  SUSPECT_AFTER_MS,
  SUSPECT_REQUESTS_AFTER_MS,
  TICK_MS,
} from './options.js';
import { closeSessionFrame, type Registered } from './registration.js';
import { FileTimes, OpenInodes } from './reports.js';
import { type Reply, type RequestOptions, Requests } from './requests.js';

const SUSTAINED_PERIOD_MS = 60_000;
const TIME_SYNC_PERIOD_MS = 60_000;
const TIMES_PERIOD_MS = 1000;
const CLOSE_TIMEOUT_MS = 500;
/** A longer way of the time is not trusted (spec 13 §2.6). */
const MAX_PING_MS = 100;

export class MasterSession {
  readonly openInodes = new OpenInodes();
  readonly times = new FileTimes();
  private readonly requests: Requests;
  private readonly dialer: Dialer;
  private readonly listeners = new Set<SessionListener>();
  private known: SessionInfo | undefined;
  private wire: Wire | undefined;
  private ticker: Timer | undefined;
  private outage: Timer | undefined;
  /** Why requests fail at once at the moment. */
  private failure: { text: string; cause: Error | undefined } | undefined;
  private lastError: Error | undefined;
  private lastFrameMs = 0;
  private lastSustainedMs = 0;
  private lastTimesMs = 0;
  private lastTimeSyncMs = 0;
  /** Master's wall clock minus our monotonic one. */
  private clockOffsetMs: number | undefined;
  private reportsHeld = 0;
  private starting: { resolve: () => void; reject: (error: Error) => void; timer: Timer } | undefined;
  private closing: (() => void) | undefined;
  private stopped = false;

  constructor(
    private readonly services: SessionServices,
    private readonly options: SessionOptions,
  ) {
    this.requests = new Requests((frame) => {
      if (this.wire === undefined) return false;
      this.wire.connection.send(frame);
      return true;
    });
    this.dialer = new Dialer(services, options, () => this.known, {
      registered: (wire, result) => this.registered(wire, result),
      failed: (error, refused) => this.attemptFailed(error, refused),
    });
  }

  /** What the master told last; throws before the first registration. */
  get info(): SessionInfo {
    if (this.known === undefined) throw new MfsError('not registered at the master yet', { code: 'ENOTCONN' });
    return this.known;
  }

  get connected(): boolean {
    return this.wire !== undefined;
  }

  /** Address of the master as connected, while connected. */
  get masterAddress(): { readonly address: string; readonly port: number; readonly localAddress: string } | undefined {
    const connection = this.wire?.connection;
    if (connection === undefined) return undefined;
    const { remoteAddress: address, remotePort: port, localAddress } = connection;
    return { address, port, localAddress };
  }

  listen(listener: SessionListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Registers. Rejects when the master refuses, or cannot be reached within `startLimitMs`; nothing goes on then. */
  start(signal?: AbortSignal): Promise<SessionInfo> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const { clock } = this.services;
      const limitMs = this.options.startLimitMs ?? DEFAULT_START_LIMIT_MS;
      const settle = (): void => {
        this.starting?.timer.cancel();
        this.starting = undefined;
        signal?.removeEventListener('abort', onAbort);
      };
      const fail = (error: Error): void => {
        settle();
        this.abandon(error.message);
        reject(error);
      };
      const onAbort = (): void => fail(signal?.reason as Error);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.starting = {
        resolve: () => {
          settle();
          resolve(this.info);
        },
        reject: fail,
        timer: clock.after(limitMs, () =>
          fail(
            new MfsError(
              `no master at ${this.options.host}:${this.options.port ?? DEFAULT_PORT} within ${limitMs} ms`,
              {
                code: 'ETIMEDOUT',
                operation: 'connect',
                cause: this.lastError,
              },
            ),
          ),
        ),
      };
      this.lastSustainedMs = clock.monotonicMs();
      this.ticker = clock.every(TICK_MS, () => this.tick());
      this.dialer.start();
    });
  }

  /** Asks the master; waits for it while it is away. Rejects with MfsError, or the signal's reason. */
  request<Q extends { msgid: number }, A>(
    request: Message<Q>,
    answer: Message<A>,
    value: Omit<Q, 'msgid'>,
    options: RequestOptions,
  ): Promise<Reply<A>> {
    if (this.failure !== undefined) {
      const { text, cause } = this.failure;
      return Promise.reject(new MfsError(text, { ...options, code: 'EIO', cause }));
    }
    return this.requests.start(request, answer, value, options);
  }

  /** As {@link request} for a request that makes the master record an inode as open: no report in between may leave it out. */
  requestOpen<Q extends { msgid: number }, A>(
    request: Message<Q>,
    answer: Message<A>,
    value: Omit<Q, 'msgid'>,
    options: RequestOptions,
    opened: (answer: A) => number | undefined,
  ): Promise<Reply<A>> {
    return this.holdReports(async () => {
      const reply = await this.request(request, answer, value, options);
      const inode = opened(reply.value);
      if (inode !== undefined) this.openInodes.acquire(inode);
      return reply;
    });
  }

  /** While this runs, no report of open inodes is sent. */
  async holdReports<T>(perform: () => Promise<T>): Promise<T> {
    this.reportsHeld++;
    try {
      return await perform();
    } finally {
      this.reportsHeld--;
    }
  }

  /** Resolves after the time, or rejects with the signal's reason. */
  pause(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const end = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', end);
        if (signal?.aborted) reject(signal.reason as Error);
        else resolve();
      };
      const timer = this.services.clock.after(delayMs, end);
      signal?.addEventListener('abort', end, { once: true });
    });
  }

  /** The master's wall clock in seconds, as far as known. */
  masterNowS(): number {
    const { clock } = this.services;
    const nowMs = this.clockOffsetMs === undefined ? clock.nowMs() : clock.monotonicMs() + this.clockOffsetMs;
    return Math.floor(nowMs / 1000);
  }

  /** Tells the master that everything is released and the session has ended. Requests still waiting fail. */
  async close(): Promise<void> {
    if (this.stopped) return;
    const { wire, known } = this;
    if (wire !== undefined && known !== undefined) {
      const times = this.times.report();
      if (times !== undefined) wire.connection.send(times);
      wire.connection.send(new OpenInodes().report(), closeSessionFrame(known));
      await new Promise<void>((resolve) => {
        const timer = this.services.clock.after(CLOSE_TIMEOUT_MS, resolve);
        this.closing = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    this.abandon('the session was closed');
  }

  /** Ends everything without a word to the master, which keeps the session for others to take over. */
  abandon(text = 'the session was abandoned'): void {
    if (this.stopped) return;
    this.stopped = true;
    this.ticker?.cancel();
    this.outage?.cancel();
    this.dialer.stop();
    this.wire?.drop();
    this.wire = undefined;
    this.failure = { text, cause: undefined };
    this.requests.failAll(text);
  }

  // ---- connection ------------------------------------------------------------------------------------------------

  private registered(wire: Wire, { info, fresh }: Registered): void {
    const before = this.known;
    if (this.wire !== undefined) {
      this.services.log.warn('the silent connection to the master was replaced');
      this.lost(new MfsError('the master has moved', { code: 'ECONNRESET' }));
    }
    this.known = info;
    this.wire = wire;
    this.failure = undefined;
    this.outage?.cancel();
    this.outage = undefined;
    const { connection } = wire;
    this.services.log.info(before === undefined ? 'registered at the master' : 'registered at the master again', {
      address: connection.remoteAddress,
      session: info.sessionId,
    });
    if (fresh && before !== undefined) this.services.log.warn('the master had lost the session: locks are gone');
    connection.setKeepalive({ nop: NOP_CLIENT_FRAME, nopAfterMs: NOP_AFTER_MS, idleTimeoutMs: IDLE_TIMEOUT_MS });
    this.lastFrameMs = this.services.clock.monotonicMs();
    wire.own({ frame: (frame) => this.frame(frame), closed: (error) => this.connectionClosed(wire, error) });
    if (this.wire !== wire) return;
    this.syncTime();
    // A new session id knows none of our open files; a master after a failover knows those of its changelog.
    if (fresh && before !== undefined) connection.send(this.openInodes.report());
    this.requests.sendAll();
    this.starting?.resolve();
    for (const listener of this.listeners) listener.connected?.(info, fresh);
  }

  private connectionClosed(wire: Wire, error: Error | undefined): void {
    if (this.wire !== wire) return;
    if (this.closing !== undefined) return this.closing();
    const reason = error ?? new MfsError('the master closed the connection', { code: 'ECONNRESET' });
    this.services.log.warn('connection to the master lost', { error: reason });
    this.lost(reason);
    // Attempts begun while it was silent went where this one went.
    this.dialer.stop();
    this.dialer.start();
  }

  private lost(reason: Error): void {
    const { wire } = this;
    this.wire = undefined;
    wire?.drop();
    this.lastError = reason;
    this.requests.connectionLost();
    const limitMs = this.options.outageLimitMs;
    if (limitMs !== undefined && limitMs !== Infinity)
      this.outage = this.services.clock.after(limitMs, () => this.giveUp(`the master is away for ${limitMs} ms`));
    for (const listener of this.listeners) listener.disconnected?.(reason);
  }

  private giveUp(text: string): void {
    this.failure = { text, cause: this.lastError };
    this.requests.failAll(text, this.lastError);
  }

  private attemptFailed(error: Error, refused: boolean): void {
    this.lastError = error;
    if (!refused) return this.services.log.debug('no connection to the master', { error });
    this.services.log.warn(error.message);
    if (this.starting !== undefined) return this.starting.reject(error);
    // A foreign file system never becomes ours by waiting; anything else the operator may put right.
    if (error instanceof MfsError && error.code === 'EIO' && this.wire === undefined) this.giveUp(error.message);
  }

  // ---- frames ----------------------------------------------------------------------------------------------------

  private frame({ type, payload }: Frame): void {
    this.lastFrameMs = this.services.clock.monotonicMs();
    if (this.wire !== undefined && this.dialer.running) this.dialer.stop(); // it is alive after all
    if (type === MATOCL_FUSE_REGISTER.type && this.closing !== undefined) return this.closing();
    if (payload.length < 4) {
      if (type === ANTOAN_UNKNOWN_COMMAND.type || type === ANTOAN_BAD_COMMAND_SIZE.type) return;
      throw new ProtocolError(`message ${type} from the master with ${payload.length} bytes, without msgid`);
    }
    const msgid = payload.readUInt32BE(0);
    if (type === ANTOAN_UNKNOWN_COMMAND.type || type === ANTOAN_BAD_COMMAND_SIZE.type)
      return this.requests.refused(msgid, MFS_ERROR_ENOTSUP);
    if (msgid !== 0) return this.requests.answered(msgid, type, payload);
    this.unsolicited(type, payload);
  }

  private unsolicited(type: number, payload: Buffer): void {
    switch (type) {
      case ANTOAN_NOP.type:
        ANTOAN_NOP.decode(payload);
        return;
      case MATOCL_FUSE_TIME_SYNC.type:
        return this.timeSynced(payload);
      case MATOCL_FUSE_CHUNK_HAS_CHANGED.type: {
        const change = MATOCL_FUSE_CHUNK_HAS_CHANGED.decode(payload);
        for (const listener of this.listeners) listener.chunkChanged?.(change);
        return;
      }
      case MATOCL_FUSE_FLENG_HAS_CHANGED.type: {
        const { inode, length } = MATOCL_FUSE_FLENG_HAS_CHANGED.decode(payload);
        for (const listener of this.listeners) listener.lengthChanged?.(inode, length);
        return;
      }
      case MATOCL_FUSE_INVALIDATE_CHUNK_CACHE.type:
        MATOCL_FUSE_INVALIDATE_CHUNK_CACHE.decode(payload);
        for (const listener of this.listeners) listener.serversChanged?.();
        return;
      default:
        throw new ProtocolError(`message ${type} from the master that was not asked for`);
    }
  }

  // ---- time ------------------------------------------------------------------------------------------------------

  private tick(): void {
    const nowMs = this.services.clock.monotonicMs();
    const { wire } = this;
    if (wire === undefined) return;
    const silentMs = nowMs - this.lastFrameMs;
    if (silentMs > (this.requests.size > 0 ? SUSPECT_REQUESTS_AFTER_MS : SUSPECT_AFTER_MS)) this.dialer.start();
    if (nowMs - this.lastTimeSyncMs >= TIME_SYNC_PERIOD_MS) this.syncTime();
    if (nowMs - this.lastTimesMs >= TIMES_PERIOD_MS) {
      this.lastTimesMs = nowMs;
      const times = this.times.report();
      if (times !== undefined) wire.connection.send(times);
    }
    if (nowMs - this.lastSustainedMs >= SUSTAINED_PERIOD_MS && this.reportsHeld === 0) {
      this.lastSustainedMs = nowMs;
      wire.connection.send(this.openInodes.report());
    }
  }

  private syncTime(): void {
    this.lastTimeSyncMs = this.services.clock.monotonicMs();
    this.wire?.connection.send(CLTOMA_FUSE_TIME_SYNC.encode({ variant: 'msgid', msgid: 0 }));
  }

  private timeSynced(payload: Buffer): void {
    const answer = MATOCL_FUSE_TIME_SYNC.decode(payload);
    const nowMs = this.services.clock.monotonicMs();
    const pingMs = nowMs - this.lastTimeSyncMs;
    this.clockOffsetMs = Number(answer.timeUs) / 1000 + (pingMs > MAX_PING_MS ? 0 : pingMs / 2) - nowMs;
  }
}
