/** Connections to chunkservers: opened with growing patience, kept for reuse after a clean session (spec 04 §3.4, §12.1). */
import {
  CHUNKSERVER_CONNECT_TIMEOUTS_MS,
  CSTOCL_MAXPACKETSIZE,
  type ChunkLocation as ServerLocation,
  formatIpv4,
  NOP_FRAME,
} from '@wapiti-fs/protocol';
import {
  BorrowedConnection,
  type Clock,
  type ConnectionHandlers,
  type FramedConnection,
  type Network,
  NetworkError,
} from '@wapiti-fs/runtime';

const CACHE_CAPACITY = 200;
const CACHED_NOP_MS = 500;
/** A chunkserver says something every 1.7 s. */
const CACHED_SILENCE_MS = 8000;
const BUSY_NOP_MS = 1000;
/** A connection in use is given up after this without a byte. */
const BUSY_SILENCE_MS = 2000;
/** A few blocks for each system call. */
const RECEIVE_BUFFER_BYTES = 512 * 1024;
/** So long after a failure other copies are preferred. */
const AVOID_MS = 5000;

class ServerState {
  operations = 0;
  failedAtMs = -Infinity;
  readonly idle: ServerConnection[] = [];
}

export class ServerConnection extends BorrowedConnection {
  constructor(
    readonly server: ServerState,
    connection: FramedConnection,
    forget: (one: ServerConnection) => void,
  ) {
    super(connection, () => forget(this));
  }

  use(user: ConnectionHandlers): void {
    this.lend(user, { nop: NOP_FRAME, nopAfterMs: BUSY_NOP_MS, idleTimeoutMs: BUSY_SILENCE_MS });
  }

  rest(): void {
    this.takeBack({ nop: NOP_FRAME, nopAfterMs: CACHED_NOP_MS, idleTimeoutMs: CACHED_SILENCE_MS });
  }
}

export class ServerConnections {
  private readonly servers = new Map<number, ServerState>();
  /** Connections at rest, oldest first. */
  private readonly resting = new Set<ServerConnection>();
  private readonly stopped = new AbortController();

  constructor(
    private readonly network: Network,
    private readonly clock: Clock,
    private readonly localAddress: string | undefined,
  ) {}

  /** Which copy to read: the least busy server that did not fail lately, the nearest of equals (spec 04 §12.4). */
  choose(servers: readonly ServerLocation[]): ServerLocation | undefined {
    const avoidSinceMs = this.clock.monotonicMs() - AVOID_MS;
    let best: ServerLocation | undefined;
    let bestRank = Infinity;
    for (const server of servers) {
      const state = this.state(server);
      const rank = state.operations + (state.failedAtMs > avoidSinceMs ? 1_000_000 : 0);
      if (rank < bestRank) {
        best = server;
        bestRank = rank;
      }
    }
    return best;
  }

  /** Some server did not fail lately. */
  anyGood(servers: readonly ServerLocation[]): boolean {
    const avoidSinceMs = this.clock.monotonicMs() - AVOID_MS;
    return servers.some((server) => this.state(server).failedAtMs <= avoidSinceMs);
  }

  /** The order of a write chain: as the master gave it, servers that failed lately behind the others. */
  chain(servers: readonly ServerLocation[]): readonly ServerLocation[] {
    const avoidSinceMs = this.clock.monotonicMs() - AVOID_MS;
    const failed = servers.filter((server) => this.state(server).failedAtMs > avoidSinceMs);
    if (failed.length === 0 || failed.length === servers.length) return servers;
    return [...servers.filter((server) => !failed.includes(server)), ...failed];
  }

  failed(server: ServerLocation): void {
    this.state(server).failedAtMs = this.clock.monotonicMs();
  }

  /**
   * A connection, counted as one operation until `release`. Timeouts are tried again `tries` times with more patience; a refusal
   * is not, since the master knows better where to go then.
   */
  async get(server: ServerLocation, tries: number): Promise<ServerConnection> {
    const state = this.state(server);
    state.operations++;
    try {
      for (let one = state.idle.pop(); one !== undefined; one = state.idle.pop()) {
        this.resting.delete(one);
        if (!one.connection.closed) return one;
      }
      return await this.connect(server, state, tries);
    } catch (error) {
      state.operations--;
      state.failedAtMs = this.clock.monotonicMs();
      throw error;
    }
  }

  private async connect(server: ServerLocation, state: ServerState, tries: number): Promise<ServerConnection> {
    const host = formatIpv4(server.ip);
    let last: unknown;
    for (const connectTimeoutMs of CHUNKSERVER_CONNECT_TIMEOUTS_MS.slice(0, tries)) {
      try {
        const connection = await this.network.connect({
          host,
          port: server.port,
          localAddress: this.localAddress,
          connectTimeoutMs,
          signal: this.stopped.signal,
          limit: CSTOCL_MAXPACKETSIZE,
          receiveBufferBytes: RECEIVE_BUFFER_BYTES,
        });
        return new ServerConnection(state, connection, (one) => this.forget(one));
      } catch (error) {
        last = error;
        if (!(error instanceof NetworkError) || error.code !== 'ETIMEDOUT') break;
      }
    }
    throw last;
  }

  /** The operation is over; a connection that ended `clean`ly is kept. */
  release(one: ServerConnection, clean: boolean): void {
    one.server.operations--;
    if (one.closed) return;
    if (!clean || this.stopped.signal.aborted) return one.destroy();
    one.rest();
    one.server.idle.push(one);
    this.resting.add(one);
    if (this.resting.size <= CACHE_CAPACITY) return;
    for (const oldest of this.resting) {
      oldest.destroy();
      this.forget(oldest);
      break;
    }
  }

  closeAll(): void {
    this.stopped.abort();
    for (const one of [...this.resting]) {
      one.destroy();
      this.forget(one);
    }
  }

  private forget(one: ServerConnection): void {
    this.resting.delete(one);
    const at = one.server.idle.indexOf(one);
    if (at >= 0) one.server.idle.splice(at, 1);
  }

  private state(server: ServerLocation): ServerState {
    const key = server.ip * 65536 + server.port;
    let state = this.servers.get(key);
    if (state === undefined) this.servers.set(key, (state = new ServerState()));
    return state;
  }
}
