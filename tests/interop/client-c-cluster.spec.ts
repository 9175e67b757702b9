import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { type Daemon, Lab } from '../harness/lab.js';
import type { Background, ProcessResult } from '../harness/processes.js';

const HOSTS = { m1: '10.1.1.105', a: '10.1.1.1', b: '10.1.1.2', cl: '10.1.1.111' };
const WAPITI = resolve(__dirname, '../../apps/wapiti/dist/main.js');
const SCRIPT = resolve(__dirname, 'client-api.mjs');
const MIB = 1024 * 1024;
const EXPORTS = '* / rw,alldirs,admin,maproot=0:0,password=secret\n* . rw\n';
const ENV = { ...process.env, WAPITI_MASTER: HOSTS.m1, WAPITI_PASSWORD: 'secret' };

/** Our client library and the `wapiti` command on a cluster of C daemons only. */
describe('our client library in a C cluster', () => {
  let lab: Lab;
  let master: Daemon;

  beforeAll(async () => {
    lab = await Lab.create(HOSTS);
    master = await lab.master('m1', { implementation: 'c', name: 'master', exports: EXPORTS });
    await lab.chunkserver('a', HOSTS.m1, { implementation: 'c' });
    await lab.chunkserver('b', HOSTS.m1, { implementation: 'c' });
    await lab.waitChunkservers(HOSTS.m1, 2);
    const script = api('space');
    await script.waitFor(/space available/);
    expect(await script.waitExit()).toBe(0);
  });

  afterAll(async () => {
    await lab?.destroy();
  });

  function api(...args: string[]): Background {
    return lab.start('cl', `client-api ${args[0]}`, process.execPath, [SCRIPT, HOSTS.m1, ...args], ENV);
  }

  async function wapiti(args: readonly string[], code = 0): Promise<ProcessResult> {
    const env = ['WAPITI_MASTER', 'WAPITI_PASSWORD'].map((key) => `${key}=${ENV[key as keyof typeof ENV]}`);
    const result = await lab.on('cl', 'env', [...env, process.execPath, WAPITI, ...args], { check: false });
    expect({ args, code: result.code, stderr: code === 0 ? '' : result.stderr }).toEqual({
      args,
      code,
      stderr: code === 0 ? '' : result.stderr,
    });
    return result;
  }

  it('offers the operations of fs/promises', async () => {
    const script = api('operations');
    await script.waitExit(60_000);
    expect(script.output).toContain('all operations as expected');
    expect(script.exitCode).toBe(0);
  });

  it('does not notice lost answers', async () => {
    const script = api('lostAnswers');
    await script.waitExit(60_000);
    expect(script.output).toContain('no lost answer was noticed');
    expect(script.exitCode).toBe(0);
  });

  it('copies trees in and out, byte for byte, with a file across the border of chunks', async () => {
    const tree = lab.path('tree');
    mkdirSync(join(tree, 'deep', 'er'), { recursive: true });
    const large = randomBytes(66 * MIB + 123);
    writeFileSync(join(tree, 'large'), large);
    writeFileSync(join(tree, 'empty'), '');
    writeFileSync(join(tree, 'deep', 'er', 'script'), '#!/bin/sh\n', { mode: 0o755 });
    for (let i = 0; i < 50; i++) writeFileSync(join(tree, 'deep', `file ${i}`), `content ${i}\n`.repeat(i));
    symlinkSync('../large', join(tree, 'deep', 'link'));
    utimesSync(join(tree, 'empty'), 1_000_000_000, 1_100_000_000);

    const put = await wapiti(['put', '-r', '-p', tree, '/']);
    expect(put.stderr).toMatch(/54 files, 66\.\d MiB in /);
    const back = lab.path('back');
    await wapiti(['get', '-r', '-p', '/tree', back]);
    const { stdout } = await lab.on('cl', 'diff', ['-r', '--no-dereference', tree, back], { check: false });
    expect(stdout).toBe('');
    expect(statSync(join(back, 'deep', 'er', 'script')).mode & 0o777).toBe(0o755);
    expect(statSync(join(back, 'empty')).mtimeMs).toBe(1_100_000_000_000);

    // And what we wrote is there for the C mount.
    const { dir } = await lab.mount('cl', HOSTS.m1, { implementation: 'c', options: ['-o', 'mfspassword=secret'] });
    expect(readFileSync(join(dir, 'tree', 'large')).equals(large)).toBe(true);
    await lab.unmount(dir);
  }, 120_000);

  it('lists, shows and removes', async () => {
    expect((await wapiti(['ls', '/tree'])).stdout).toBe('deep\nempty\nlarge\n');
    const long = (await wapiti(['ls', '-l', '/tree/deep/link', '/tree'])).stdout;
    expect(long).toMatch(/^lrwxrwxrwx +1 +0 +0 +8 .* \/tree\/deep\/link -> \.\.\/large$/m);
    expect(long).toMatch(/^-rw-r--r-- +1 +0 +0 +69206139 .* large$/m);
    expect((await wapiti(['stat', '/tree/large'])).stdout).toContain('Size: 69206139 (66.0 MiB)');
    expect((await wapiti(['df'])).stdout).toMatch(/\d+(\.\d)? [GT]iB/);
    await wapiti(['mkdir', '-p', '/made/of/parts']);
    await wapiti(['rm', '/made'], 1);
    await wapiti(['rm', '-r', '/made', '/tree']);
    expect((await wapiti(['ls'])).stdout).not.toContain('tree');
    await wapiti(['rm', '-f', '/tree']);
  });

  it('says what is wrong', async () => {
    expect((await wapiti(['ls', '/nowhere'], 1)).stderr).toBe(
      "wapiti: ENOENT: No such file or directory, lstat '/nowhere'\n",
    );
    expect((await wapiti(['--no-such'], 2)).stderr).toContain("unknown option '--no-such'");
    expect((await wapiti(['put', '/etc/hostname'], 2)).stderr).toContain('at least one source and a destination');
    expect((await wapiti(['put', '/etc', '/'], 1)).stderr).toContain('copied with -r only');
    expect((await wapiti(['ls', '--password', 'wrong'], 1)).stderr).toContain('Incorrect password');
    expect((await wapiti(['ls', '-H', '10.1.1.77', '--timeout', '1'], 1)).stderr).toContain(
      'no master at 10.1.1.77:9421 within 1000 ms',
    );
  });

  it('goes on over a restart of the master, with a writer in the middle', async () => {
    const script = api('writer', String(96 * MIB));
    await script.waitFor(/written 2\d MiB/);
    await master.process.kill();
    master = await lab.master('m1', {
      implementation: 'c',
      name: 'master',
      exports: EXPORTS,
      keepData: true,
      options: ['-a'],
    });
    await script.waitExit(90_000);
    expect(script.output).toContain('disconnected');
    expect(script.output).toMatch(/names made: \d+, all there/);
    const hash = /written: ([0-9a-f]{64})/.exec(script.output)?.[1];
    expect(script.exitCode).toBe(0);
    const copy = lab.path('copy');
    await wapiti(['get', '-q', '/written', copy]);
    expect(createHash('sha256').update(readFileSync(copy)).digest('hex')).toBe(hash);
  }, 180_000);

  it('refuses another file system at the address of its master', async () => {
    const script = api('foreign');
    await script.waitFor(/session established/);
    await master.process.kill();
    master = await lab.master('m1', { implementation: 'c', name: 'another', exports: EXPORTS });
    expect(await script.waitExit(30_000)).toBe(0);
    expect(script.output).toMatch(
      /refused with EIO: .* serves another file system \(metaid [0-9A-F]{16}, this session/,
    );
  }, 60_000);
});
