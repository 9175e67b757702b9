import net from 'node:net';

import { FrameBuffer } from '@wapiti-fs/protocol';

import type { Clock } from './clock.js';
import type {
  ConnectOptions,
  FramedConnection,
  FramedServer,
  FramingOptions,
  ListenOptions,
  Network,
} from './connection.js';
import { NetworkError } from './errors.js';
import { FramedChannel } from './framed-channel.js';
import { systemClock } from './system-clock.js';

const BACKLOG = 1024;

/** Frames over TCP. Addresses are IPv4, as everywhere in MooseFS 3; names are resolved anew by every `connect`. */
export function createTcpNetwork(clock: Clock = systemClock): Network {
  return {
    connect: (options) => connect(clock, options),
    listen: (options, onConnection) => listen(clock, options, onConnection),
  };
}

/** The real network. */
export const tcpNetwork: Network = createTcpNetwork();

/** @throws NetworkError `ECONNREFUSED`, `ETIMEDOUT`, `ENOTFOUND`, `ABORT_ERR`, … */
function connect(clock: Clock, options: ConnectOptions): Promise<FramedConnection> {
  const what = `connect to ${options.host}:${options.port}`;
  return new Promise((resolve, reject) => {
    const { signal } = options;
    if (signal?.aborted) return reject(new NetworkError('ABORT_ERR', `${what}: aborted`));
    const buffer =
      options.receiveBufferBytes === undefined ? undefined : new FrameBuffer(options.limit, options.receiveBufferBytes);
    let connection: TcpConnection | undefined;
    let socket: net.Socket;
    try {
      socket = net.connect({
        host: options.host,
        port: options.port,
        family: 4,
        noDelay: true,
        ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
        ...(buffer === undefined
          ? {}
          : {
              onread: {
                buffer: () => buffer.room(),
                callback: (sizeBytes: number) => {
                  connection?.receivedInto(buffer, sizeBytes);
                  return true;
                },
              },
            }),
      });
      // With a buffer of its own a socket would read as soon as it is connected.
      if (buffer !== undefined) socket.pause();
    } catch (error) {
      return reject(NetworkError.from(error, what));
    }
    const timer = clock.after(options.connectTimeoutMs, () =>
      fail(new NetworkError('ETIMEDOUT', `${what}: no answer within ${options.connectTimeoutMs} ms`)),
    );
    const settle = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      socket.removeListener('error', onError);
      socket.removeListener('connect', onConnect);
    };
    const fail = (error: NetworkError): void => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(new NetworkError('ABORT_ERR', `${what}: aborted`));
    const onError = (error: Error): void => fail(NetworkError.from(error, what));
    const onConnect = (): void => {
      settle();
      connection = new TcpConnection(clock, socket, options, buffer !== undefined);
      resolve(connection);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('connect', onConnect);
  });
}

/** @throws NetworkError `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, … */
function listen(
  clock: Clock,
  options: ListenOptions,
  onConnection: (connection: FramedConnection) => void,
): Promise<FramedServer> {
  const what = `listen on ${options.host}:${options.port}`;
  return new Promise((resolve, reject) => {
    const sockets = new Set<net.Socket>();
    const server = net.createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
      if (socket.remoteAddress === undefined) return void socket.destroy(); // gone before it was accepted
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      const connection = new TcpConnection(clock, socket, options);
      try {
        onConnection(connection);
      } catch (error) {
        connection.destroy(error as Error);
      }
    });
    server.once('error', (error) => reject(NetworkError.from(error, what)));
    server.listen(
      {
        host: options.host === '*' || options.host === '' ? '0.0.0.0' : options.host,
        port: options.port,
        backlog: BACKLOG,
      },
      () => {
        // A failed accept (no descriptors left) concerns one caller only; the server goes on.
        server.on('error', () => undefined);
        const { address, port } = server.address() as net.AddressInfo;
        resolve({
          address,
          port,
          close: (destroyConnections = false) =>
            new Promise((closed) => {
              if (destroyConnections) {
                server.close(() => closed());
                for (const socket of sockets) socket.destroy();
              } else {
                // Node waits with the callback for all connections; the port itself is free at once.
                server.close();
                closed();
              }
            }),
        });
      },
    );
  });
}

class TcpConnection extends FramedChannel {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  private error: Error | undefined;
  private reading = false;
  private uncorkPending = false;
  private readonly onWritten = (): void => {
    if (this.socket.writableLength === 0) this.drained();
  };
  private readonly onUncork = (): void => {
    this.uncorkPending = false;
    this.socket.uncork();
  };

  constructor(
    clock: Clock,
    private readonly socket: net.Socket,
    options: FramingOptions,
    /** Bytes come by `receivedInto`, not as events. */
    private readonly buffered = false,
  ) {
    super(clock, options);
    this.remoteAddress = plainAddress(socket.remoteAddress);
    this.remotePort = socket.remotePort ?? 0;
    this.localAddress = plainAddress(socket.localAddress);
    this.localPort = socket.localPort ?? 0;
    socket.on('error', (error) => (this.error = NetworkError.from(error, this.peer)));
    socket.on('close', () => this.carrierClosed(this.error));
  }

  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  /** Bytes came into the connection's own buffer. */
  receivedInto(buffer: FrameBuffer, sizeBytes: number): void {
    this.receivedFrames(buffer.received(sizeBytes));
  }

  protected startReading(): void {
    if (!this.reading && !this.buffered) {
      this.reading = true;
      this.socket.on('data', (chunk) => this.received(chunk));
    }
    this.socket.resume();
  }

  protected pauseReading(): void {
    this.socket.pause();
  }

  /** All parts sent within one turn go to the kernel in one writev. */
  protected write(parts: readonly Buffer[]): void {
    const { socket } = this;
    if (socket.destroyed) return;
    if (!this.uncorkPending) {
      this.uncorkPending = true;
      socket.cork();
      process.nextTick(this.onUncork);
    }
    for (const part of parts) if (part.length > 0) socket.write(part, this.onWritten);
  }

  protected endWriting(): void {
    this.socket.end();
  }

  protected destroyCarrier(): void {
    this.socket.destroy();
  }
}

function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:/, '') ?? '';
}
