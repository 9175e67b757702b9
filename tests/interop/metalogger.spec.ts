import {
  appendFileSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { binary, type Daemon, Lab } from '../harness/lab.js';
import { type Background, eventually } from '../harness/processes.js';

const HOSTS = { m1: '10.1.1.105', m2: '10.1.1.104', m3: '10.1.1.106', c1: '10.1.1.116', cl: '10.1.1.111' };

const HOSTS_OF_OURS = { ...HOSTS, m4: '10.1.1.107' };

/** Names and contents below a folder. */
function tree(folder: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(folder.length + 1);
    if (!name.startsWith('.masterinfo')) found.set(name, entry.isFile() ? readFileSync(path, 'base64') : '');
  }
  return found;
}

/** All lines of the changelogs of a folder, by number. */
function changes(folder: string, pattern: RegExp): Map<number, string> {
  const lines = new Map<number, string>();
  for (const name of readdirSync(folder).filter((one) => pattern.test(one))) {
    const text = readFileSync(join(folder, name), 'utf8');
    expect(text === '' || text.endsWith('\n')).toBe(true);
    for (const line of text.split('\n')) if (line !== '') lines.set(Number.parseInt(line, 10), line);
  }
  return lines;
}

const MASTER_LOGS = /^changelog\.\d+\.mfs$/;
const OUR_LOGS = /^changelog_ml(_back)?\.\d+\.mfs$/;

describe('our metalogger at a C master', () => {
  let lab: Lab;
  let master: Daemon;
  let metalogger: Daemon;
  let chunkserver: Daemon & { folders: string[] };
  let dir: string;
  let before: Map<string, string>;

  const client = (...args: string[]): Promise<unknown> => lab.on('cl', args[0] as string, args.slice(1));
  const startMaster = async (): Promise<void> => {
    master = await lab.master('m1', {
      implementation: 'c',
      name: 'master',
      keepData: existsSync(lab.path('master')),
    });
  };
  const startMetalogger = async (masterAddress = HOSTS.m1): Promise<void> => {
    metalogger = await lab.metalogger('m2', masterAddress, { name: 'ml', keepData: true });
  };
  /** Everything that the master has written is held, with the same text. */
  const held = (): Promise<unknown> =>
    eventually('all changes of the master', () => {
      const theirs = changes(master.dataDir, MASTER_LOGS);
      const ours = changes(metalogger.dataDir, OUR_LOGS);
      const image = readFileSync(join(metalogger.dataDir, 'metadata_ml.mfs.back'));
      const version = image.length === 8 ? 1 : Number(image.readBigUInt64BE(8));
      for (const [number, line] of theirs) if (number >= version && ours.get(number) !== line) return false;
      return theirs.size > 0;
    });
  /** A master's data folder made from a copy of what the metalogger holds. */
  const copyHeld = (name: string): string => {
    cpSync(metalogger.dataDir, lab.path(name), { recursive: true });
    return lab.path(name);
  };

  beforeAll(async () => {
    lab = await Lab.create(HOSTS);
    await startMaster();
    chunkserver = await lab.chunkserver('c1', HOSTS.m1, { implementation: 'c', name: 'cs' });
    await startMetalogger();
    await lab.waitChunkservers(HOSTS.m1, 1);
    ({ dir } = await lab.mount('cl', HOSTS.m1, { implementation: 'c' }));
  });

  afterAll(async () => {
    await lab?.destroy();
  }, 120_000);

  it('writes down every change as the master does', async () => {
    mkdirSync(join(dir, 'd/e'), { recursive: true });
    for (let i = 0; i < 50; i++) writeFileSync(join(dir, `d/file ${i}, (odd) name%`), `content ${i}`);
    await client('mv', join(dir, 'd/file 0, (odd) name%'), join(dir, 'd/e/moved'));
    await client('ln', '-s', 'e/moved', join(dir, 'd/link'));
    await client('ln', join(dir, 'd/e/moved'), join(dir, 'd/hard'));
    await client('rm', join(dir, 'd/file 1, (odd) name%'));
    await client('mfssetgoal', '-r', '1', join(dir, 'd'));
    await client('truncate', '-s', '3', join(dir, 'd/e/moved'));
    await client('chmod', '600', join(dir, 'd/hard'));
    await held();
  });

  it('goes on where it was when the master comes back', async () => {
    await master.process.stop();
    await startMaster();
    await eventually('a change after the restart', () => {
      mkdirSync(join(dir, 'after'), { recursive: true });
      return true;
    });
    await held();
    expect(metalogger.process.output).not.toMatch(/some changes lost|refused/);
  });

  it('downloads an image of many blocks', async () => {
    for (const name of ['few', 'some', 'many']) mkdirSync(join(dir, name));
    for (let i = 0; i < 100; i++) writeFileSync(join(dir, `few/a name of some length, number ${i}`), '');
    for (let i = 0; i < 14; i++) await client('mfsmakesnapshot', join(dir, 'few'), join(dir, `some/copy ${i}`));
    for (let i = 0; i < 14; i++) await client('mfsmakesnapshot', join(dir, 'some'), join(dir, `many/copy ${i}`));
    await master.process.stop();
    await startMaster();
    await metalogger.process.stop();
    await startMetalogger();
    await metalogger.process.waitFor(/image of version \d+ and its changelogs are in place/);
    const image = readFileSync(join(metalogger.dataDir, 'metadata_ml.mfs.back'));
    expect(image.length).toBeGreaterThan(1_500_000);
    expect(image.equals(readFileSync(join(master.dataDir, 'metadata.mfs.back')))).toBe(true);
    expect(readdirSync(metalogger.dataDir).filter((name) => name.includes('tmp'))).toEqual([]);
    writeFileSync(join(dir, 'last'), 'the last file');
    await held();
    before = tree(dir);
    expect(before.size).toBeGreaterThan(20_000);
  }, 120_000);

  it('holds what our mfsmetarestore restores, and a C master serves all files from the result', async () => {
    const restored = copyHeld('restored');
    const [command, ...first] = binary('mfsmetarestore', 'wapiti') as [string, ...string[]];
    // A crash of the metalogger's host in the middle of a line.
    appendFileSync(join(restored, 'changelog_ml.0.mfs'), '99999: 17');
    const { stdout, stderr } = await lab.on('m2', command, [...first, '-a', '-d', restored]);
    expect(stderr).toMatch(/changelog_ml\.0\.mfs: incomplete last line of 9 bytes left out/);
    expect(stdout).toMatch(/stored/);
    await chunkserver.process.stop();
    const second = await lab.master('m2', { implementation: 'c', name: 'restored', keepData: true });
    await lab.chunkserver('c1', HOSTS.m2, { implementation: 'c', name: 'cs', keepData: true });
    await lab.waitChunkservers(HOSTS.m2, 1);
    const other = await lab.mount('cl', HOSTS.m2, { implementation: 'c' });
    expect(tree(other.dir)).toEqual(before);
    await lab.unmount(other.dir);
    await other.process.waitExit();
    await second.process.stop();
  }, 120_000);

  it('holds what a C master starts from with -a', async () => {
    copyHeld('automatic');
    const second = await lab.master('m2', {
      implementation: 'c',
      name: 'automatic',
      keepData: true,
      options: ['-a'],
    });
    expect(second.process.output).not.toMatch(/hole|mismatch|error applying/);
    const other = await lab.mount('cl', HOSTS.m2, { implementation: 'c' });
    expect(readdirSync(other.dir, { recursive: true }).length).toBe(before.size);
    await lab.unmount(other.dir);
    await other.process.waitExit();
    await second.process.stop();
  }, 120_000);

  it('refuses a master of another file system and an older state of its own, and overwrites nothing', async () => {
    const snapshot = (): Map<string, string> => {
      const files = tree(metalogger.dataDir);
      files.delete('.mfsmetalogger.lock');
      return files;
    };
    await metalogger.process.stop();
    const files = snapshot();
    const stranger = await lab.master('m3', { implementation: 'c' });
    await startMetalogger(HOSTS.m3);
    await metalogger.process.waitFor(/metadata id .* refused, nothing was overwritten/);
    await metalogger.process.stop();
    expect(snapshot()).toEqual(files);
    await stranger.process.stop();

    const older = lab.path('older');
    mkdirSync(older);
    cpSync(join(metalogger.dataDir, 'metadata_ml.mfs.back'), join(older, 'metadata.mfs'));
    const outdated = await lab.master('m3', { implementation: 'c', name: 'older', keepData: true });
    await startMetalogger(HOSTS.m3);
    await metalogger.process.waitFor(/an older state - refused, nothing was overwritten/);
    await metalogger.process.stop();
    expect(snapshot()).toEqual(files);
    // a C master that cannot save into its folder at its end does so in `/`
    await outdated.process.stop();
    rmSync(older, { recursive: true });
  });
});

describe('metaloggers at our master', () => {
  let lab: Lab;
  let master: Daemon;
  let theirs: Daemon;
  let ours: Daemon;
  let chunkserver: Daemon;
  let mount: { dir: string; process: Background };
  const acknowledged: string[] = [];

  /** Starts a C master on what a metalogger holds, and shows the tree. */
  const treeOf = async (name: string, options: readonly string[]): Promise<Map<string, string>> => {
    const second = await lab.master('m4', { implementation: 'c', name, keepData: true, options });
    expect(second.process.output).not.toMatch(/hole|mismatch|error applying/);
    chunkserver = await lab.chunkserver('c1', HOSTS_OF_OURS.m4, { implementation: 'c', name: 'cs', keepData: true });
    await lab.waitChunkservers(HOSTS_OF_OURS.m4, 1);
    const other = await lab.mount('cl', HOSTS_OF_OURS.m4, { implementation: 'c' });
    const found = tree(other.dir);
    await lab.unmount(other.dir);
    await other.process.waitExit();
    await chunkserver.process.stop();
    await second.process.stop();
    return found;
  };

  beforeAll(async () => {
    lab = await Lab.create(HOSTS_OF_OURS);
    master = await lab.master('m1', { name: 'master' });
    chunkserver = await lab.chunkserver('c1', HOSTS_OF_OURS.m1, { implementation: 'c', name: 'cs' });
    theirs = await lab.metalogger('m2', HOSTS_OF_OURS.m1, { implementation: 'c', name: 'theirs' });
    ours = await lab.metalogger('m3', HOSTS_OF_OURS.m1, { name: 'ours' });
    await lab.waitChunkservers(HOSTS_OF_OURS.m1, 1);
    mount = await lab.mount('cl', HOSTS_OF_OURS.m1, { implementation: 'c' });
  });

  afterAll(async () => {
    await lab?.destroy();
  }, 120_000);

  it('write down the same as the master, and are listed', async () => {
    const { dir } = mount;
    mkdirSync(join(dir, 'd'));
    for (let i = 0; i < 20; i++) writeFileSync(join(dir, `d/file ${i}`), `content ${i}`);
    await lab.on('cl', 'mv', [join(dir, 'd/file 0'), join(dir, 'd/moved')]);
    await lab.on('cl', 'rm', [join(dir, 'd/file 1')]);
    await eventually('all changes at both', () => {
      const made = changes(master.dataDir, MASTER_LOGS);
      const copies = [theirs, ours].map(({ dataDir }) => changes(dataDir, OUR_LOGS));
      return made.size > 0 && copies.every((copy) => [...made].every(([number, line]) => copy.get(number) === line));
    });
    const { stdout } = await lab.on('cl', 'mfscli', ['-H', HOSTS_OF_OURS.m1, '-p', '-n', '-s|', '-SMB']);
    expect(stdout).toMatch(/metadata backup loggers:\|10\.1\.1\.104\|3\.0\.117/);
    expect(stdout).toMatch(/metadata backup loggers:\|10\.1\.1\.106\|3\.0\.117/);
  });

  it('and all else about the cluster is shown by the tools of MooseFS', async () => {
    const show = async (...options: string[]): Promise<string> => {
      const { stdout, stderr } = await lab.on('cl', 'mfscli', ['-H', HOSTS_OF_OURS.m1, '-p', '-n', '-s|', ...options]);
      expect(stdout + stderr).not.toMatch(/not found|not allowed|communication error|Traceback/);
      return stdout;
    };
    const ip = (host: keyof typeof HOSTS_OF_OURS): string => HOSTS_OF_OURS[host].replaceAll('.', '\\.');
    expect(await show('-SIM')).toMatch(new RegExp(`metadata servers:\\|${ip('m1')}\\|3\\.0\\.117\\|-\\|`));
    const general = await show('-SIG');
    expect(general).toMatch(/master info:\|directories\|2\n/);
    expect(general).toMatch(/master info:\|chunks\|20\n/);
    expect(general).toMatch(/master info:\|all chunk copies\|20\n/);
    expect(await show('-SCS')).toMatch(
      new RegExp(`chunk servers:\\|${ip('c1')}\\|9422\\|1\\|-\\|3\\.0\\.117\\|\\d+\\|maintenance_off\\|\\d+\\|`),
    );
    expect(await show('-SHD')).toMatch(new RegExp(`disks:\\|${ip('c1')}:9422:.*\\|\\d+\\|no errors\\|`));
    expect(await show('-SIC')).toMatch(/all chunks matrix:\|goal\/copies\/chunks:\|2\|1\|20\n/);
    expect(await show('-SIL')).toMatch(/check loop: no data/);
    expect(await show('-SMS')).toMatch(
      new RegExp(`active mounts, parameters:\\|1\\|${ip('cl')}\\|.*\\|3\\.0\\.117\\|/\\|rw\\|`),
    );
    expect(await show('-SMO')).toMatch(new RegExp(`active mounts, operations:\\|${ip('cl')}\\|`));
    expect(await show('-SEX')).toMatch(/exports:\|0\.0\.0\.0\|255\.255\.255\.255\|\/\|/);
    expect(await show('-SSC')).toMatch(/storage classes:\|2\|2\|NO\|STD\|20\|2\|/);
    expect(await show('-SMF', '-SQU', '-SAL', '-SMC', '-SMU')).toMatch(/memory usage detailed info:\|nodes\|\d+\|/);
    await lab.on('cl', 'mfssetquota', ['-i', '1000', '-L', '2GiB', join(mount.dir, 'd')]);
    expect(await show('-SQU')).toMatch(/active quotas:\|\/d\|no\|/);
    const held = openSync(join(mount.dir, 'd/moved'), 'r');
    expect(await show('-SOF')).toMatch(/open file:\|1\|.*\|d\/moved\n/);
    closeSync(held);
    const server = `${HOSTS_OF_OURS.c1}/9422`;
    await show(`-CM1/${server}`);
    expect(await show('-SCS')).toMatch(/maintenance_on/);
    await show(`-CM0/${server}`);
    expect(await show('-SCS')).toMatch(/maintenance_off/);
  });

  it('hold everything that was acknowledged when the master is killed under load', async () => {
    const script = 'i=0; while mkdir "$1/k$i" && echo "made k$i"; do i=$((i+1)); done';
    const writer = lab.start('cl', 'writer', 'sh', ['-c', script, 'sh', mount.dir]);
    await writer.waitFor(/made k300\n/);
    master.process.signal('SIGKILL');
    await master.process.waitExit();
    // The writer hangs in its next mkdir: what it printed is what was acknowledged.
    await ours.process.waitFor(/connection was reset by Master|connection lost/);
    acknowledged.push(...[...writer.output.matchAll(/made (k\d+)\n/g)].map((match) => match[1] as string));
    expect(acknowledged.length).toBeGreaterThan(300);
    await mount.process.kill();
    await writer.waitExit();
    await lab.unmount(mount.dir);
    await theirs.process.stop();
    await ours.process.stop();
    await chunkserver.process.stop();
    const held = changes(ours.dataDir, OUR_LOGS);
    const made = changes(master.dataDir, MASTER_LOGS);
    for (const [number, line] of held) expect(made.get(number)).toBe(line);
  });

  it('is started by a C master with -a from what the C metalogger holds', async () => {
    cpSync(theirs.dataDir, lab.path('from-theirs'), { recursive: true });
    const found = await treeOf('from-theirs', ['-a']);
    expect(acknowledged.filter((name) => !found.has(name))).toEqual([]);
    expect(found.get('d/moved')).toBe(Buffer.from('content 0').toString('base64'));
    expect(found.has('d/file 1')).toBe(false);
  });

  it('is restored by our mfsmetarestore from what ours holds, and a C master starts from the result', async () => {
    cpSync(ours.dataDir, lab.path('from-ours'), { recursive: true });
    const [command, ...first] = binary('mfsmetarestore', 'wapiti') as [string, ...string[]];
    await lab.on('m3', command, [...first, '-a', '-d', lab.path('from-ours')]);
    const found = await treeOf('from-ours', []);
    expect(acknowledged.filter((name) => !found.has(name))).toEqual([]);
    expect(found.get('d/file 19')).toBe(Buffer.from('content 19').toString('base64'));
  });
});
