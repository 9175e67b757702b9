/** Connections to other chunkservers: opened with growing patience, kept for reuse after a clean session (spec 04 §3.4, §6.1). */
import { ANTOAN_NOP, NOP_FRAME } from '@wapiti-fs/protocol';
import type { Frame } from '@wapiti-fs/protocol';
import type { ConnectOptions, FramedConnection, Network } from '@wapiti-fs/runtime';

export const MAX_DATA_PACKET_BYTES = 100_000;
const CACHE_CAPACITY = 250;
const CACHED_NOP_MS = 500;
const CONNECT_TIMEOUTS_MS = [200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800];
/** Bytes waiting for a slow next server before the previous one is told to wait. */
const HIGH_WATER_BYTES = 1024 * 1024;

export interface ChainReceiver {
  frame(frame: Frame): void;
  close(error?: Error): void;
  drain?(): void;
}

/** A connection whose user changes: a write session, the cache, the next session. */
export class ChainConnection {
  private receiver: ChainReceiver | undefined;
  closed = false;

  constructor(
    readonly key: string,
    readonly connection: FramedConnection,
    private readonly closedInCache: (one: ChainConnection) => void,
  ) {
    connection.setHandlers({
      frame: (frame) => this.frame(frame),
      drain: () => this.receiver?.drain?.(),
      close: (error) => {
        this.closed = true;
        const receiver = this.receiver;
        this.receiver = undefined;
        if (receiver) receiver.close(error);
        else this.closedInCache(this);
      },
    });
  }

  private frame(frame: Frame): void {
    if (this.receiver) this.receiver.frame(frame);
    else if (frame.type !== ANTOAN_NOP.type) this.connection.destroy();
  }

  use(receiver: ChainReceiver): void {
    this.receiver = receiver;
    this.connection.setKeepalive({});
  }

  /** No user any more: kept alive, and closed by anything but a NOP. */
  rest(): void {
    this.receiver = undefined;
    this.connection.setKeepalive({ nop: NOP_FRAME, nopAfterMs: CACHED_NOP_MS });
  }

  /** The user wants to hear nothing more. */
  destroy(): void {
    this.receiver = undefined;
    this.connection.destroy();
  }
}

export class ChainConnections {
  private readonly idle: ChainConnection[] = [];

  constructor(private readonly network: Network) {}

  /** A connection to another chunkserver; rejects when all tries failed. A refused connect is tried again at once. */
  async get(host: string, port: number, signal: AbortSignal): Promise<ChainConnection> {
    const key = `${host}:${port}`;
    const at = this.idle.findLastIndex((one) => one.key === key && !one.closed);
    if (at >= 0) return this.idle.splice(at, 1)[0] as ChainConnection;
    let last: unknown;
    for (const connectTimeoutMs of CONNECT_TIMEOUTS_MS) {
      signal.throwIfAborted();
      try {
        return await this.connect({ host, port, connectTimeoutMs, signal, limit: MAX_DATA_PACKET_BYTES });
      } catch (error) {
        last = error;
      }
    }
    throw last;
  }

  /** A new connection, one try. */
  async connect(options: ConnectOptions): Promise<ChainConnection> {
    const connection = await this.network.connect({ highWaterBytes: HIGH_WATER_BYTES, ...options });
    return new ChainConnection(`${options.host}:${options.port}`, connection, (one) => this.forget(one));
  }

  /** Keeps a connection after a session that ended cleanly; the oldest goes when there are too many. */
  keep(one: ChainConnection): void {
    if (one.closed) return;
    one.rest();
    this.idle.push(one);
    if (this.idle.length > CACHE_CAPACITY) this.idle.shift()?.destroy();
  }

  private forget(one: ChainConnection): void {
    const at = this.idle.indexOf(one);
    if (at >= 0) this.idle.splice(at, 1);
  }

  closeAll(): void {
    for (const one of this.idle.splice(0)) one.destroy();
  }
}
