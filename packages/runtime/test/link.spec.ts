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
        backOff: { firstMs: 100, maxMs: 500 },
        ...options,
      },
      {
        connected: (connection) => {
          events.push('connected');
          connection.send(frame(1));
        },
        frame: ({ type }) => events.push(`frame ${type}`),
        closed: (error) => events.push(`closed ${(error as { code?: string } | undefined)?.code ?? 'in order'}`),
        failed: (error, retryInMs) => events.push(`failed ${(error as { code?: string }).code} ${retryInMs}`),
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
    link = make({ backOff: { firstMs: 1000, maxMs: 1000, jitter: 0.5 }, random: new SeededRandom(3) });
    link.start();
    await clock.advanceAsync(5000);
    const waits = take().map((event) => Number(event.split(' ')[2]));
    expect(new Set(waits).size).toBeGreaterThan(1);
    for (const wait of waits) expect(wait >= 500 && wait <= 1000).toBe(true);
  });
});
