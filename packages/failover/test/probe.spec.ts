import { ANTOAN_GET_VERSION, ANTOAN_VERSION, MATOCL_MAXPACKETSIZE } from '@wapiti-fs/protocol';
import { FakeClock, type FramedConnection, MemoryNetwork, type Network } from '@wapiti-fs/runtime';

import { MasterWatch, probeMaster, type ProbeResult } from '../src/index.js';

const TARGET = { host: '10.1.1.105', port: 9421, timeoutMs: 500 };
const VERSION = { variant: 'plain', version: 0x000300ea, text: Buffer.from('3.0.117-1') } as const;

type Answer = 'version' | 'nothing' | 'garbage' | 'close';

interface FakeMaster {
  answer: Answer;
  /** As a killed process: connections first, then the port. */
  die(): Promise<void>;
}

async function master(network: MemoryNetwork): Promise<FakeMaster> {
  const server = await network
    .host(TARGET.host)
    .listen({ host: '*', port: TARGET.port, limit: MATOCL_MAXPACKETSIZE }, (connection: FramedConnection) => {
      if (state.answer === 'close') connection.destroy();
      connection.setHandlers({
        frame: (frame) => {
          if (frame.type !== ANTOAN_GET_VERSION.type) return;
          if (state.answer === 'version') connection.send(ANTOAN_VERSION.encode(VERSION));
          if (state.answer === 'garbage') connection.send(Buffer.from('0000000b0000000100', 'hex'));
        },
        close: () => undefined,
      });
    });
  const state: FakeMaster = { answer: 'version', die: () => server.close(true) };
  return state;
}

function setUp(): { clock: FakeClock; network: MemoryNetwork; agent: Network } {
  const clock = new FakeClock();
  const network = new MemoryNetwork(clock);
  return { clock, network, agent: network.host(TARGET.host) };
}

async function probe(answer: Answer): Promise<ProbeResult> {
  const { clock, network, agent } = setUp();
  (await master(network)).answer = answer;
  const result = probeMaster(agent, clock, TARGET);
  await clock.advanceAsync(TARGET.timeoutMs + 1);
  return result;
}

describe('probe of a master (spec 14 §6)', () => {
  it('alive: it answers from its main loop', async () => {
    expect(await probe('version')).toMatchObject({ alive: true, version: '3.0.117' });
  });

  it('hung or stopped by a signal: connected, but silent', async () => {
    expect(await probe('nothing')).toMatchObject({ alive: false, certain: false, connected: true, silent: true });
  });

  it.each(['garbage', 'close'] as const)('ill: %s', async (answer) => {
    expect(await probe(answer)).toMatchObject({ alive: false, certain: false, connected: true, silent: false });
  });

  it('dead: nobody listens, which is certain', async () => {
    const { clock, network, agent } = setUp();
    const killed = await master(network);
    await killed.die();
    const result = probeMaster(agent, clock, TARGET);
    await clock.advanceAsync(TARGET.timeoutMs + 1);
    expect(await result).toMatchObject({ alive: false, certain: true, connected: false });
  });
});

describe('watch of a master', () => {
  async function watching(): Promise<{ clock: FakeClock; master: FakeMaster; reports: string[]; watch: MasterWatch }> {
    const { clock, network, agent } = setUp();
    const served = await master(network);
    const reports: string[] = [];
    const watch = new MasterWatch(agent, clock, { ...TARGET, intervalMs: 2000, fall: 2 }, (state, _reason, hangs) =>
      reports.push(hangs ? `${state}, hangs` : state),
    );
    void watch.run();
    await clock.advanceAsync(100);
    expect(reports).toEqual(['up']);
    return { clock, master: served, reports, watch };
  }

  it('the end of the process is seen at once, not at the next turn', async () => {
    const { clock, master: served, reports, watch } = await watching();
    await served.die();
    await clock.advanceAsync(100);
    expect(reports).toEqual(['up', 'down']);
    watch.stop();
  });

  it('a master that hangs is down after two failures, not after one', async () => {
    const { clock, master: served, reports, watch } = await watching();
    served.answer = 'nothing';
    await clock.advanceAsync(2000 + 500);
    expect(reports).toEqual(['up']);
    await clock.advanceAsync(2000 + 500);
    expect(reports).toEqual(['up', 'down, hangs']);
    watch.stop();
  });

  it('one lost answer is forgiven', async () => {
    const { clock, master: served, reports, watch } = await watching();
    served.answer = 'nothing';
    await clock.advanceAsync(2000 + 500);
    served.answer = 'version';
    await clock.advanceAsync(2000 + 500);
    served.answer = 'nothing';
    await clock.advanceAsync(2000 + 500);
    expect(reports).toEqual(['up']);
    watch.stop();
  });
});
