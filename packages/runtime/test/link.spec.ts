import {
  FakeClock,
  type FramedConnection,
  type FramedServer,
  type LinkOptions,
  MemoryNetwork,
  ReconnectingLink,
  SeededRandom,
} from '../src/index.js';

const frame = (type: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(type, 0);
  return bytes;
};

describe('ReconnectingLink', () => {
  let clock: FakeClock;
  let network: MemoryNetwork;
  let events: string[];
  let accepted: FramedConnection[];
  let link: ReconnectingLink;

  const listen = (port = 9): Promise<FramedServer> =>
    network.listen({ host: '*', port, limit: 100 }, (connection) => {
      accepted.push(connection);
      connection.setHandlers({ frame: ({ type }) => events.push(`got ${type}`), close: () => undefined });
    });
  const make = (options: Partial<LinkOptions> = {}): ReconnectingLink =>
    new ReconnectingLink(
      {
        network,
        clock,
        target: () => ({ host: '127.0.0.1', port: 9 }),
        limit: 100,
        connectTimeoutMs: 1000,
        backOff: () => ({ firstMs: 100, maxMs: 500 }),
        ...options,
      },
      {
        connected: (connection) => {
          events.push('connected');
          connection.send(frame(1));
        },
        frame: ({ type }) => events.push(`frame ${type}`),
        closed: (error) => events.push(`closed ${(error as { code?: string } | undefined)?.code ?? 'in order'}`),
        failed: (error, retryInMs, brisk) =>
          events.push(`failed ${(error as { code?: string }).code} ${retryInMs}${brisk ? ' brisk' : ''}`),
      },
    );
  const take = (): string[] => events.splice(0);

  beforeEach(() => {
    clock = new FakeClock();
    network = new MemoryNetwork(clock);
    events = [];
    accepted = [];
    link = make();
  });
  afterEach(() => link.stop());

  it('tries again with growing waits, and anew after a good connection', async () => {
    link.start();
    link.start();
    await clock.advanceAsync(1100);
    expect(take()).toEqual(['100', '200', '400', '500'].map((wait) => `failed ECONNREFUSED ${wait}`));
    const server = await listen();
    await clock.advanceAsync(1000);
    expect(take()).toEqual(['connected', 'got 1']);
    expect(link.connection?.closed).toBe(false);
    accepted[0]?.send(frame(7));
    await clock.advanceAsync(0);
    await server.close(true);
    await clock.advanceAsync(50);
    expect(take()).toEqual(['frame 7', 'closed in order']);
    expect(link.connection).toBeUndefined();
    expect(link.send(frame(2))).toBe(false);
    await clock.advanceAsync(60);
    expect(take()).toEqual(['failed ECONNREFUSED 200']);
  });

  describe('after the loss of an established connection', () => {
    /** Moments of the attempts, in ms since now, of the given time. */
    async function attemptsIn(ms: number): Promise<number[]> {
      const startMs = clock.monotonicMs();
      const moments: number[] = [];
      for (let passed = 0; passed < ms; passed += 10) {
        await clock.advanceAsync(10);
        const failed = take().filter((event) => event.startsWith('failed')).length;
        for (let i = 0; i < failed; i++) moments.push(clock.monotonicMs() - startMs);
      }
      return moments;
    }

    async function connect(established: boolean): Promise<FramedServer> {
      link = make({ backOff: () => ({ firstMs: 5000, maxMs: 5000 }) });
      const server = await listen();
      link.start();
      await clock.advanceAsync(1);
      if (established) link.established();
      take();
      return server;
    }

    it('tries ten times a second for 20 seconds, then as it always does', async () => {
      const server = await connect(true);
      await server.close(true);
      const attempts = await attemptsIn(40_000);
      expect(attempts.slice(0, 200)).toEqual(Array.from({ length: 200 }, (_, i) => (i + 1) * 100));
      expect(attempts.slice(200)).toEqual([25_000, 30_000, 35_000, 40_000]);
    });

    it('does not wait long for an address that is moving', async () => {
      let host = '127.0.0.1';
      link = make({ target: () => ({ host, port: 9 }), backOff: () => ({ firstMs: 5000, maxMs: 5000 }) });
      await listen();
      link.start();
      await clock.advanceAsync(1);
      link.established();
      take();
      host = '10.0.0.9'; // of nobody
      accepted[0]?.destroy();
      await clock.advanceAsync(1300);
      expect(take()).toEqual(['closed in order', ...Array.from({ length: 3 }, () => 'failed ETIMEDOUT 100 brisk')]);
      host = '127.0.0.1';
      await clock.advanceAsync(500);
      expect(take()).toEqual(['failed ETIMEDOUT 100 brisk', 'connected', 'got 1']);
    });

    it('finds the successor at once, and looks for the next one only when told that it is established', async () => {
      const first = await connect(true);
      await first.close(true);
      await attemptsIn(1000);
      const second = await listen();
      await clock.advanceAsync(110);
      expect(take()).toEqual(['connected', 'got 1']);
      await clock.advanceAsync(20_000);
      await second.close(true);
      expect(await attemptsIn(10_100)).toHaveLength(2);
    });

    it('takes its time when there never was an established one', async () => {
      const server = await connect(false);
      await server.close(true);
      expect(await attemptsIn(10_100)).toHaveLength(2);
    });

    it('takes its time when the fault was on our side, and is brisk when the peer was silent', async () => {
      await connect(true);
      link.connection?.destroy(new RangeError('our disk is full'));
      await clock.advanceAsync(4000);
      expect(take()).toEqual(['closed in order']);
      await clock.advanceAsync(1100);
      expect(take()).toEqual(['connected', 'got 1']);
      link.established();
      link.setKeepalive({ idleTimeoutMs: 2000 });
      await clock.advanceAsync(2200);
      expect(take()).toEqual(['closed ETIMEDOUT', 'connected', 'got 1']);
    });
  });

  it('closes a connection whose first words fail, and tries again', async () => {
    await listen();
    let asked = 0;
    const broken = new ReconnectingLink(
      {
        network,
        clock,
        target: () => ({ host: '127.0.0.1', port: 9 }),
        limit: 100,
        connectTimeoutMs: 1000,
        backOff: () => ({ firstMs: 100, maxMs: 100 }),
      },
      {
        connected: () => {
          asked++;
          throw new RangeError('no words');
        },
        frame: () => undefined,
        closed: (error) => events.push(`closed ${error?.message}`),
      },
    );
    broken.start();
    await clock.advanceAsync(150);
    broken.stop();
    expect(asked).toBe(2);
    expect(take()).toEqual(['closed no words', 'closed no words']);
  });

  it('does not take a peer that accepts and hangs up for a good one', async () => {
    await network.listen({ host: '*', port: 9, limit: 100 }, (connection) => {
      connection.setHandlers({ frame: () => undefined, close: () => undefined });
      connection.destroy();
    });
    link.start();
    await clock.advanceAsync(2000);
    const connects = take().filter((event) => event === 'connected').length;
    expect(connects).toBe(6); // at 0, 100, 300, 700, 1200, 1700
  });

  it('asks for the target before every attempt', async () => {
    let port = 9;
    link = make({ target: () => ({ host: '127.0.0.1', port }) });
    await listen(10);
    link.start();
    await clock.advanceAsync(50);
    expect(take()).toEqual(['failed ECONNREFUSED 100']);
    port = 10;
    await clock.advanceAsync(100);
    expect(take()).toEqual(['connected', 'got 1']);
  });

  it('reconnects at once when told to, whatever it is doing', async () => {
    link.start();
    await clock.advanceAsync(1200);
    take();
    await listen();
    link.reconnect();
    await clock.advanceAsync(1);
    expect(take()).toEqual(['connected', 'got 1']);
    link.reconnect();
    await clock.advanceAsync(200);
    expect(take()).toEqual(['closed in order', 'connected', 'got 1']);
    network.partition('localhost');
    link.reconnect();
    link.reconnect();
    network.heal();
    await clock.advanceAsync(200);
    expect(take().filter((event) => event === 'connected')).toHaveLength(1);
  });

  it('is silent after stop, in every state, and sends what is queued', async () => {
    await listen();
    link.start();
    await clock.advanceAsync(1);
    link.send(frame(5));
    link.stop();
    await clock.advanceAsync(10_000);
    expect(take()).toEqual(['connected', 'got 1', 'got 5']);
    const connecting = make();
    connecting.start();
    connecting.stop();
    await clock.advanceAsync(10_000);
    expect(take()).toEqual([]);
    const waiting = make({ target: () => ({ host: '127.0.0.1', port: 1 }) });
    waiting.start();
    await clock.advanceAsync(10);
    waiting.stop();
    waiting.reconnect();
    take();
    await clock.advanceAsync(10_000);
    expect(take()).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('spreads its attempts with jitter', async () => {
    link = make({ backOff: () => ({ firstMs: 1000, maxMs: 1000, jitter: 0.5 }), random: new SeededRandom(3) });
    link.start();
    await clock.advanceAsync(5000);
    const waits = take().map((event) => Number(event.split(' ')[2]));
    expect(new Set(waits).size).toBeGreaterThan(1);
    for (const wait of waits) expect(wait >= 500 && wait <= 1000).toBe(true);
  });
});
