/** Connections to other chunkservers: opened with growing patience, kept for reuse after a clean session (spec 04 §3.4, §6.1). */
import { CHUNKSERVER_CONNECT_TIMEOUTS_MS, CSTOCS_MAXPACKETSIZE, NOP_FRAME } from '@wapiti-fs/protocol';
import {
  BorrowedConnection,
  type ConnectionHandlers,
  type ConnectOptions,
  type FramedConnection,
  type Network,
} from '@wapiti-fs/runtime';

const CACHE_CAPACITY = 250;
const CACHED_NOP_MS = 500;
/** Bytes waiting for a slow next server before the previous one is told to wait. */
const HIGH_WATER_BYTES = 1024 * 1024;

export class ChainConnection extends BorrowedConnection {
  constructor(
    readonly key: string,
    connection: FramedConnection,
    closedInCache: (one: ChainConnection) => void,
  ) {
    super(connection, () => closedInCache(this));
  }

  use(user: ConnectionHandlers): void {
    this.lend(user, {});
  }

  rest(): void {
    this.takeBack({ nop: NOP_FRAME, nopAfterMs: CACHED_NOP_MS });
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
    for (const connectTimeoutMs of CHUNKSERVER_CONNECT_TIMEOUTS_MS) {
      signal.throwIfAborted();
      try {
        return await this.connect({ host, port, connectTimeoutMs, signal, limit: CSTOCS_MAXPACKETSIZE });
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
