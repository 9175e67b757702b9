import { FakeClock, memoryLogger } from '@wapiti-fs/runtime';

import {
  type HostActions,
  type HostRole,
  type ProbeResult,
  PromotionRefused,
  type Source,
  Supervisor,
} from '../src/index.js';

const ALIVE: ProbeResult = { alive: true, version: '3.0.117', tookMs: 1 };
const NOBODY: ProbeResult = { alive: false, reason: 'no route', certain: false, connected: false, silent: false };
const HANGS: ProbeResult = { alive: false, reason: 'no answer', certain: false, connected: true, silent: true };

/** A host whose actions are noted; daemons run or not as told. */
class FakeHost implements HostActions {
  readonly done: string[] = [];
  currentRole: HostRole = 'backup';
  masterRuns = false;
  metaloggerUp = true;
  virtual: ProbeResult = NOBODY;
  source: Source | PromotionRefused = { image: 'metadata_ml.mfs.back', version: 7n, metaid: 1n, restore: true };
  failing = new Map<string, Error>();

  /** After so many actions the agent is dead: nothing it waits for ever comes. */
  diesAfter = Infinity;

  private act(name: string): Promise<void> {
    if (this.done.length >= this.diesAfter) return new Promise(() => undefined);
    this.done.push(name);
    const error = this.failing.get(name);
    return error === undefined ? Promise.resolve() : Promise.reject(error);
  }

  role = (): HostRole => this.currentRole;
  setRole = (role: HostRole): void => {
    this.currentRole = role;
    this.done.push(`role ${role}`);
  };
  learnMetaid = (): void => undefined;
  chooseSource = (): Source => {
    if (this.source instanceof PromotionRefused) throw this.source;
    this.done.push('choose');
    return this.source;
  };
  hasSource = (): boolean => !(this.source instanceof PromotionRefused);
  restore = (): Promise<void> => this.act('restore');
  setAside = (): { folder: string; files: string[]; newestVersion: bigint } => {
    this.done.push('set aside');
    return { folder: '/x', files: ['metadata.mfs.back'], newestVersion: 9n };
  };
  startMaster = async (): Promise<void> => {
    await this.act('start master');
    this.masterRuns = true;
  };
  stopMaster = async (hangs: boolean): Promise<void> => {
    await this.act(hangs ? 'kill master' : 'stop master');
    this.masterRuns = false;
  };
  startMetalogger = async (): Promise<void> => {
    await this.act('start metalogger');
    this.metaloggerUp = true;
  };
  stopMetalogger = async (): Promise<void> => {
    await this.act('stop metalogger');
    this.metaloggerUp = false;
  };
  metaloggerRuns = async (): Promise<boolean> => this.metaloggerUp;
  probeLocal = async (): Promise<ProbeResult> => (this.masterRuns ? ALIVE : NOBODY);
  probeVirtual = async (): Promise<ProbeResult> => this.virtual;
  takeAddress = (): Promise<void> => this.act('take address');
  dropAddress = (): Promise<void> => this.act('drop address');
}

function setUp(host = new FakeHost()): {
  host: FakeHost;
  clock: FakeClock;
  supervisor: Supervisor;
  told: string[];
  log: ReturnType<typeof memoryLogger>;
} {
  const clock = new FakeClock();
  const log = memoryLogger();
  const told: string[] = [];
  const supervisor = new Supervisor(
    host,
    clock,
    log,
    {
      readyTimeoutMs: 1000,
      readyPollMs: 20,
      joinPollMs: 200,
      followPollMs: 5000,
      fencePollMs: 50,
      fenceTimeoutMs: 6000,
    },
    {
      refused: (reason) => told.push(`refused: ${reason}`),
      promoted: () => told.push('promoted'),
      ready: () => told.push('ready'),
    },
  );
  return { host, clock, supervisor, told, log };
}

describe('promotion (spec 14 §7)', () => {
  it('fence, source, restore, start, ready, address, each step logged with its duration', async () => {
    const { host, clock, supervisor, told, log } = setUp();
    supervisor.promote('no advertisement', false);
    await clock.advanceAsync(1000);
    expect(host.done).toEqual([
      'stop metalogger',
      'kill master',
      'choose',
      'restore',
      'role master',
      'start master',
      'take address',
    ]);
    expect(told).toEqual(['promoted']);
    expect(supervisor.promoted).toBe(true);
    expect(supervisor.steps.map(({ name }) => name)).toEqual([
      'virtual address is free',
      'metalogger stopped',
      'no local master',
      'source chosen',
      'restore',
      'master started',
      'master ready',
      'virtual address set',
    ]);
    for (const { name } of supervisor.steps)
      expect(log.lines.some((line) => line.includes(`step: ${name} tookMs=`))).toBe(true);
  });

  it('a clean image needs no restore', async () => {
    const { host, clock, supervisor } = setUp();
    host.currentRole = 'master';
    host.source = { image: 'metadata.mfs', version: 7n, metaid: 1n, restore: false };
    supervisor.promote('started', false);
    await clock.advanceAsync(1000);
    expect(host.done).not.toContain('restore');
    expect(supervisor.promoted).toBe(true);
  });

  it('a master that already serves its own metadata is kept: only the address is set', async () => {
    const { host, clock, supervisor } = setUp();
    host.currentRole = 'master';
    host.masterRuns = true;
    supervisor.promote('no advertisement', false);
    await clock.advanceAsync(1000);
    expect(host.done).toEqual(['take address']);
  });

  it.each([
    ['answers', ALIVE],
    ['is stopped but reachable', HANGS],
  ])(
    'nothing is touched while another master %s at the virtual address, and it is refused in the end',
    async (_what, other) => {
      const { host, clock, supervisor, told } = setUp();
      host.virtual = other;
      supervisor.promote('no advertisement', false);
      await clock.advanceAsync(5900);
      expect(host.done).toEqual([]);
      expect(told).toEqual([]);
      await clock.advanceAsync(300);
      expect(told[0]).toMatch(/^refused: another master is reachable at the virtual address/);
      expect(host.done).toEqual([]);
    },
  );

  it('goes on as soon as the other master is gone', async () => {
    const { host, clock, supervisor } = setUp();
    host.virtual = ALIVE;
    supervisor.promote('no advertisement', false);
    await clock.advanceAsync(3000);
    host.virtual = NOBODY;
    await clock.advanceAsync(1000);
    expect(supervisor.promoted).toBe(true);
  });

  it('after a resignation the restore does not wait for the fence, but the address does', async () => {
    const { host, clock, supervisor } = setUp();
    host.virtual = ALIVE;
    supervisor.promote('priority 0', true);
    await clock.advanceAsync(1000);
    expect(host.done.at(-1)).toBe('start master');
    host.virtual = NOBODY;
    await clock.advanceAsync(1000);
    expect(host.done.at(-1)).toBe('take address');
  });

  it('is refused without a complete image, and says so', async () => {
    const { host, clock, supervisor, told } = setUp();
    host.source = new PromotionRefused('the metalogger has received no complete image yet');
    supervisor.promote('no advertisement', false);
    await clock.advanceAsync(1000);
    expect(told).toEqual(['refused: the metalogger has received no complete image yet']);
    expect(host.done).not.toContain('start master');
    expect(host.currentRole).toBe('backup');
  });

  it.each(['restore', 'start master', 'take address'])('is refused when "%s" fails', async (step) => {
    const { host, clock, supervisor, told } = setUp();
    host.failing.set(step, new Error('changes 7-9 are missing'));
    supervisor.promote('no advertisement', false);
    await clock.advanceAsync(2000);
    expect(told).toEqual(['refused: changes 7-9 are missing']);
    expect(supervisor.promoted).toBe(false);
  });

  it('is refused when the started master never answers', async () => {
    const { host, clock, supervisor, told } = setUp();
    host.startMaster = async () => undefined;
    supervisor.promote('no advertisement', false);
    await clock.advanceAsync(3000);
    expect(told[0]).toMatch(/^refused: the master does not answer/);
    expect(host.done).not.toContain('take address');
  });

  it('a wish that changes meanwhile ends it before the address is set', async () => {
    const { host, clock, supervisor } = setUp();
    let started = (): void => undefined;
    host.startMaster = () => new Promise((resolve) => (started = resolve));
    supervisor.promote('no advertisement', true);
    await clock.advanceAsync(500);
    supervisor.demote('advertisement of priority 100');
    host.masterRuns = true;
    started();
    await clock.advanceAsync(500);
    expect(host.done).not.toContain('take address');
    expect(host.done.slice(-2)).toEqual(['drop address', 'stop master']);
  });
});

describe('demotion (spec 14 §7)', () => {
  async function serving(): Promise<ReturnType<typeof setUp>> {
    const all = setUp();
    all.supervisor.promote('no advertisement', false);
    await all.clock.advanceAsync(1000);
    all.host.done.length = 0;
    return all;
  }

  it('address first, then the master; metadata stay until another master serves, then they are set aside', async () => {
    const { host, clock, supervisor, told } = await serving();
    supervisor.demote('the local master is gone');
    await clock.advanceAsync(10_000);
    expect(host.done).toEqual(['drop address', 'stop master']);
    expect(host.currentRole).toBe('master');
    host.virtual = ALIVE;
    await clock.advanceAsync(500);
    expect(host.done.slice(2)).toEqual(['stop master', 'set aside', 'role backup', 'start metalogger']);
    expect(told).toEqual(['promoted', 'ready']);
    expect(supervisor.activity).toBe('following');
  });

  it('a master that hangs is killed, not asked to save', async () => {
    const { host, clock, supervisor } = await serving();
    supervisor.demote('the local master is gone', true);
    await clock.advanceAsync(500);
    expect(host.done).toEqual(['drop address', 'kill master']);
  });

  it('nobody takes over: promoted again with the metadata it has', async () => {
    const { host, clock, supervisor } = await serving();
    supervisor.demote('the local master is gone');
    await clock.advanceAsync(500);
    host.source = { image: 'metadata.mfs.back', version: 7n, metaid: 1n, restore: true };
    supervisor.promote('no advertisement', false);
    await clock.advanceAsync(1000);
    expect(host.done).not.toContain('set aside');
    expect(supervisor.promoted).toBe(true);
  });

  it('after a restart of the agent a local master is left alone until another one serves', async () => {
    const { host, clock, supervisor } = setUp();
    host.currentRole = 'master';
    host.masterRuns = true;
    host.metaloggerUp = false;
    supervisor.resume();
    await clock.advanceAsync(5000);
    expect(host.done).toEqual(['drop address']);
    host.virtual = ALIVE;
    await clock.advanceAsync(500);
    expect(host.done).toEqual(['drop address', 'stop master', 'set aside', 'role backup', 'start metalogger']);
  });

  it('a metalogger that ended is started again', async () => {
    const { host, clock, supervisor } = setUp();
    host.virtual = ALIVE;
    supervisor.resume();
    await clock.advanceAsync(500);
    expect(host.done).toEqual(['drop address']);
    host.metaloggerUp = false;
    await clock.advanceAsync(5500);
    expect(host.done).toEqual(['drop address', 'start metalogger']);
  });

  it('a planned hand-over stops the master while it still has the address', async () => {
    const { host, clock, supervisor } = await serving();
    await supervisor.handOver();
    supervisor.demote('handed over');
    await clock.advanceAsync(500);
    expect(host.done.slice(0, 2)).toEqual(['stop master', 'drop address']);
  });

  it('the agent stops: the address goes, the daemons stay', async () => {
    const { host, supervisor } = await serving();
    await supervisor.stop();
    expect(host.done).toEqual(['drop address']);
  });
});

describe('the agent is killed between any two steps', () => {
  const lives = Array.from({ length: 8 }, (_, steps) => steps);

  it.each(lives)('after %i steps of a promotion: the next agent completes it', async (steps) => {
    const first = setUp();
    first.host.diesAfter = steps;
    first.supervisor.promote('no advertisement', false);
    await first.clock.advanceAsync(5000);

    const { host } = first;
    host.diesAfter = Infinity;
    host.done.length = 0;
    const second = setUp(host);
    second.supervisor.resume();
    await second.clock.advanceAsync(1000);
    second.supervisor.promote('no advertisement', false);
    await second.clock.advanceAsync(5000);
    expect(second.supervisor.promoted).toBe(true);
    expect([host.currentRole, host.masterRuns, host.done.at(-1)]).toEqual(['master', true, 'take address']);
  });

  it.each(lives)(
    'after %i steps of a promotion, and another master serves: the next agent follows it',
    async (steps) => {
      const first = setUp();
      first.host.diesAfter = steps;
      first.supervisor.promote('no advertisement', false);
      await first.clock.advanceAsync(5000);

      const { host } = first;
      host.diesAfter = Infinity;
      host.virtual = ALIVE;
      const second = setUp(host);
      second.supervisor.resume();
      await second.clock.advanceAsync(5000);
      expect(second.supervisor.activity).toBe('following');
      expect([host.currentRole, host.metaloggerUp]).toEqual(['backup', true]);
      // what it had as master is never served again
      if (host.done.includes('role master'))
        expect([host.done.includes('set aside'), host.masterRuns]).toEqual([true, false]);
    },
  );
});
