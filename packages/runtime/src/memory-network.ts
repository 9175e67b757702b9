/**
 * The network in memory: hosts with addresses, connections that carry copies of the bytes after a delay, and faults: cut
 * connections, partitions (nothing arrives until healed, as with a pulled cable), crashed hosts, moved addresses. With a
 * `FakeClock` a whole cluster runs deterministically.
 */
import type { Clock, Timer } from './clock.js';
import type { ConnectOptions, FramedConnection, FramedServer, ListenOptions, Network } from './connection.js';
import { NetworkError } from './errors.js';
import { MemoryConnection } from './memory-connection.js';

const FIRST_EPHEMERAL_PORT = 32768;

export interface MemoryNetworkOptions {
  /** One-way delay of every byte between two hosts. Default 0: the next timer turn. */
  readonly delayMs?: number;
  /** Bytes are delivered in pieces of at most this size. Default: as sent. */
  readonly segmentBytes?: number;
  /** Bytes the "kernel" takes at once from a sender before the peer has read them. Default 1 MiB. */
  readonly windowBytes?: number;
}

interface Listener {
  readonly host: string;
  /** `*` or one address of the host. */
  readonly address: string;
  readonly port: number;
  readonly options: ListenOptions;
  readonly onConnection: (connection: FramedConnection) => void;
  readonly connections: Set<MemoryConnection>;
}

export class MemoryNetwork implements Network {
  private readonly listeners = new Set<Listener>();
  private readonly connections = new Set<MemoryConnection>();
  private readonly hostOfAddress = new Map<string, string>([['127.0.0.1', 'localhost']]);
  private readonly partitions = new Set<string>();
  private readonly delays = new Map<string, number>();
  private nextPort = FIRST_EPHEMERAL_PORT;

  constructor(
    readonly clock: Clock,
    readonly options: MemoryNetworkOptions = {},
  ) {}

  /** The network as seen from a host, which is created with its name as name and `address` (default: the name) as address. */
  host(name: string, address = name): Network {
    this.assign(address, name);
    return {
      connect: (options) => this.connectFrom(name, address, options),
      listen: (options, onConnection) => this.listenOn(name, options, onConnection),
    };
  }

  /** Gives an address (such as the virtual IP) to a host, taking it away from the one that had it. */
  assign(address: string, host: string): void {
    this.hostOfAddress.set(address, host);
  }

  release(address: string): void {
    this.hostOfAddress.delete(address);
  }

  connect(options: ConnectOptions): Promise<FramedConnection> {
    return this.connectFrom('localhost', '127.0.0.1', options);
  }

  listen(options: ListenOptions, onConnection: (connection: FramedConnection) => void): Promise<FramedServer> {
    return this.listenOn('localhost', options, onConnection);
  }

  // ---- faults ----------------------------------------------------------------------------------------------------

  /** Resets connections: all, those of one host, or those between two hosts. */
  cut(a?: string, b?: string): void {
    for (const one of [...this.connections]) {
      const ends = [one.localHost, one.remoteHost];
      if ((a === undefined || ends.includes(a)) && (b === undefined || ends.includes(b))) one.reset();
    }
  }

  /** Nothing passes between two hosts (or between a host and all others) until {@link heal}. Nothing is lost either. */
  partition(a: string, b = '*'): void {
    this.partitions.add(pair(a, b));
  }

  heal(a?: string, b = '*'): void {
    if (a === undefined) this.partitions.clear();
    else this.partitions.delete(pair(a, b));
    for (const one of [...this.connections]) one.flush();
  }

  /** One-way delay between two hosts. */
  delay(a: string, b: string, delayMs: number): void {
    this.delays.set(pair(a, b), delayMs);
  }

  /** The processes of a host are gone: its connections are reset, its ports closed. */
  crash(host: string): void {
    for (const one of [...this.listeners]) if (one.host === host) this.listeners.delete(one);
    this.cut(host);
  }

  /** @internal */
  blocked(a: string, b: string): boolean {
    if (a === b) return false;
    return this.partitions.has(pair(a, b)) || this.partitions.has(pair(a, '*')) || this.partitions.has(pair(b, '*'));
  }

  /** @internal */
  delayMs(a: string, b: string): number {
    return this.delays.get(pair(a, b)) ?? this.options.delayMs ?? 0;
  }

  /** @internal */
  forget(connection: MemoryConnection): void {
    this.connections.delete(connection);
  }

  // ---- connecting ------------------------------------------------------------------------------------------------

  private async listenOn(
    host: string,
    options: ListenOptions,
    onConnection: (connection: FramedConnection) => void,
  ): Promise<FramedServer> {
    const any = options.host === '*' || options.host === '' || options.host === '0.0.0.0';
    const port = options.port === 0 ? this.nextPort++ : options.port;
    const listener: Listener = {
      host,
      address: any ? '*' : options.host,
      port,
      options,
      onConnection,
      connections: new Set(),
    };
    for (const one of this.listeners) {
      const sameAddress = one.address === '*' || any || one.address === listener.address;
      if (one.host === host && one.port === port && sameAddress)
        throw new NetworkError('EADDRINUSE', `listen on ${options.host}:${port}: address already in use`);
    }
    this.listeners.add(listener);
    return {
      address: any ? '0.0.0.0' : options.host,
      port,
      close: async (destroyConnections = false) => {
        this.listeners.delete(listener);
        if (destroyConnections) for (const one of [...listener.connections]) one.destroy();
      },
    };
  }

  private connectFrom(host: string, address: string, options: ConnectOptions): Promise<FramedConnection> {
    const what = `connect to ${options.host}:${options.port}`;
    return new Promise((resolve, reject) => {
      const { signal } = options;
      const timers: Timer[] = [];
      const settle = (): void => {
        for (const timer of timers) timer.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const fail = (code: string, text: string): void => {
        settle();
        reject(new NetworkError(code, `${what}: ${text}`));
      };
      const onAbort = (): void => fail('ABORT_ERR', 'aborted');
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      const target = options.host === 'localhost' ? '127.0.0.1' : options.host;
      const attempt = (): void => {
        const remoteHost = target === '127.0.0.1' ? host : this.hostOfAddress.get(target);
        // Nobody has the address, or nothing passes: wait for it, as for an unanswered SYN.
        if (remoteHost === undefined || this.blocked(host, remoteHost))
          return void timers.push(this.clock.after(1000, attempt));
        const listener = [...this.listeners].find(
          (one) =>
            one.host === remoteHost && one.port === options.port && (one.address === '*' || one.address === target),
        );
        if (listener === undefined) return fail('ECONNREFUSED', 'connection refused');
        settle();
        resolve(this.pairUp(host, options.localAddress ?? address, listener, target, options));
      };
      timers.push(
        this.clock.after(options.connectTimeoutMs, () =>
          fail('ETIMEDOUT', `no answer within ${options.connectTimeoutMs} ms`),
        ),
        this.clock.after(2 * this.delayMs(host, this.hostOfAddress.get(target) ?? host), attempt),
      );
    });
  }

  private pairUp(
    host: string,
    address: string,
    listener: Listener,
    target: string,
    options: ConnectOptions,
  ): FramedConnection {
    const near = { host, address, port: this.nextPort++ };
    const far = { host: listener.host, address: target, port: listener.port };
    const client = new MemoryConnection(this, options, near, far);
    const server = new MemoryConnection(this, listener.options, far, near);
    client.peerEnd = server;
    server.peerEnd = client;
    this.connections.add(client).add(server);
    listener.connections.add(server);
    server.onGone = () => listener.connections.delete(server);
    queueMicrotask(() => {
      try {
        listener.onConnection(server);
      } catch (error) {
        server.destroy(error as Error);
      }
    });
    return client;
  }
}

function pair(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
