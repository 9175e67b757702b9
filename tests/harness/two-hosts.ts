import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { agentDefinition, type AgentStatus, askAgent, LocalDaemon } from '@wapiti-fs/failover';
import { loadConfig, systemClock } from '@wapiti-fs/runtime';

import { binary, type Host, type Implementation, Lab, ROOT, VIRTUAL_IP } from './lab.js';
import { type Background, eventually } from './processes.js';

export type ConfigSet = 'two-hosts' | 'two-hosts-fast';
export type Role = 'mfsmaster' | 'mfsmetalogger' | 'mfschunkserver' | 'mfsmetarestore' | 'mfsha' | 'mfsmount';

export interface TwoHostsOptions {
  readonly set?: ConfigSet;
  /** Which implementation of each role; `mfsha` and `mfsmetarestore` are always ours. */
  readonly implementations?: Partial<Record<Role, Implementation>>;
  /** Changes to the text of the agents' files. */
  readonly agentConfig?: (text: string, host: Host) => string;
  readonly chunkservers?: readonly Host[];
}

/** The hosts that can be master. */
export const MASTERS = ['m1', 'm2'] as const;
export type MasterHost = (typeof MASTERS)[number];

/** The user and place of the files are those of the test; names are resolved, since hosts share /etc/hosts. */
function adapted(text: string, folder: string): string {
  return text
    .replaceAll('/etc/mfs', join(folder, 'etc'))
    .replaceAll('/var/lib/mfs', join(folder, 'var'))
    .replaceAll('/mnt/hd1', join(folder, 'hd1'))
    .replace(/^(WORKING_(?:USER|GROUP)) = mfs$/gm, '$1 = root')
    .replace(/^(MASTER_HOST) = mfsmaster$/gm, `$1 = ${VIRTUAL_IP}`)
    .replace('HDD_LEAVE_SPACE_DEFAULT = 256MiB', 'HDD_LEAVE_SPACE_DEFAULT = 64MiB');
}

/** The deployment of configs/two-hosts in a lab: its files with paths of the lab, its agents and chunkservers. */
export class TwoHosts {
  private readonly agents = new Map<Host, Background>();
  readonly set: ConfigSet;
  readonly virtualIp = VIRTUAL_IP;

  constructor(
    readonly lab: Lab,
    private readonly options: TwoHostsOptions = {},
  ) {
    this.set = options.set ?? 'two-hosts';
    for (const host of [...MASTERS, ...(options.chunkservers ?? [])]) this.install(host);
    writeFileSync(join(this.dataDir('m1'), 'metadata.mfs'), 'MFSM NEW');
  }

  implementation(role: Role): Implementation {
    return this.options.implementations?.[role] ?? 'wapiti';
  }

  folder(host: Host): string {
    return this.lab.path(host);
  }

  dataDir(host: Host): string {
    return join(this.folder(host), 'var');
  }

  config(host: Host, name: string): string {
    return join(this.folder(host), 'etc', name);
  }

  /** Writes the files of the deployment for one host, as an operator would. */
  private install(host: Host): void {
    const folder = this.folder(host);
    for (const name of ['etc', 'var', 'hd1', 'bin']) mkdirSync(join(folder, name), { recursive: true });
    const common = join(ROOT, 'configs', 'two-hosts');
    for (const name of readdirSync(common).filter((one) => one.endsWith('.cfg')))
      writeFileSync(this.config(host, name), adapted(readFileSync(join(common, name), 'utf8'), folder));
    if (host !== 'm1' && host !== 'm2') return;
    const side = host === 'm1' ? 'main' : 'backup';
    let text = adapted(readFileSync(join(ROOT, 'configs', this.set, side, 'mfsha.yaml'), 'utf8'), folder);
    for (const role of ['mfsmaster', 'mfsmetalogger', 'mfsmetarestore'] as const) {
      const implementation = role === 'mfsmetarestore' ? 'wapiti' : this.implementation(role);
      text = text.replaceAll(`[${role},`, `[${this.script(host, role, implementation)},`);
    }
    text += 'logFormat: json\n';
    writeFileSync(this.config(host, 'mfsha.yaml'), this.options.agentConfig?.(text, host) ?? text);
  }

  /** A command of one word for a role, as an installed package has it. */
  private script(host: Host, role: Role, implementation: Implementation): string {
    const path = join(this.folder(host), 'bin', role);
    writeFileSync(path, `#!/bin/sh\nexec ${binary(role, implementation).join(' ')} "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  }

  /** Starts the agent of a host in the foreground. */
  async startAgent(host: MasterHost): Promise<Background> {
    const [command, ...args] = binary('mfsha', 'wapiti') as [string, ...string[]];
    const agent = this.lab.start(host, `mfsha on ${host}`, command, [
      ...args,
      '-f',
      '-c',
      this.config(host, 'mfsha.yaml'),
      'start',
    ]);
    this.agents.set(host, agent);
    await agent.waitFor(/initialized properly/);
    return agent;
  }

  agent(host: MasterHost): Background {
    const agent = this.agents.get(host);
    if (agent === undefined) throw new Error(`no agent was started on ${host}`);
    return agent;
  }

  async status(host: MasterHost): Promise<AgentStatus> {
    const { config } = loadConfig(agentDefinition, this.config(host, 'mfsha.yaml'));
    return (await askAgent(config.stateDir, 'status')) as AgentStatus;
  }

  async waitServing(host: MasterHost, timeoutMs = 40_000): Promise<void> {
    await this.eventually(`${host} serves`, async () => (await this.status(host)).serving, timeoutMs);
  }

  /** The host is backup and could take over. */
  async waitFollowing(host: MasterHost, timeoutMs = 40_000): Promise<void> {
    await this.eventually(
      `${host} follows`,
      async () => {
        const { role, activity, ready, vrrp } = await this.status(host);
        return role === 'backup' && activity === 'following' && ready && vrrp.state === 'BACKUP';
      },
      timeoutMs,
    );
  }

  /** What does not come about is told together with what the agents said last. */
  private async eventually(what: string, probe: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    try {
      await eventually(what, probe, timeoutMs);
    } catch (error) {
      const said = [...this.agents].map(([host, agent]) => `--- agent of ${host}:\n${agent.output.slice(-4000)}`);
      throw new Error(`${(error as Error).message}\n${said.join('\n')}`, { cause: error });
    }
  }

  /** Pid of a daemon of a host, which holds the lock in its data folder; undefined: it does not run. */
  pid(host: MasterHost, role: 'mfsmaster' | 'mfsmetalogger'): number | undefined {
    return new LocalDaemon(this.dataDir(host), role, systemClock).owner();
  }

  /** Starts the chunkservers of the deployment; they connect to the virtual address. */
  async startChunkservers(): Promise<void> {
    for (const host of this.options.chunkservers ?? []) {
      const [command, ...args] = binary('mfschunkserver', this.implementation('mfschunkserver')) as [
        string,
        ...string[],
      ];
      const config = this.config(host, 'mfschunkserver.cfg');
      await this.lab
        .start(host, `mfschunkserver on ${host}`, command, [...args, '-f', '-c', config, 'start'])
        .waitFor(/initialized properly/);
    }
  }

  mount(host: Host, options: readonly string[] = []): Promise<{ dir: string; process: Background }> {
    return this.lab.mount(host, VIRTUAL_IP, { implementation: this.implementation('mfsmount'), options });
  }

  /** Which hosts have the virtual address now. */
  async holders(): Promise<MasterHost[]> {
    const found: MasterHost[] = [];
    for (const host of MASTERS) {
      const { stdout } = await this.lab.on(host, 'ip', ['-o', 'address', 'show', 'dev', 'eth1'], { check: false });
      if (stdout.includes(`${VIRTUAL_IP}/`)) found.push(host);
    }
    return found;
  }

  /** Mounts go while there is a master, then the agents, at once: nothing is promoted while the rest goes. */
  async destroy(): Promise<void> {
    await this.lab.unmountAll();
    for (const agent of this.agents.values()) await agent.kill();
    await this.lab.destroy();
  }
}
