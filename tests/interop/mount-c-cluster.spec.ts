import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, createReadStream, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, open, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { type Daemon, Lab } from '../harness/lab.js';
import { posixSuite } from '../harness/posix-suite.js';
import { eventually, run } from '../harness/processes.js';

async function md5(path: string): Promise<string> {
  const hash = createHash('md5');
  for await (const part of createReadStream(path)) hash.update(part as Buffer);
  return hash.digest('hex');
}

/** Our mount, beside the reference's, on a cluster of C daemons. */
describe('our mount on a C cluster', () => {
  let lab: Lab;
  let master: Daemon;
  let address: string;
  let ours: string;
  let theirs: string;

  beforeAll(async () => {
    lab = await Lab.create();
    chmodSync(lab.dir, 0o711); // other users come to the mounts
    master = await lab.master('m1', { implementation: 'c', name: 'master' });
    address = lab.address('m1');
    await lab.chunkserver('m2', address, { implementation: 'c' });
    await lab.chunkserver('c1', address, { implementation: 'c' });
    await lab.waitChunkservers(address, 2);
    ours = (await lab.mount('cl', address)).dir;
    theirs = (await lab.mount('cl', address, { implementation: 'c' })).dir;
  });

  afterAll(async () => {
    await lab?.destroy();
  });

  describe('programs on our mount', () => posixSuite(() => ours));
  describe('programs on the reference mount', () => posixSuite(() => theirs));

  it('a tree of 2000 files is copied and is the same on both mounts', async () => {
    const source = lab.path('tree');
    for (let d = 0; d < 40; d++) {
      mkdirSync(join(source, `d${d}`), { recursive: true });
      for (let f = 0; f < 50; f++)
        writeFileSync(join(source, `d${d}`, `f${f}`), randomBytes(f === 7 ? 150_000 : (d * 31 + f * 17) % 3000));
    }
    await run('cp', ['-a', source, join(ours, 'tree')]);
    await run('diff', ['-r', source, join(ours, 'tree')]);
    await run('diff', ['-r', source, join(theirs, 'tree')]);
    await run('rm', ['-r', join(ours, 'tree')]);
    // names of directories are cached for a second
    await eventually('its end on the other mount', () => !existsSync(join(theirs, 'tree')));
  });

  it('a file of 200 MiB goes both ways', async () => {
    const source = lab.path('big');
    await run('dd', ['if=/dev/urandom', `of=${source}`, 'bs=1M', 'count=200', 'status=none']);
    await run('cp', [source, join(ours, 'big')]);
    await run('cmp', [source, join(theirs, 'big')]);
    await run('cp', [source, join(theirs, 'big2')]);
    await run('cmp', [source, join(ours, 'big2')]);
    await unlink(join(ours, 'big2'));
  });

  it('what the other mount does is seen: data, length, names, a file that is open', async () => {
    await mkdir(join(ours, 'shared'));
    await writeFile(join(ours, 'shared', 'f'), 'version one');
    expect(await readFile(join(theirs, 'shared', 'f'), 'utf8')).toBe('version one');
    const reader = await open(join(ours, 'shared', 'f'), 'r');
    const read = async (): Promise<string> => {
      const buffer = Buffer.alloc(100);
      return buffer.subarray(0, (await reader.read(buffer, 0, 100, 0)).bytesRead).toString();
    };
    expect(await read()).toBe('version one');
    const writer = await open(join(theirs, 'shared', 'f'), 'r+');
    await writer.write(Buffer.from('TWO, longer'), 0, 11, 8);
    await writer.sync();
    await eventually('the new data in the open file', async () => (await read()) === 'version TWO, longer');
    await writer.truncate(7);
    await eventually('the new length in the open file', async () => (await read()) === 'version');
    expect((await reader.stat()).size).toBe(7);
    await writer.close();
    await reader.close();
    await unlink(join(theirs, 'shared', 'f'));
    await expect(stat(join(ours, 'shared', 'f'))).rejects.toMatchObject({ code: 'ENOENT' });
    await run('sh', [
      '-c',
      `for i in 1 2 3 4 5; do echo ours $i >> ${ours}/log; echo theirs $i >> ${theirs}/log; done`,
    ]);
    expect((await readFile(join(ours, 'log'), 'utf8')).split('\n')).toHaveLength(11);
  });

  it('what the other mount has closed is what the next open reads, though pages and locations are kept', async () => {
    const name = 'passed-on';
    const mine = join(ours, name);
    await writeFile(mine, 'version 000');
    for (let i = 1; i <= 40; i++) {
      const text = `version ${String(i).padStart(3, '0')}`;
      // in place and of the same length: nothing but the master's word tells the difference
      const writer = await open(join(i % 4 === 0 ? ours : theirs, name), 'r+');
      await writer.write(text, 0);
      await writer.close();
      expect(await readFile(mine, 'utf8')).toBe(text);
      expect(await readFile(mine, 'utf8')).toBe(text);
    }
    const reader = await open(mine, 'r');
    await unlink(join(theirs, name));
    expect((await reader.readFile('utf8')).slice(0, 8)).toBe('version ');
    await reader.close();
  });

  it('a lock of one mount holds on the other', async () => {
    await writeFile(join(ours, 'lock'), '');
    const holder = lab.start('cl', 'holder', 'flock', [
      '-F', // no child of its own that would go on holding the lock
      join(theirs, 'lock'),
      'sh',
      '-c',
      'echo held; exec sleep 600',
    ]);
    await holder.waitFor(/held/);
    expect((await run('flock', ['-n', join(ours, 'lock'), 'true'], { check: false })).code).toBe(1);
    const waiter = lab.start('cl', 'waiter', 'flock', [join(ours, 'lock'), 'echo', 'granted']);
    const killed = lab.start('cl', 'killed', 'flock', [join(ours, 'lock'), 'echo', 'granted']);
    await eventually('three processes with the file open', async () => {
      const { stdout } = await run('sh', [
        '-c',
        `ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c '${join(ours, 'lock')}$' || true`,
      ]);
      return Number(stdout) >= 2;
    });
    await killed.kill(); // a waiting lock can be interrupted
    expect(waiter.output).toBe('');
    await holder.kill();
    await waiter.waitExit();
    expect(waiter.output).toContain('granted');
    expect(killed.output).toBe('');
  });

  it('tools of the cluster work on our mount', async () => {
    await writeFile(join(ours, 'counted'), 'x');
    expect((await lab.on('cl', 'mfsgetgoal', [join(ours, 'counted')])).stdout).toMatch(/counted: 2/);
    expect((await lab.on('cl', 'mfsfileinfo', [join(ours, 'counted')])).stdout).toMatch(/copy 1: .*status:VALID/);
    expect(await readFile(join(ours, '.stats'), 'utf8')).toMatch(/^fuse_ops: \d+\n/);
    expect(await readFile(join(ours, '.params'), 'utf8')).toContain(`mfsmaster: ${address}\n`);
  });

  it('a master that dies and comes back during a write: no error, nothing lost', async () => {
    const source = lab.path('big');
    const target = join(ours, 'through-failover');
    const copy = lab.start('cl', 'dd', 'dd', [`if=${source}`, `of=${target}`, 'bs=1M']);
    await eventually('data at the cluster', async () => (await stat(target)).size > 20 << 20);
    await master.process.kill();
    const listing = run('ls', [ours]); // waits for the master
    master = await lab.master('m1', { implementation: 'c', name: 'master', keepData: true, options: ['-a'] });
    expect(await copy.waitExit()).toBe(0);
    expect((await listing).stdout).toContain('through-failover');
    await eventually(
      'the same on the other mount',
      async () => (await md5(join(theirs, 'through-failover'))) === (await md5(source)),
    );
    expect(await md5(target)).toBe(await md5(source));
  });

  it('ends cleanly with SIGTERM while a file is open, and its data arrive', async () => {
    const { dir, process } = await lab.mount('cl', address);
    const file = await open(join(dir, 'last'), 'wx');
    await file.write('last words');
    process.signal('SIGHUP');
    process.signal('SIGTERM');
    expect(await process.waitExit()).toBe(0);
    await file.close().catch(() => undefined);
    expect(await readFile(join(theirs, 'last'), 'utf8')).toBe('last words');
  });

  it('goes to the background once mounted; refusals are told', async () => {
    const dir = lab.path('background');
    mkdirSync(dir);
    const [command, main] = [process.execPath, join(__dirname, '../../apps/mfsmount/dist/main.js')];
    const log = lab.path('background.log');
    const started = await lab.on('cl', command, [main, `${address}:9421:/shared`, dir, '-o', `ro,mfslogfile=${log}`]);
    expect(started.stderr).toContain('mfsmaster accepted connection with parameters: read-write,restricted_ip,admin');
    try {
      await expect(writeFile(join(dir, 'x'), '')).rejects.toMatchObject({ code: 'EROFS' });
      expect(await readFile('/proc/mounts', 'utf8')).toMatch(
        new RegExp(`^mfs\\\\043${address}:9421 ${dir} fuse ro`, 'm'),
      );
    } finally {
      await lab.unmount(dir);
    }
    await eventually('the end of the process', async () => /the mount has ended/.test(await readFile(log, 'utf8')));
    const missing = await lab.on('cl', command, [main, dir, '-H', address, '-S', '/none'], { check: false });
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('mfsmaster register error: No such file or directory');
  });
});
