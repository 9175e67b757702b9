/** Raw peers for tests: bytes in, frames out, without any of the code under test but the parser. */
import { createServer, type Server, Socket } from 'node:net';
import { once } from 'node:events';

import { type Frame, FrameParser } from '@wapiti-fs/protocol';

export class Peer {
  private readonly frames: Frame[] = [];
  private wake: (() => void) | undefined;
  closed = false;

  constructor(readonly socket: Socket) {
    const parser = new FrameParser(100_000_000);
    socket.on('data', (bytes: Buffer) => {
      for (const frame of parser.push(bytes)) if (frame.type !== 0) this.frames.push(frame);
      this.wake?.();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.wake?.();
    });
  }

  static async connect(port: number): Promise<Peer> {
    const socket = new Socket();
    const peer = new Peer(socket);
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return peer;
  }

  send(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** `type` and payload in hex, as in the annotated examples of the specification. */
  sendHex(type: number, hex: string): void {
    const payload = Buffer.from(hex.replace(/\s/g, ''), 'hex');
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(type, 0);
    frame.writeUInt32BE(payload.length, 4);
    this.send(frame, payload);
  }

  /** The next frame that is no NOP; undefined when the connection was closed. */
  async next(): Promise<Frame | undefined> {
    while (this.frames.length === 0 && !this.closed) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.frames.shift();
  }

  /** The same as text: `type:payload in hex`. */
  async nextHex(): Promise<string> {
    const frame = await this.next();
    return frame === undefined ? 'closed' : `${frame.type}:${frame.payload.toString('hex')}`;
  }

  /** Skips frames until one of the type comes. */
  async nextOf(type: number): Promise<Frame> {
    for (;;) {
      const frame = await this.next();
      if (frame === undefined) throw new Error(`closed before a frame of type ${type}`);
      if (frame.type === type) return frame;
    }
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Accepts connections of the chunkserver under test. */
export class Listener {
  private readonly waiting: Peer[] = [];
  private readonly all: Peer[] = [];
  private wake: (() => void) | undefined;

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => {
      const peer = new Peer(socket);
      this.waiting.push(peer);
      this.all.push(peer);
      this.wake?.();
    });
  }

  static async open(): Promise<Listener> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Listener(server);
  }

  get port(): number {
    const address = this.server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  async accept(): Promise<Peer> {
    while (this.waiting.length === 0) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.waiting.shift() as Peer;
  }

  close(): void {
    for (const peer of this.all) peer.destroy();
    this.server.close();
  }
}

/** A master as far as one chunkserver sees it. */
export class FakeMaster {
  static readonly ACK = '00 000300ea 000a 0002 6b028b2318516653';

  private constructor(
    readonly listener: Listener,
    public link: Peer,
  ) {}

  /** Accepts the registration of the next connection. */
  static async register(listener: Listener, ack = FakeMaster.ACK): Promise<FakeMaster> {
    const link = await listener.accept();
    await link.nextOf(100);
    link.sendHex(104, ack);
    for (;;) {
      const { payload } = await link.nextOf(100);
      if (payload[0] === 62) return new FakeMaster(listener, link);
      link.sendHex(104, '00');
    }
  }

  /** Sends a command and returns the answer of the next type number, in hex. */
  async command(type: number, hex: string): Promise<string> {
    this.link.sendHex(type, hex);
    return (await this.link.nextOf(type + 1)).payload.toString('hex');
  }
}
