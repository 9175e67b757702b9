import type { Clock, Timer } from './clock.js';
import type { FramingOptions } from './connection.js';
import { NetworkError } from './errors.js';
import { FramedChannel } from './framed-channel.js';

const DEFAULT_WINDOW_BYTES = 1024 * 1024;

/** What a connection in memory asks of its network. */
export interface MemoryLinks {
  readonly clock: Clock;
  readonly options: { readonly segmentBytes?: number; readonly windowBytes?: number };
  blocked(a: string, b: string): boolean;
  delayMs(a: string, b: string): number;
  forget(connection: MemoryConnection): void;
}

/** One end of a connection. */
export interface Place {
  readonly host: string;
  readonly address: string;
  readonly port: number;
}

type Parcel = Buffer | 'end' | 'reset';

/** One end of a connection of a `MemoryNetwork`. */
export class MemoryConnection extends FramedChannel {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly localHost: string;
  readonly remoteHost: string;
  peerEnd: MemoryConnection | undefined;
  onGone: (() => void) | undefined;

  /** Sent and not delivered yet, in order. */
  private readonly outgoing: { parcel: Parcel; dueMs: number }[] = [];
  private outgoingBytes = 0;
  private delivery: Timer | undefined;
  /** Arrived while not reading. */
  private readonly incoming: Parcel[] = [];
  private reading = false;
  private gone = false;
  private sentEnd = false;
  private readonly windowBytes: number;

  constructor(
    private readonly network: MemoryLinks,
    options: FramingOptions,
    local: Place,
    remote: Place,
  ) {
    super(network.clock, options);
    this.localHost = local.host;
    this.localAddress = local.address;
    this.localPort = local.port;
    this.remoteHost = remote.host;
    this.remoteAddress = remote.address;
    this.remotePort = remote.port;
    this.windowBytes = network.options.windowBytes ?? DEFAULT_WINDOW_BYTES;
  }

  get queuedBytes(): number {
    return Math.max(0, this.outgoingBytes + (this.peerEnd?.waitingBytes ?? 0) - this.windowBytes);
  }

  private get waitingBytes(): number {
    return this.incoming.reduce((sum, one) => sum + (typeof one === 'string' ? 0 : one.length), 0);
  }

  /** Both ends see a reset connection. */
  reset(): void {
    this.outgoing.length = 0;
    if (this.peerEnd !== undefined) this.peerEnd.outgoing.length = 0;
    this.peerEnd?.vanish(new NetworkError('ECONNRESET', `${this.peerEnd.peer}: connection reset`));
    this.vanish(new NetworkError('ECONNRESET', `${this.peer}: connection reset`));
  }

  /** Delivers what is due, as far as something passes. */
  flush(): void {
    this.delivery?.cancel();
    this.delivery = undefined;
    const { peerEnd } = this;
    while (peerEnd !== undefined && !this.network.blocked(this.localHost, this.remoteHost)) {
      const first = this.outgoing[0];
      if (first === undefined) return;
      const waitMs = first.dueMs - this.clock.monotonicMs();
      if (waitMs > 0) {
        this.delivery = this.clock.after(waitMs, () => this.flush());
        return;
      }
      this.outgoing.shift();
      if (typeof first.parcel !== 'string') this.outgoingBytes -= first.parcel.length;
      peerEnd.arrive(first.parcel);
      if (this.queuedBytes === 0) this.drained();
    }
  }

  protected startReading(): void {
    this.reading = true;
    this.read();
  }

  protected pauseReading(): void {
    this.reading = false;
  }

  protected write(parts: readonly Buffer[]): void {
    const bytes = Buffer.concat(parts);
    const step = this.network.options.segmentBytes ?? bytes.length;
    for (let at = 0; at < bytes.length; at += step) this.post(bytes.subarray(at, at + step));
  }

  protected endWriting(): void {
    if (!this.sentEnd) this.post('end');
    this.sentEnd = true;
  }

  protected destroyCarrier(): void {
    if (this.gone) return;
    // The peer gets what the kernel had taken, then the end; unread data on our side make it a reset (as in TCP).
    this.post(this.incoming.length > 0 ? 'reset' : 'end');
    this.vanish(undefined);
  }

  private post(parcel: Parcel): void {
    if (this.gone) return;
    if (typeof parcel !== 'string') this.outgoingBytes += parcel.length;
    this.outgoing.push({
      parcel,
      dueMs: this.clock.monotonicMs() + this.network.delayMs(this.localHost, this.remoteHost),
    });
    this.delivery ??= this.clock.after(this.network.delayMs(this.localHost, this.remoteHost), () => this.flush());
  }

  private arrive(parcel: Parcel): void {
    if (this.gone) return;
    if (parcel === 'reset') return this.vanish(new NetworkError('ECONNRESET', `${this.peer}: connection reset`));
    this.incoming.push(parcel);
    this.read();
  }

  private read(): void {
    if (!this.reading || this.gone) return;
    for (let parcel = this.incoming.shift(); parcel !== undefined; parcel = this.incoming.shift()) {
      if (typeof parcel === 'string') {
        this.endWriting();
        this.vanish(undefined);
        return;
      }
      this.received(parcel);
      if (!this.reading || this.gone) break;
    }
    const { peerEnd } = this;
    if (peerEnd !== undefined && peerEnd.queuedBytes === 0) peerEnd.drained();
  }

  private vanish(error: Error | undefined): void {
    if (this.gone) return;
    this.gone = true;
    this.network.forget(this);
    this.onGone?.();
    queueMicrotask(() => this.carrierClosed(error));
  }
}
