import { NOP_FRAME } from '@wapiti-fs/protocol';

import {
  BorrowedConnection,
  type ConnectionHandlers,
  FakeClock,
  type FramedConnection,
  MemoryNetwork,
} from '../src/index.js';

const FRAME = Buffer.from('0000000700000000', 'hex');

describe('BorrowedConnection', () => {
  let clock: FakeClock;
  let events: string[];
  let peer: FramedConnection;
  let borrowed: BorrowedConnection;

  const user = (name: string): ConnectionHandlers => ({
    frame: ({ type }) => events.push(`${name}: frame ${type}`),
    close: (error) => events.push(`${name}: closed ${(error as { code?: string } | undefined)?.code ?? 'in order'}`),
  });
  const take = async (): Promise<string[]> => {
    await clock.advanceAsync(1);
    return events.splice(0);
  };

  beforeEach(async () => {
    clock = new FakeClock();
    const network = new MemoryNetwork(clock);
    events = [];
    await network.listen({ host: '*', port: 9, limit: 100 }, (connection) => {
      peer = connection;
      connection.setHandlers({
        frame: ({ type }) => events.push(`peer: frame ${type}`),
        close: () => events.push('peer: closed'),
      });
    });
    const connecting = network.connect({ host: '127.0.0.1', port: 9, limit: 100, connectTimeoutMs: 100 });
    await clock.advanceAsync(1);
    borrowed = new BorrowedConnection(await connecting, () => events.push('lost'));
    await clock.advanceAsync(1);
  });

  it('gives frames and the end to the user of the moment', async () => {
    borrowed.lend(user('a'), {});
    peer.send(FRAME);
    expect(await take()).toEqual(['a: frame 7']);
    borrowed.takeBack({});
    peer.send(NOP_FRAME);
    expect(await take()).toEqual([]);
    borrowed.lend(user('b'), {});
    peer.send(NOP_FRAME, FRAME);
    expect(await take()).toEqual(['b: frame 0', 'b: frame 7']);
    expect(borrowed.closed).toBe(false);
    peer.end();
    expect(await take()).toEqual(['b: closed in order', 'peer: closed']);
    expect(borrowed.closed).toBe(true);
  });

  it('keeps the connection alive as its user, or the one without, wants it', async () => {
    borrowed.lend(user('a'), { idleTimeoutMs: 2000 });
    await clock.advanceAsync(1999);
    borrowed.takeBack({ nop: NOP_FRAME, nopAfterMs: 500 });
    await clock.advanceAsync(5001);
    expect((await take()).every((event) => event === 'peer: frame 0')).toBe(true);
    borrowed.lend(user('b'), { idleTimeoutMs: 2000 });
    await clock.advanceAsync(2001);
    expect(await take()).toEqual(expect.arrayContaining(['b: closed ETIMEDOUT']));
  });

  it('is closed by what comes without a user, and tells that it was lost', async () => {
    peer.send(FRAME);
    expect(await take()).toEqual(expect.arrayContaining(['lost', 'peer: closed']));
    expect(borrowed.closed).toBe(true);
  });

  it('tells a user nothing more once it is destroyed', async () => {
    borrowed.lend(user('a'), {});
    borrowed.destroy();
    expect(await take()).toEqual(expect.arrayContaining(['lost', 'peer: closed']));
  });
});
