import type { Frame, LengthLimit } from '@wapiti-fs/protocol';

/** What happens on a {@link FramedConnection}. All are called on the event loop, never from within `send`. */
export interface ConnectionHandlers {
  /** A received frame, keepalive NOPs included. `frame.payload` is a view: copy what must outlive the call. */
  frame(frame: Frame): void;
  /** Called exactly once, after the last frame. `error` is undefined when the peer closed in order or we did. */
  close(error?: Error): void;
  /** The output queue, reported full by `send`, has emptied. */
  drain?(): void;
}

/** A TCP connection (or its in-memory twin) carrying frames of spec 01 §2. */
export interface FramedConnection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly closed: boolean;
  /** Bytes queued and not yet taken by the kernel. */
  readonly queuedBytes: number;
  /** Must be called once, in the turn in which the connection was handed over; frames flow after that. */
  setHandlers(handlers: ConnectionHandlers): void;
  /**
   * Queues the bytes of one or more whole frames, given in parts that are written without copying. False when the queue is
   * above the high-water mark: stop until `drain`. Ignored after close. Above the hard limit the connection is dropped.
   */
  send(...parts: Buffer[]): boolean;
  /** Stops and restarts reading (back-pressure towards the peer). */
  pause(): void;
  resume(): void;
  /** Changes keepalive rules, for example after registration. The peer's silence counts from now. */
  setKeepalive(rules: KeepaliveRules): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(error?: Error): void;
}

/** Keepalive of spec 01 §9. */
export interface KeepaliveRules {
  /** Frame sent when nothing was sent for `nopAfterMs`; undefined: never. */
  readonly nop?: Buffer | undefined;
  readonly nopAfterMs?: number | undefined;
  /** Connection dropped when nothing was received for so long; undefined: never. */
  readonly idleTimeoutMs?: number | undefined;
}

export interface FramingOptions {
  readonly limit: LengthLimit;
  readonly keepalive?: KeepaliveRules;
  /** `send` returns false above this. Default 4 MiB. */
  readonly highWaterBytes?: number;
  /** The connection is dropped above this. Default 256 MiB. */
  readonly maxQueuedBytes?: number;
}

export interface ConnectOptions extends FramingOptions {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string | undefined;
  readonly connectTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * For connections that receive much: bytes are received into one buffer of this size, used again and again. Payloads are valid
   * only during the call of `frame` then.
   */
  readonly receiveBufferBytes?: number | undefined;
}

export interface ListenOptions extends FramingOptions {
  /** `*` or an address. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface FramedServer {
  readonly address: string;
  readonly port: number;
  /** Stops listening; existing connections stay unless `destroyConnections`. */
  close(destroyConnections?: boolean): Promise<void>;
}

/** The network as roles see it: real TCP (`tcpNetwork`) or in-memory (`MemoryNetwork`). */
export interface Network {
  connect(options: ConnectOptions): Promise<FramedConnection>;
  listen(options: ListenOptions, onConnection: (connection: FramedConnection) => void): Promise<FramedServer>;
}
