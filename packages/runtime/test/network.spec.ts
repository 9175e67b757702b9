import net from 'node:net';

import type { Frame } from '@wapiti-fs/protocol';
import fc from 'fast-check';

import {
  createTcpNetwork,
  FakeClock,
  type FramedConnection,
  type FramedServer,
  MemoryNetwork,
  type Network,
  systemClock,
  tcpNetwork,
} from '../src/index.js';

const LIMIT = 1_000_000;

function frame(type: number, payload: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(payload as string);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(type, 0);
  head.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
}

const NOP = frame(0);

/** A connection whose frames and end can be awaited. */
class End {
  readonly frames: Frame[] = [];
  readonly closed: Promise<Error | undefined>;
  closeCount = 0;
  drains = 0;
  private waiting: { count: number; resolve: () => void }[] = [];
  private drainWaiters: (() => void)[] = [];
  onFrame: ((frame: Frame) => void) | undefined;

  constructor(readonly connection: FramedConnection) {
    this.closed = new Promise((resolve) =>
      connection.setHandlers({
        frame: (one) => {
          this.frames.push({ type: one.type, payload: Buffer.from(one.payload) });
          this.waiting = this.waiting.filter(({ count, resolve: done }) => {
            if (this.frames.length < count) return true;
            done();
            return false;
          });
          this.onFrame?.(one);
        },
        close: (error) => {
          this.closeCount++;
          resolve(error);
        },
        drain: () => {
          this.drains++;
          for (const done of this.drainWaiters.splice(0)) done();
        },
      }),
    );
  }

  received(count: number): Promise<void> {
    if (this.frames.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ count, resolve }));
  }

  drained(): Promise<void> {
    return new Promise((resolve) => this.drainWaiters.push(resolve));
  }

  get types(): number[] {
    return this.frames.map(({ type }) => type);
  }
}

const networks: Record<string, () => Network> = {
  tcp: () => tcpNetwork,
  'tcp with receive buffer': () => ({
    connect: (options) => tcpNetwork.connect({ ...options, receiveBufferBytes: 1 }),
    listen: (options, onConnection) => tcpNetwork.listen(options, onConnection),
  }),
  memory: () => new MemoryNetwork(systemClock, { segmentBytes: 1000 }),
};

describe.each(Object.keys(networks))('%s network', (kind) => {
  let network: Network;
  let servers: FramedServer[];
  let ends: End[];

  beforeEach(() => {
    network = (networks[kind] as () => Network)();
    servers = [];
    ends = [];
  });
  afterEach(async () => {
    for (const end of ends) end.connection.destroy();
    await Promise.all(servers.map((server) => server.close(true)));
  });

  async function pair(
    client: { highWaterBytes?: number; maxQueuedBytes?: number } = {},
    limit = LIMIT,
  ): Promise<[End, End]> {
    let accepted: (end: End) => void;
    const far = new Promise<End>((resolve) => (accepted = resolve));
    const server = await network.listen({ host: '127.0.0.1', port: 0, limit }, (connection) => {
      const end = new End(connection);
      ends.push(end);
      accepted(end);
    });
    servers.push(server);
    const connection = await network.connect({
      host: '127.0.0.1',
      port: server.port,
      limit: LIMIT,
      connectTimeoutMs: 5000,
      ...client,
    });
    const near = new End(connection);
    ends.push(near);
    return [near, await far];
  }

  it('carries frames in order, in parts and in one call', async () => {
    const [a, b] = await pair();
    const big = Buffer.alloc(300_000, 7);
    expect(a.connection.send(frame(1, 'one'))).toBe(true);
    a.connection.send(frame(2, 'two'), frame(3));
    const head = frame(4, big);
    a.connection.send(head.subarray(0, 8), head.subarray(8, 100_000), head.subarray(100_000));
    await b.received(4);
    expect(b.types).toEqual([1, 2, 3, 4]);
    expect(b.frames[0]?.payload.toString()).toBe('one');
    expect(b.frames[3]?.payload.equals(big)).toBe(true);
    b.connection.send(frame(9));
    await a.received(1);
    expect(a.connection.remotePort).toBe(b.connection.localPort);
    expect(a.connection.localPort).toBe(b.connection.remotePort);
    expect(b.connection.remoteAddress).toBe('127.0.0.1');
  });

  it('delivers what was sent before an orderly end, then closes both sides without error, once', async () => {
    const [a, b] = await pair();
    for (let i = 0; i < 100; i++) a.connection.send(frame(i, Buffer.alloc(10_000)));
    a.connection.end();
    expect(a.connection.closed).toBe(true);
    expect(a.connection.send(frame(1))).toBe(true); // ignored
    expect(await b.closed).toBeUndefined();
    expect(await a.closed).toBeUndefined();
    expect(b.frames.length).toBe(100);
    b.connection.destroy();
    a.connection.destroy(new Error('too late'));
    expect([a.closeCount, b.closeCount]).toEqual([1, 1]);
  });

  it('gives the reason of destroy to our handler', async () => {
    const [a, b] = await pair();
    const reason = new Error('enough');
    a.connection.destroy(reason);
    expect(a.closeCount).toBe(0); // never from within the call
    expect(await a.closed).toBe(reason);
    await b.closed;
  });

  it('closes only the connection that breaks the length limit; frames before it count', async () => {
    const [a, b] = await pair({}, 100);
    const other = await network.connect({
      host: '127.0.0.1',
      port: servers[0]?.port as number,
      limit: LIMIT,
      connectTimeoutMs: 5000,
    });
    const otherEnd = new End(other);
    ends.push(otherEnd);
    a.connection.send(frame(1, 'fits'), frame(77, Buffer.alloc(101)));
    expect(await b.closed).toMatchObject({ code: 'EPROTO', message: expect.stringContaining('command:77') as string });
    expect(b.types).toEqual([1]);
    await a.closed;
    expect(other.closed).toBe(false);
  });

  it('closes the connection with the error that a frame handler throws', async () => {
    const [a, b] = await pair();
    b.onFrame = ({ type }) => {
      if (type === 2) throw new RangeError('bad packet');
    };
    a.connection.send(frame(1), frame(2), frame(3));
    expect(await b.closed).toMatchObject({ message: 'bad packet' });
    expect(b.types).toEqual([1, 2]);
  });

  it('holds frames back while paused, also in the middle of a chunk', async () => {
    const [a, b] = await pair();
    b.onFrame = ({ type }) => {
      if (type === 2) b.connection.pause();
    };
    a.connection.send(frame(1), frame(2), frame(3), frame(4));
    await b.received(2);
    a.connection.send(frame(5));
    await new Promise((resolve) => setImmediate(resolve));
    expect(b.types).toEqual([1, 2]);
    b.connection.resume();
    await b.received(5);
    expect(b.types).toEqual([1, 2, 3, 4, 5]);
  });

  it('delivers frames received whole before a close, although paused', async () => {
    const [a, b] = await pair();
    b.onFrame = ({ type }) => {
      if (type === 1) b.connection.pause();
    };
    a.connection.send(frame(1), frame(2));
    await b.received(1);
    a.connection.end();
    b.connection.resume();
    expect(await b.closed).toBeUndefined();
    expect(b.types).toEqual([1, 2]);
  });

  it('reports back-pressure and its end', async () => {
    const [a, b] = await pair({ highWaterBytes: 100_000 });
    b.connection.pause();
    const chunk = frame(1, Buffer.alloc(500_000));
    let sent = 0;
    while (a.connection.send(chunk)) sent++;
    sent++;
    expect(a.connection.queuedBytes).toBeGreaterThan(100_000);
    expect(a.connection.send(NOP)).toBe(false);
    const drained = a.drained();
    b.connection.resume();
    await drained;
    expect(a.connection.queuedBytes).toBe(0);
    expect(a.drains).toBe(1);
    expect(a.connection.send(frame(2))).toBe(true);
    await b.received(sent + 2);
    expect(b.types.at(-1)).toBe(2);
  });

  it('drops a connection whose queue passes the hard limit', async () => {
    const [a, b] = await pair({ highWaterBytes: 10_000, maxQueuedBytes: 1_000_000 });
    b.connection.pause();
    const chunk = frame(1, Buffer.alloc(900_000));
    for (let i = 0; i < 100 && !a.connection.closed; i++) a.connection.send(chunk);
    expect(await a.closed).toMatchObject({ code: 'ENOBUFS' });
  });

  it('reports a refused connection, a missing name, an abort and a used port', async () => {
    const server = await network.listen({ host: '127.0.0.1', port: 0, limit: LIMIT }, () => undefined);
    const { port } = server;
    await expect(network.listen({ host: '127.0.0.1', port, limit: LIMIT }, () => undefined)).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    await server.close();
    const options = { host: '127.0.0.1', port, limit: LIMIT, connectTimeoutMs: 5000 };
    await expect(network.connect(options)).rejects.toMatchObject({ name: 'NetworkError', code: 'ECONNREFUSED' });
    await expect(network.connect({ ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORT_ERR',
    });
  });

  it('closes connections with the server only when told so', async () => {
    const [a, b] = await pair();
    await servers[0]?.close();
    a.connection.send(frame(1));
    await b.received(1);
    await servers[0]?.close(true);
    await a.closed;
    await b.closed;
  });

  it('destroys a connection that its acceptor throws at', async () => {
    const server = await network.listen({ host: '127.0.0.1', port: 0, limit: LIMIT }, () => {
      throw new Error('no');
    });
    servers.push(server);
    const end = new End(
      await network.connect({ host: '127.0.0.1', port: server.port, limit: LIMIT, connectTimeoutMs: 5000 }),
    );
    await end.closed;
    expect(end.frames).toEqual([]);
  });

  it('any frames, in any pieces, with any pauses, arrive as sent', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ type: fc.nat(1000), payload: fc.uint8Array({ maxLength: 3000 }), pause: fc.boolean() }), {
          minLength: 1,
          maxLength: 40,
        }),
        async (sent) => {
          const [a, b] = await pair();
          b.onFrame = () => {
            if (sent[b.frames.length - 1]?.pause) {
              b.connection.pause();
              setImmediate(() => b.connection.resume());
            }
          };
          for (const { type, payload } of sent) a.connection.send(frame(type, Buffer.from(payload)));
          a.connection.end();
          expect(await b.closed).toBeUndefined();
          expect(b.types).toEqual(sent.map(({ type }) => type));
          b.frames.forEach(({ payload }, i) => expect(payload.equals(sent[i]?.payload as Uint8Array)).toBe(true));
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('keepalive', () => {
  let clock: FakeClock;
  let network: MemoryNetwork;

  beforeEach(() => {
    clock = new FakeClock();
    network = new MemoryNetwork(clock);
  });

  async function pair(): Promise<[End, End]> {
    let far: End | undefined;
    const server = await network.listen(
      { host: '*', port: 1, limit: 100 },
      (connection) => (far = new End(connection)),
    );
    const connecting = network.connect({ host: '127.0.0.1', port: server.port, limit: 100, connectTimeoutMs: 1000 });
    await clock.advanceAsync(0);
    const near = new End(await connecting);
    await clock.advanceAsync(0);
    return [near, far as End];
  }

  it('sends NOPs when nothing else is sent, and only then', async () => {
    const [a, b] = await pair();
    a.connection.setKeepalive({ nop: NOP, nopAfterMs: 1000 });
    await clock.advanceAsync(900);
    a.connection.send(frame(5));
    await clock.advanceAsync(900);
    expect(b.types).toEqual([5]);
    await clock.advanceAsync(2200);
    expect(b.types).toEqual([5, 0, 0, 0]);
    a.connection.setKeepalive({});
    await clock.advanceAsync(60_000);
    expect(b.types).toEqual([5, 0, 0, 0]);
  });

  it('drops a silent peer, not one that sends anything', async () => {
    const [a, b] = await pair();
    a.connection.setKeepalive({ idleTimeoutMs: 10_000 });
    for (let i = 0; i < 5; i++) {
      await clock.advanceAsync(9000);
      b.connection.send(NOP);
    }
    await clock.advanceAsync(9000);
    expect(a.closeCount).toBe(0);
    await clock.advanceAsync(1100);
    expect(await a.closed).toMatchObject({ code: 'ETIMEDOUT' });
    await clock.advanceAsync(0);
    expect(b.closeCount).toBe(1);
  });

  it('does not hold time in which we did not run against the peer (spec 01 §9)', async () => {
    const [a] = await pair();
    a.connection.setKeepalive({ idleTimeoutMs: 10_000 });
    await clock.advanceAsync(5000);
    clock.freeze(30_000);
    await clock.advanceAsync(3500); // known to within a second
    expect(a.closeCount).toBe(0);
    await clock.advanceAsync(2000);
    expect(a.closeCount).toBe(1);
  });

  it('does not count silence while we are not reading', async () => {
    const [a] = await pair();
    a.connection.setKeepalive({ idleTimeoutMs: 10_000 });
    a.connection.pause();
    await clock.advanceAsync(60_000);
    expect(a.closeCount).toBe(0);
    a.connection.resume();
    await clock.advanceAsync(10_100);
    expect(a.closeCount).toBe(1);
  });

  it('leaves no timer behind', async () => {
    const [a, b] = await pair();
    a.connection.setKeepalive({ nop: NOP, nopAfterMs: 1000, idleTimeoutMs: 5000 });
    b.connection.setKeepalive({ nop: NOP, nopAfterMs: 1000, idleTimeoutMs: 5000 });
    await clock.advanceAsync(3000);
    a.connection.end();
    await clock.advanceAsync(10);
    expect([a.closeCount, b.closeCount]).toEqual([1, 1]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('works on real sockets too', async () => {
    const real = createTcpNetwork();
    const server = await real.listen({ host: '127.0.0.1', port: 0, limit: 100 }, (connection) => {
      connection.setHandlers({ frame: () => undefined, close: () => undefined });
    });
    const end = new End(
      await real.connect({
        host: '127.0.0.1',
        port: server.port,
        limit: 100,
        connectTimeoutMs: 1000,
        keepalive: { idleTimeoutMs: 50 },
      }),
    );
    expect(await end.closed).toMatchObject({ code: 'ETIMEDOUT' });
    await server.close(true);
  });
});

describe('tcp only', () => {
  it('gives up connecting after the timeout, without leaving a socket', async () => {
    // An address for documentation: nobody answers, or the kernel has no route.
    const clock = new FakeClock();
    const network = createTcpNetwork(clock);
    const connecting = network.connect({ host: '192.0.2.1', port: 9, limit: 1, connectTimeoutMs: 2000 });
    clock.advance(2000);
    await expect(connecting).rejects.toMatchObject({ code: expect.stringMatching(/ETIMEDOUT|ENETUNREACH/) as string });
  });

  it('tells of a peer that resets', async () => {
    let far: End | undefined;
    const server = await tcpNetwork.listen({ host: '127.0.0.1', port: 0, limit: 100 }, (connection) => {
      far = new End(connection);
      socket.resetAndDestroy();
    });
    const socket = net.connect(server.port, '127.0.0.1');
    await new Promise((resolve) => socket.once('close', resolve));
    while (far === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(await far.closed).toMatchObject({ code: 'ECONNRESET' });
    await server.close(true);
  });

  it('survives garbage: the connection is closed with a typed error, the server goes on', async () => {
    const ends: End[] = [];
    let closed: () => void;
    const server = await tcpNetwork.listen({ host: '127.0.0.1', port: 0, limit: 50_000 }, (connection) => {
      const end = new End(connection);
      ends.push(end);
      void end.closed.then(() => closed());
    });
    for (const garbage of ['GET / HTTP/1.0\r\n\r\n', '\xff\xff\xff\xff\xff\xff\xff\xff', 'abc']) {
      const done = new Promise<void>((resolve) => (closed = resolve));
      const socket = net.connect(server.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.end(Buffer.from(garbage, 'latin1'));
      await done;
    }
    expect(await Promise.all(ends.map(({ closed: end }) => end))).toEqual([
      expect.objectContaining({ code: 'EPROTO' }),
      expect.objectContaining({ code: 'EPROTO' }),
      undefined,
    ]);
    await server.close(true);
  });
});

describe('MemoryNetwork faults', () => {
  let clock: FakeClock;
  let network: MemoryNetwork;
  let a: Network;
  let b: Network;
  beforeEach(() => {
    clock = new FakeClock();
    network = new MemoryNetwork(clock, { delayMs: 5 });
    a = network.host('a', '10.0.0.1');
    b = network.host('b', '10.0.0.2');
  });

  async function pair(): Promise<[End, End]> {
    let far: End | undefined;
    await b.listen({ host: '*', port: 9, limit: 100 }, (connection) => (far = new End(connection)));
    const connecting = a.connect({ host: '10.0.0.2', port: 9, limit: 100, connectTimeoutMs: 1000 });
    await clock.advanceAsync(10);
    return [new End(await connecting), far as unknown as End];
  }

  it('delays', async () => {
    const [near, far] = await pair();
    network.delay('a', 'b', 100);
    near.connection.send(frame(1));
    await clock.advanceAsync(99);
    expect(far.types).toEqual([]);
    await clock.advanceAsync(1);
    expect(far.types).toEqual([1]);
    expect(far.connection.remoteAddress).toBe('10.0.0.1');
  });

  it('holds everything back in a partition, and connecting times out', async () => {
    const [near, far] = await pair();
    network.partition('a', 'b');
    near.connection.send(frame(1));
    const connecting = a.connect({ host: '10.0.0.2', port: 9, limit: 100, connectTimeoutMs: 1000 });
    const refused = expect(connecting).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    await clock.advanceAsync(2000);
    await refused;
    expect(far.types).toEqual([]);
    network.heal();
    await clock.advanceAsync(10);
    expect(far.types).toEqual([1]);
  });

  it('cuts and crashes', async () => {
    const [near, far] = await pair();
    network.cut('a', 'b');
    expect(await near.closed).toMatchObject({ code: 'ECONNRESET' });
    expect(await far.closed).toMatchObject({ code: 'ECONNRESET' });
    network.crash('b');
    const connecting = a.connect({ host: '10.0.0.2', port: 9, limit: 100, connectTimeoutMs: 1000 });
    const refused = expect(connecting).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await clock.advanceAsync(10);
    await refused;
  });

  it('moves an address to another host', async () => {
    const hosts: string[] = [];
    for (const [name, host] of Object.entries({ a, b }))
      await host.listen({ host: '*', port: 1, limit: 100 }, (connection) => {
        new End(connection);
        hosts.push(name);
      });
    const client = network.host('c');
    for (const owner of ['a', 'b']) {
      network.assign('10.0.0.9', owner);
      const connecting = client.connect({ host: '10.0.0.9', port: 1, limit: 100, connectTimeoutMs: 1000 });
      await clock.advanceAsync(20);
      new End(await connecting);
    }
    expect(hosts).toEqual(['a', 'b']);
  });
});
