import { readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Lab } from '../harness/lab.js';
import { type MasterHost, MASTERS, TwoHosts } from '../harness/two-hosts.js';

const C = { mfsmaster: 'c', mfsmetalogger: 'c', mfschunkserver: 'c', mfsmount: 'c' } as const;

/** Watches all the time that at most one host has the virtual address. */
class SingleHolder {
  private stopped = false;
  private readonly running: Promise<void>;
  readonly violations: string[] = [];
  samples = 0;

  constructor(private readonly hosts: TwoHosts) {
    this.running = this.run();
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const holders = await this.hosts.holders();
      this.samples += 1;
      // the hosts are asked one after the other: a move in between is no violation, so ask again
      if (holders.length > 1 && (await this.hosts.holders()).length > 1)
        this.violations.push(`${new Date().toISOString()}: ${holders.join(', ')}`);
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }
}

describe.each([
  ['the C daemons', C],
  ['our daemons', {}],
] as const)('%s supervised by our agents', (_name, implementations: { mfsmount?: 'c' }) => {
  let lab: Lab;
  let hosts: TwoHosts;
  let single: SingleHolder;
  let dir: string;
  let count = 0;
  /** Folders of metadata set aside by earlier moves, as HOST/NAME. */
  const seen = new Set<string>();

  beforeAll(async () => {
    lab = await Lab.create();
    hosts = new TwoHosts(lab, { set: 'two-hosts-fast', implementations, chunkservers: ['m2', 'c1'] });
    await Promise.all([hosts.startAgent('m1'), hosts.startAgent('m2'), hosts.startChunkservers()]);
    await hosts.waitServing('m1');
    single = new SingleHolder(hosts);
    ({ dir } = await hosts.mount('cl'));
    await hosts.waitFollowing('m2');
    await write();
  });

  afterAll(async () => {
    await single?.stop();
    await hosts?.destroy();
    expect(single.violations).toEqual([]);
    expect(single.samples).toBeGreaterThan(10);
  });

  /** Writes a file and checks everything written before: nothing acknowledged is lost. */
  async function write(): Promise<void> {
    const folder = join(dir, `d${count}`);
    for (let attempt = 1; ; attempt++) {
      try {
        await mkdir(folder, { recursive: true });
        await writeFile(join(folder, 'file'), `content ${count}`, { flush: true });
        break;
      } catch (error) {
        // the C mount may fail what it does while it comes back to a master (EBADF of fsync); ours must not
        if (implementations.mfsmount !== 'c' || attempt === 3) throw error;
      }
    }
    count += 1;
    for (let i = 0; i < count; i++) expect(await readFile(join(dir, `d${i}`, 'file'), 'utf8')).toBe(`content ${i}`);
  }

  function masterPid(host: MasterHost): number {
    const pid = hosts.pid(host, 'mfsmaster');
    if (pid === undefined) throw new Error(`no master runs on ${host}`);
    return pid;
  }

  const asides = (host: MasterHost): string[] =>
    readdirSync(hosts.dataDir(host)).filter((name) => name.startsWith('set-aside-'));

  /** The other one serves, the old one comes back as backup with its metadata set aside. */
  async function moved(from: MasterHost, to: MasterHost): Promise<void> {
    await hosts.waitServing(to);
    await write();
    await hosts.waitFollowing(from);
    expect(hosts.pid(from, 'mfsmaster')).toBeUndefined();
    expect(hosts.pid(from, 'mfsmetalogger')).toBeDefined();
    expect(await hosts.holders()).toEqual([to]);
    // A busy machine may have made it master once more in between: one of them holds what it did, and a clean stop rotates the log.
    const files = asides(from)
      .filter((name) => !seen.has(`${from}/${name}`))
      .flatMap((name) => readdirSync(join(hosts.dataDir(from), name)));
    expect(files).toContainEqual(expect.stringMatching(/^changelog\.[01]\.mfs$/));
    for (const name of asides(from)) seen.add(`${from}/${name}`);
  }

  it('master killed with -9', async () => {
    process.kill(masterPid('m1'), 'SIGKILL');
    await moved('m1', 'm2');
    expect(asides('m1')).toHaveLength(1);
  });

  it('master stopped by a signal (SIGSTOP): found as surely, killed, and back on the first host', async () => {
    process.kill(masterPid('m2'), 'SIGSTOP');
    await moved('m2', 'm1');
  });

  it('agent killed with -9: its address does not stay, its master serves nobody', async () => {
    const old = masterPid('m1');
    await hosts.agent('m1').kill();
    await hosts.waitServing('m2');
    expect(await hosts.holders()).toEqual(['m2']);
    await write();
    process.kill(old, 0); // the isolated master still runs until an agent returns
    await hosts.startAgent('m1');
    await moved('m1', 'm2');
  });

  it('agent stopped by a signal: at most one host has the address', async () => {
    const agent = hosts.agent('m2');
    agent.signal('SIGSTOP');
    await hosts.waitServing('m1');
    await write();
    agent.signal('SIGCONT');
    await moved('m2', 'm1');
  });

  it('switchover: nothing is lost, no error', async () => {
    const { stdout } = await lab.on('m1', process.execPath, [
      join(__dirname, '../../apps/mfsha/dist/main.js'),
      'switchover',
      '-c',
      hosts.config('m1', 'mfsha.yaml'),
    ]);
    expect(stdout).toBe('handed over\n');
    await moved('m1', 'm2');
  });

  it('cable pulled and plugged in again', async () => {
    await lab.link('m2', 'down');
    await hosts.waitServing('m1'); // its chunkserver is cut off too: nothing is read meanwhile
    expect((await hosts.status('m2')).vrrp.state).toBe('FAULT');
    await lab.link('m2', 'up');
    await moved('m2', 'm1');
  });

  it('status says how things are', async () => {
    expect(MASTERS).toHaveLength(2);
    const ask = async (...args: string[]): Promise<string> =>
      (
        await lab.on('m1', process.execPath, [
          join(__dirname, '../../apps/mfsha/dist/main.js'),
          'status',
          '-c',
          hosts.config('m1', 'mfsha.yaml'),
          ...args,
        ])
      ).stdout;
    expect(JSON.parse(await ask('--json'))).toMatchObject({ role: 'master', serving: true, ready: true });
    expect(await ask()).toMatch(/^virtual address: 10\.1\.1\.103\/32, held here$/m);
  });
});
