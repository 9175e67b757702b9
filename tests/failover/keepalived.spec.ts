import { writeFileSync } from 'node:fs';

import { Lab, VIRTUAL_IP } from '../harness/lab.js';
import { type Background, eventually } from '../harness/processes.js';
import { TwoHosts } from '../harness/two-hosts.js';

const C = { mfsmaster: 'c', mfsmetalogger: 'c' } as const;
const OURS = 'm1';
const THEIRS = 'm2';

/** One pair: our agent (with the C mfsmaster) on one host, the real keepalived on the other, both with VRRP id 88. */
class Pair {
  readonly hosts: TwoHosts;
  private keepalivedCount = 0;

  constructor(
    readonly lab: Lab,
    readonly version: 2 | 3,
    agent: { priority: number; preempt: boolean },
  ) {
    this.hosts = new TwoHosts(lab, {
      set: version === 2 ? 'two-hosts' : 'two-hosts-fast',
      implementations: C,
      agentConfig: (text) =>
        text
          .replace(/^ {2}priority: .*$/m, `  priority: ${agent.priority}`)
          .replace(/^ {2}preempt: .*$/m, `  preempt: ${agent.preempt}`),
    });
  }

  keepalived(priority: number, preempt: boolean): Background {
    const tag = `keepalived-${++this.keepalivedCount}`;
    const file = this.lab.path(`${tag}.conf`);
    const [interval, authentication] =
      this.version === 2 ? ['1', 'authentication { auth_type PASS\n auth_pass 1111\n }'] : ['0.1', ''];
    writeFileSync(
      file,
      `global_defs {
  router_id LVS_STTD
  vrrp_version ${this.version}
}
vrrp_instance VI_1 {
  state BACKUP
  interface eth1
  virtual_router_id 88
  priority ${priority}
  advert_int ${interval}
  ${preempt ? '' : 'nopreempt'}
  ${authentication}
  virtual_ipaddress { ${VIRTUAL_IP}/32 }
}
`,
    );
    const pid = (name: string): string => this.lab.path(`${tag}.${name}`);
    return this.lab.start(THEIRS, tag, 'keepalived', [
      ...['--dont-fork', '--log-console', '--log-detail', '--vrrp', '--use-file', file],
      ...['--pid', pid('pid'), '--vrrp_pid', pid('vrrp.pid')],
    ]);
  }

  /** keepalived's children are ended with it, as by a power cut. */
  async killKeepalived(keepalived: Background): Promise<void> {
    const { stdout } = await this.lab.on(THEIRS, 'pgrep', ['-P', String(keepalived.pid)]);
    for (const child of stdout.split('\n').filter((one) => one !== '')) process.kill(Number(child), 'SIGKILL');
    await keepalived.kill();
  }

  watch(): Background {
    return this.lab.start('cl', 'tcpdump', 'tcpdump', [
      '--immediate-mode',
      '-l',
      '-n',
      '-e',
      '-i',
      'eth1',
      'arp or ip proto 112',
    ]);
  }

  async vrrpState(): Promise<string> {
    return (await this.hosts.status(OURS)).vrrp.state;
  }

  holders(): Promise<string[]> {
    return this.hosts.holders();
  }
}

/** Lines of tcpdump behind `from` that match. */
function seen(tcpdump: Background, pattern: RegExp, from = 0): string[] {
  return tcpdump.output
    .slice(from)
    .split('\n')
    .filter((line) => pattern.test(line));
}

const GRATUITOUS = new RegExp(`Request who-has ${VIRTUAL_IP} \\(ff:ff:ff:ff:ff:ff\\) tell ${VIRTUAL_IP}`);
const ourAdvert = (priority: number): RegExp => new RegExp(`10\\.1\\.1\\.105 > 224\\.0\\.0\\.18.*prio ${priority},`);

describe.each([2, 3] as const)('with keepalived, VRRP version %i', (version) => {
  let lab: Lab;

  beforeEach(async () => {
    lab = await Lab.create();
  });

  it('takes over when keepalived dies, keeps the address when it returns, and hands over to it', async () => {
    const pair = new Pair(lab, version, { priority: 80, preempt: false });
    try {
      const tcpdump = pair.watch();
      const first = pair.keepalived(100, false);
      await first.waitFor(/Entering MASTER STATE/);
      await pair.hosts.startAgent(OURS);
      await eventually('our agent hears keepalived', async () => (await pair.hosts.status(OURS)).vrrp.peer?.priority);
      expect(await pair.vrrpState()).toBe('BACKUP');
      expect(await pair.holders()).toEqual([THEIRS]);

      await pair.killKeepalived(first);
      await pair.hosts.waitServing(OURS);
      expect((await pair.hosts.status(OURS)).vrrp.reason).toBe('no advertisement');
      // what a killed keepalived leaves behind is its own weakness; no master is reachable there
      await lab.on(THEIRS, 'ip', ['address', 'del', `${VIRTUAL_IP}/32`, 'dev', 'eth1'], { check: false });
      expect(await pair.holders()).toEqual([OURS]);
      const mac = (await lab.on(OURS, 'cat', ['/sys/class/net/eth1/address'], { check: false })).stdout.trim();
      await eventually('gratuitous ARP', () => seen(tcpdump, GRATUITOUS).length >= 5);
      if (mac !== '') expect(seen(tcpdump, GRATUITOUS).at(-1)).toContain(mac);

      const second = pair.keepalived(100, false);
      await second.waitFor(/Entering BACKUP STATE/);
      const from = tcpdump.output.length;
      await eventually('advertisements', () => seen(tcpdump, ourAdvert(80), from).length >= 5);
      expect(second.output).not.toMatch(/Entering MASTER STATE/);
      expect(await pair.holders()).toEqual([OURS]);

      pair.hosts.agent(OURS).signal('SIGTERM');
      await second.waitFor(/Entering MASTER STATE/);
      await eventually('our priority 0', () => seen(tcpdump, ourAdvert(0)).length > 0);
      await eventually('the address moves', async () => (await pair.holders()).join() === THEIRS);
    } finally {
      await pair.hosts.destroy();
    }
  });

  it('takes over from a keepalived that stops, and each preempts the other', async () => {
    const pair = new Pair(lab, version, { priority: 150, preempt: true });
    try {
      const tcpdump = pair.watch();
      await pair.hosts.startAgent(OURS);
      await pair.hosts.waitServing(OURS);

      const higher = pair.keepalived(200, true);
      await higher.waitFor(/Entering MASTER STATE/);
      await eventually('our agent steps back', async () => (await pair.vrrpState()) === 'BACKUP');
      await eventually('the address moves', async () => (await pair.holders()).join() === THEIRS);

      await higher.stop(); // priority 0
      await pair.hosts.waitServing(OURS);
      expect((await pair.hosts.status(OURS)).vrrp.reason).toBe('the master gave up (priority 0)');
      await eventually('their priority 0', () => seen(tcpdump, /10\.1\.1\.104 > 224\.0\.0\.18.*prio 0,/).length > 0);
      await pair.hosts.agent(OURS).kill();

      const lower = pair.keepalived(100, true);
      await lower.waitFor(/Entering MASTER STATE/);
      await pair.hosts.startAgent(OURS);
      await pair.hosts.waitServing(OURS);
      await lower.waitFor(/Entering BACKUP STATE[^]*Entering MASTER STATE[^]*Entering BACKUP STATE/);
      expect(await pair.holders()).toEqual([OURS]);
      expect((await pair.hosts.status(OURS)).vrrp.dropped).toEqual({});
    } finally {
      await pair.hosts.destroy();
    }
  });
});
