import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { type Background, background, eventually, run, runSync, type ProcessResult } from './processes.js';

/** `c`: the real MooseFS daemon; `wapiti`: ours. Both take the same command lines and configuration files. */
export type Implementation = 'c' | 'wapiti';

/** Top of the checkout, whether this runs from the sources or compiled. */
export const ROOT = (function find(folder: string): string {
  return existsSync(join(folder, 'pnpm-workspace.yaml')) ? folder : find(dirname(folder));
})(__dirname);

/** The hosts of spec 14 §1 (the virtual IP 10.1.1.103 stays free). */
export const HOSTS = { m1: '10.1.1.105', m2: '10.1.1.104', c1: '10.1.1.116', cl: '10.1.1.111' } as const;
export const VIRTUAL_IP = '10.1.1.103';
export type Host = string;

const UNMOUNT_MS = 5000;

const live = new Set<Lab>();
process.once('exit', () => {
  for (const lab of live) lab.destroySync();
});

export interface DaemonOptions {
  readonly implementation?: Implementation;
  /** Extra lines of the .cfg file. */
  readonly config?: Readonly<Record<string, string | number>>;
  /** Extra command-line options before the action. */
  readonly options?: readonly string[];
  /** Name of the data folder under the lab's folder; default the role and a number. */
  readonly name?: string;
  /** Reuse the data folder as it is. */
  readonly keepData?: boolean;
}

export interface Daemon {
  readonly process: Background;
  readonly dataDir: string;
  readonly configFile: string;
  readonly host: Host;
}

/** The command line of a role: the Debian package's binary or ours. */
export function binary(name: string, implementation: Implementation): string[] {
  if (implementation === 'wapiti') return [process.execPath, join(ROOT, 'apps', name, 'dist', 'main.js')];
  const sbin = ['mfsmaster', 'mfschunkserver', 'mfsmetalogger', 'mfsmetarestore'].includes(name);
  return [sbin ? `/usr/sbin/${name}` : `/usr/bin/${name}`];
}

/**
 * Several hosts on one machine: network namespaces joined by a bridge, each with its own address on `eth1`, and the
 * daemons that run on them. Everything is ended and removed by `destroy()`, also when the test process exits early.
 */
export class Lab {
  readonly dir = mkdtempSync(join(tmpdir(), `wapiti-lab-${process.pid}-`));
  private readonly tag = `wl${process.pid.toString(36)}${randomBytes(2).toString('hex')}`;
  private readonly processes: Background[] = [];
  private readonly mounts: string[] = [];
  private readonly mounters: Background[] = [];
  private readonly hosts = new Map<Host, string>();
  private counter = 0;

  private constructor() {
    live.add(this);
  }

  static async create(hosts: Readonly<Record<string, string>> = HOSTS): Promise<Lab> {
    const lab = new Lab();
    try {
      await lab.ip('netns', 'add', lab.namespace('sw'));
      await lab.ip('-n', lab.namespace('sw'), 'link', 'set', 'lo', 'up');
      await lab.ip('-n', lab.namespace('sw'), 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0');
      await lab.ip('-n', lab.namespace('sw'), 'link', 'set', 'br0', 'up');
      for (const [host, address] of Object.entries(hosts)) await lab.addHost(host, address);
      return lab;
    } catch (error) {
      await lab.destroy();
      throw error;
    }
  }

  namespace(host: Host): string {
    return `${this.tag}-${host}`;
  }

  address(host: Host): string {
    const address = this.hosts.get(host);
    if (address === undefined) throw new Error(`no host ${host}`);
    return address;
  }

  async addHost(host: Host, address: string): Promise<void> {
    this.hosts.set(host, address);
    const ns = this.namespace(host);
    await this.ip('netns', 'add', ns);
    await this.ip('-n', ns, 'link', 'set', 'lo', 'up');
    await this.ip(
      '-n',
      this.namespace('sw'),
      'link',
      'add',
      `v${host}`,
      'type',
      'veth',
      'peer',
      'name',
      'eth1',
      'netns',
      ns,
    );
    await this.ip('-n', this.namespace('sw'), 'link', 'set', `v${host}`, 'master', 'br0', 'up');
    await this.ip('-n', ns, 'link', 'set', 'eth1', 'up');
    await this.ip('-n', ns, 'addr', 'add', `${address}/24`, 'dev', 'eth1');
  }

  /** Cuts or restores the cable of a host. */
  async link(host: Host, state: 'up' | 'down'): Promise<void> {
    await this.ip('-n', this.namespace('sw'), 'link', 'set', `v${host}`, state);
  }

  private ip(...args: string[]): Promise<ProcessResult> {
    return run('ip', args);
  }

  /** Runs a command on a host to its end. Mounts made by it are seen everywhere. */
  on(
    host: Host,
    command: string,
    args: readonly string[] = [],
    options: { check?: boolean; input?: string } = {},
  ): Promise<ProcessResult> {
    return run('nsenter', [`--net=/var/run/netns/${this.namespace(host)}`, command, ...args], options);
  }

  /** Starts a command on a host; it is ended with the lab. */
  start(host: Host, label: string, command: string, args: readonly string[] = [], env?: NodeJS.ProcessEnv): Background {
    const process_ = background(
      label,
      'nsenter',
      [`--net=/var/run/netns/${this.namespace(host)}`, command, ...args],
      env ? { env } : {},
    );
    this.processes.push(process_);
    return process_;
  }

  /** The last lines of every process that was started. */
  logs(lines: number): string {
    return this.processes
      .map((one) => `--- ${one.label}\n${one.output.trimEnd().split('\n').slice(-lines).join('\n')}`)
      .join('\n');
  }

  /** The chunkservers that were started, for their logs. */
  chunkserverLogs(): Background[] {
    return this.processes.filter((one) => one.label.includes('mfschunkserver'));
  }

  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  private folder(name: string): string {
    const dir = this.path(name);
    mkdirSync(dir, { recursive: true });
    return dir;
  }

  /** Starts a role in the foreground and waits until it says that it runs. */
  async daemon(
    host: Host,
    role: 'mfsmaster' | 'mfschunkserver' | 'mfsmetalogger',
    defaults: Readonly<Record<string, string | number>>,
    options: DaemonOptions = {},
  ): Promise<Daemon> {
    const implementation = options.implementation ?? 'wapiti';
    const name = options.name ?? `${role}-${++this.counter}`;
    const dataDir = this.folder(name);
    const settings = {
      WORKING_USER: 'root',
      WORKING_GROUP: 'root',
      DATA_PATH: dataDir,
      ...defaults,
      ...options.config,
    };
    const configFile = this.path(`${name}.cfg`);
    writeFileSync(
      configFile,
      Object.entries(settings)
        .map(([key, value]) => `${key} = ${value}\n`)
        .join(''),
    );
    const [command, ...first] = binary(role, implementation) as [string, ...string[]];
    const process_ = this.start(host, `${implementation} ${role} on ${host}`, command, [
      ...first,
      ...(options.options ?? []),
      '-f',
      '-c',
      configFile,
      'start',
    ]);
    await process_.waitFor(/initialized properly/);
    return { process: process_, dataDir, configFile, host };
  }

  /** A master on `host`; a new data folder starts with an empty file system. */
  async master(host: Host, options: DaemonOptions & { exports?: string } = {}): Promise<Daemon> {
    const name = options.name ?? `master-${++this.counter}`;
    const dataDir = this.folder(name);
    if (!options.keepData) writeFileSync(join(dataDir, 'metadata.mfs'), 'MFSM NEW');
    const exportsFile = this.path(`${name}-exports.cfg`);
    writeFileSync(exportsFile, options.exports ?? '* / rw,alldirs,admin,maproot=0:0\n* . rw\n');
    // By default the C master answers first and lets another process write the changelog: killed, it forgets what it acknowledged.
    const defaults = { EXPORTS_FILENAME: exportsFile, CHANGELOG_SAVE_MODE: 1 };
    return this.daemon(host, 'mfsmaster', defaults, { ...options, name });
  }

  /** A chunkserver on `host` with `folders` data folders. */
  async chunkserver(
    host: Host,
    masterHost: string,
    options: DaemonOptions & { folders?: number } = {},
  ): Promise<Daemon & { folders: string[] }> {
    const name = options.name ?? `cs-${++this.counter}`;
    const folders = Array.from({ length: options.folders ?? 1 }, (_, i) => this.folder(`${name}-hdd${i}`));
    const hddFile = this.path(`${name}-hdd.cfg`);
    writeFileSync(hddFile, folders.map((folder) => `${folder}\n`).join(''));
    const started = await this.daemon(
      host,
      'mfschunkserver',
      {
        HDD_CONF_FILENAME: hddFile,
        MASTER_HOST: masterHost,
        MASTER_RECONNECTION_DELAY: 1,
        HDD_LEAVE_SPACE_DEFAULT: '16MiB',
      },
      { ...options, name },
    );
    return { ...started, folders };
  }

  async metalogger(host: Host, masterHost: string, options: DaemonOptions = {}): Promise<Daemon> {
    const name = options.name ?? `ml-${++this.counter}`;
    return this.daemon(
      host,
      'mfsmetalogger',
      { MASTER_HOST: masterHost, MASTER_RECONNECTION_DELAY: 1, META_DOWNLOAD_FREQ: 1 },
      { ...options, name },
    );
  }

  /** Mounts the cluster and waits until the kernel shows the mount. */
  async mount(
    host: Host,
    masterHost: string,
    options: { implementation?: Implementation; options?: readonly string[]; name?: string } = {},
  ): Promise<{ dir: string; process: Background }> {
    const implementation = options.implementation ?? 'wapiti';
    const name = options.name ?? `mnt-${++this.counter}`;
    const dir = this.folder(name);
    const [command, ...first] = binary('mfsmount', implementation) as [string, ...string[]];
    this.mounts.push(dir);
    const process_ = this.start(host, `${implementation} mfsmount on ${host}`, command, [
      ...first,
      '-f',
      dir,
      '-H',
      masterHost,
      ...(options.options ?? []),
    ]);
    this.mounters.push(process_);
    await eventually(`mount of ${dir}`, () => {
      if (!process_.running) throw new Error(process_.output);
      return isMounted(dir);
    });
    return { dir, process: process_ };
  }

  async unmount(dir: string): Promise<void> {
    // a mount whose master is gone answers nothing, not even umount's look at the path
    await run('umount', ['-c', dir], { check: false, timeoutMs: UNMOUNT_MS });
    if (isMounted(dir)) await run('umount', ['-c', '-l', dir], { check: false, timeoutMs: UNMOUNT_MS });
  }

  /** Waits until `count` chunkservers are connected to the master and offer space, as its own monitoring interface tells. */
  async waitChunkservers(masterHost: string, count: number, from: Host = 'cl'): Promise<void> {
    await eventually(`${count} chunkservers at ${masterHost}`, async () => {
      const { stdout } = await this.on(from, 'mfscli', ['-H', masterHost, '-p', '-n', '-s|', '-SCS'], { check: false });
      // label, address, port, id, labels, version, load, maintenance, chunks, used, total: of a disconnected server the version is "-".
      // The C daemon registers before it has looked at its folders: without space, and so without new chunks for a second.
      const ready = stdout.split('\n').filter((line) => /^chunk servers:\|([^|]*\|){4}\d([^|]*\|){5}[1-9]/.test(line));
      return ready.length >= count || undefined;
    });
  }

  async unmountAll(): Promise<void> {
    for (const dir of this.mounts) if (isMounted(dir)) await this.unmount(dir);
    // they say good-bye to the master; one that cannot is killed
    for (const process_ of this.mounters) await process_.waitExit(UNMOUNT_MS).catch(() => process_.kill());
  }

  async destroy(): Promise<void> {
    await this.unmountAll();
    for (const process_ of [...this.processes].reverse()) {
      await process_.stop().catch(() => undefined);
    }
    this.destroySync();
  }

  destroySync(): void {
    if (!live.delete(this)) return;
    for (const dir of this.mounts) if (isMounted(dir)) runSync('umount', ['-c', '-l', dir]);
    for (const process_ of this.processes) process_.signal('SIGKILL');
    for (const host of [...this.hosts.keys(), 'sw']) {
      for (const pid of pidsIn(this.namespace(host))) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // it has ended meanwhile
        }
      }
      runSync('ip', ['netns', 'del', this.namespace(host)]);
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Pids of processes inside one of our namespaces: daemons that were started by what we started. */
function pidsIn(namespace: string): number[] {
  try {
    return spawnText('ip', ['netns', 'pids', namespace])
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
  } catch {
    return [];
  }
}

function spawnText(command: string, args: string[]): string {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout ?? '';
}

export function isMounted(dir: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[4] === dir);
}
