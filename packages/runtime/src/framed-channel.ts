/**
 * What all framed connections share, whatever carries the bytes: parsing, keepalive, delivery rules, the single close.
 *
 * Invariants: `close` is called once, after every frame that was received whole; no handler is called from within `send`;
 * a violation by the peer (length limit, an exception of the frame handler) closes this connection only.
 */
import { FrameParser, type Frame } from '@wapiti-fs/protocol';

import type { Clock, Timer } from './clock.js';
import type { ConnectionHandlers, FramedConnection, FramingOptions, KeepaliveRules } from './connection.js';
import { NetworkError } from './errors.js';

export const DEFAULT_HIGH_WATER_BYTES = 4 * 1024 * 1024;
export const DEFAULT_MAX_QUEUED_BYTES = 256 * 1024 * 1024;
/** After `end` the peer has so long to close its side too. */
export const END_TIMEOUT_MS = 5000;
/** A timer later than this tells that this process did not run: such time does not count as the peer's silence (spec 01 §9). */
const LATE_TIMER_MS = 100;
/** Timers run at least this often, so that the length of such a stop is known. */
const TICK_MS = 1000;

export abstract class FramedChannel implements FramedConnection {
  abstract readonly remoteAddress: string;
  abstract readonly remotePort: number;
  abstract readonly localAddress: string;
  abstract readonly localPort: number;
  abstract readonly queuedBytes: number;

  private readonly parser: FrameParser;
  private readonly highWaterBytes: number;
  private readonly maxQueuedBytes: number;
  private handlers: ConnectionHandlers | undefined;
  private rules: KeepaliveRules;
  private timer: Timer | undefined;
  private timerDueMs = 0;
  private lastReceivedMs: number;
  private lastSentMs: number;
  private paused = false;
  private ending = false;
  private destroyed = false;
  private delivering = false;
  private full = false;
  /** Frames of the chunk whose delivery `pause` interrupted. */
  private held: Iterator<Frame, void> | undefined;
  private closedWith: { error: Error | undefined } | undefined;
  private closeDelivered = false;
  private failure: Error | undefined;

  protected constructor(
    protected readonly clock: Clock,
    options: FramingOptions,
  ) {
    this.parser = new FrameParser(options.limit);
    this.highWaterBytes = options.highWaterBytes ?? DEFAULT_HIGH_WATER_BYTES;
    this.maxQueuedBytes = options.maxQueuedBytes ?? DEFAULT_MAX_QUEUED_BYTES;
    this.rules = options.keepalive ?? {};
    this.lastReceivedMs = this.lastSentMs = clock.monotonicMs();
  }

  // ---- what the carrier provides ---------------------------------------------------------------------------------

  protected abstract startReading(): void;
  protected abstract pauseReading(): void;
  protected abstract write(parts: readonly Buffer[]): void;
  protected abstract endWriting(): void;
  /** Must lead to {@link carrierClosed}, not synchronously. */
  protected abstract destroyCarrier(): void;

  // ---- FramedConnection ------------------------------------------------------------------------------------------

  get closed(): boolean {
    return this.ending || this.destroyed || this.closedWith !== undefined;
  }

  setHandlers(handlers: ConnectionHandlers): void {
    if (this.handlers !== undefined) throw new Error('handlers were set already');
    this.handlers = handlers;
    if (this.closedWith !== undefined) return queueMicrotask(() => this.deliverClose());
    this.startReading();
    this.arm();
  }

  send(...parts: Buffer[]): boolean {
    if (this.closed) return true;
    this.lastSentMs = this.clock.monotonicMs();
    this.write(parts);
    const { queuedBytes } = this;
    if (queuedBytes > this.maxQueuedBytes) {
      this.destroy(
        new NetworkError(
          'ENOBUFS',
          `${this.peer}: output queue too long (${queuedBytes}/${this.maxQueuedBytes} bytes)`,
        ),
      );
      return false;
    }
    if (queuedBytes > this.highWaterBytes) this.full = true;
    return !this.full;
  }

  pause(): void {
    if (this.paused || this.closed) return;
    this.paused = true;
    this.pauseReading();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.lastReceivedMs = this.clock.monotonicMs();
    if (this.held !== undefined && !this.delivering) {
      // Not within this call: the caller may be in the middle of something.
      queueMicrotask(() => this.deliverHeld());
    } else if (!this.closed) {
      this.startReading();
    }
    this.arm();
  }

  setKeepalive(rules: KeepaliveRules): void {
    this.rules = rules;
    this.lastReceivedMs = this.clock.monotonicMs();
    this.arm();
  }

  end(): void {
    if (this.closed) return;
    this.ending = true;
    this.held = undefined;
    this.timer?.cancel();
    this.watchEnd(this.queuedBytes);
    this.startReading(); // what still comes is thrown away, so that the end of the stream is seen
    this.endWriting();
  }

  destroy(error?: Error): void {
    if (this.destroyed || this.closedWith !== undefined) return;
    this.destroyed = true;
    this.failure = error;
    this.timer?.cancel();
    this.destroyCarrier();
  }

  /** Gives up on a peer that neither takes what is queued nor closes. */
  private watchEnd(queuedBytes: number): void {
    this.timer = this.clock.after(END_TIMEOUT_MS, () => {
      if (this.queuedBytes > 0 && this.queuedBytes < queuedBytes) this.watchEnd(this.queuedBytes);
      else this.destroyCarrier();
    });
  }

  // ---- called by the carrier -------------------------------------------------------------------------------------

  protected get peer(): string {
    return `${this.remoteAddress}:${this.remotePort}`;
  }

  protected received(chunk: Buffer): void {
    this.receivedFrames(this.parser.push(chunk));
  }

  /** Bytes came; the frames they complete are parsed while they are delivered. */
  protected receivedFrames(frames: Iterator<Frame, void>): void {
    if (this.closed) return;
    this.lastReceivedMs = this.clock.monotonicMs();
    if (this.held !== undefined) this.held = chained(this.held, frames);
    else if (this.paused) this.held = frames;
    else this.deliver(frames);
  }

  /** The queue has emptied. */
  protected drained(): void {
    if (!this.full || this.closed) return;
    this.full = false;
    this.guard(() => this.handlers?.drain?.());
  }

  protected carrierClosed(error: Error | undefined): void {
    if (this.closedWith !== undefined) return;
    this.timer?.cancel();
    if (!this.destroyed && !this.ending && this.held !== undefined) this.deliver(this.held, true);
    const own = this.destroyed || this.ending;
    this.closedWith = { error: own ? this.failure : error };
    if (this.handlers !== undefined) this.deliverClose();
  }

  // ---- delivery --------------------------------------------------------------------------------------------------

  private deliver(frames: Iterator<Frame, void>, evenWhenPaused = false): void {
    this.delivering = true;
    this.held = undefined;
    try {
      for (;;) {
        const next = frames.next();
        if (next.done) break;
        this.handlers?.frame(next.value);
        if (this.closed) break;
        if (this.paused && !evenWhenPaused) {
          this.held = frames;
          break;
        }
      }
    } catch (error) {
      this.destroy(error as Error);
    } finally {
      this.delivering = false;
    }
  }

  private deliverHeld(): void {
    const { held } = this;
    if (held === undefined || this.paused || this.closed) return;
    this.deliver(held);
    if (!this.paused && !this.closed) this.startReading();
  }

  private guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  private deliverClose(): void {
    if (this.closeDelivered || this.closedWith === undefined) return;
    this.closeDelivered = true;
    this.handlers?.close(this.closedWith.error);
  }

  // ---- keepalive -------------------------------------------------------------------------------------------------

  private arm(): void {
    this.timer?.cancel();
    this.timer = undefined;
    if (this.closed || this.handlers === undefined) return;
    const { nop, nopAfterMs, idleTimeoutMs } = this.rules;
    let dueMs = Infinity;
    if (nop !== undefined && nopAfterMs !== undefined) dueMs = this.lastSentMs + nopAfterMs;
    if (idleTimeoutMs !== undefined && !this.paused) dueMs = Math.min(dueMs, this.lastReceivedMs + idleTimeoutMs);
    if (dueMs === Infinity) return;
    const nowMs = this.clock.monotonicMs();
    dueMs = Math.min(Math.max(dueMs, nowMs), nowMs + TICK_MS);
    this.timerDueMs = dueMs;
    // At least 1 ms: timers of Node may come a fraction of a millisecond early.
    this.timer = this.clock.after(Math.max(Math.ceil(dueMs - nowMs), 1), () => this.tick());
  }

  private tick(): void {
    const nowMs = this.clock.monotonicMs();
    const lateMs = nowMs - this.timerDueMs;
    if (lateMs > LATE_TIMER_MS) this.lastReceivedMs = Math.min(this.lastReceivedMs + lateMs, nowMs);
    const { nop, nopAfterMs, idleTimeoutMs } = this.rules;
    if (idleTimeoutMs !== undefined && !this.paused && nowMs - this.lastReceivedMs >= idleTimeoutMs) {
      this.destroy(new NetworkError('ETIMEDOUT', `${this.peer}: nothing received for ${idleTimeoutMs} ms`));
      return;
    }
    if (nop !== undefined && nopAfterMs !== undefined && nowMs - this.lastSentMs >= nopAfterMs) {
      // A queue that does not empty is not idle: NOPs would only make it longer.
      if (this.queuedBytes === 0) this.send(nop);
      else this.lastSentMs = nowMs;
    }
    this.arm();
  }
}

function* chained(first: Iterator<Frame, void>, second: Iterator<Frame, void>): Generator<Frame, void, undefined> {
  for (const frames of [first, second]) {
    for (let next = frames.next(); !next.done; next = frames.next()) yield next.value;
  }
}
