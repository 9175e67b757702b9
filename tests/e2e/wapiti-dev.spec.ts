import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { WapitiFs } from '@wapiti-fs/client';

import { type Background, background, run } from '../harness/processes.js';

const WAPITI = resolve(__dirname, '../../apps/wapiti/dist/main.js');
const API = resolve(__dirname, '../interop/client-api.mjs');
const PORTS = 5;

/** The first of some ports that are free on loopback, one after the other. */
async function freePorts(): Promise<number> {
  for (let base = 22_000 + (process.pid % 1000) * PORTS; ; base = base >= 26_995 ? 22_000 : base + PORTS) {
    const servers: Server[] = [];
    try {
      for (let port = base; port < base + PORTS; port++) {
        const server = createServer();
        servers.push(server);
        await new Promise<void>((listening, failed) => {
          server.once('error', failed);
          server.listen(port, '127.0.0.1', listening);
        });
      }
      return base;
    } catch {
      // taken: the next ones
    } finally {
      await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
    }
  }
}

/** The whole cluster in one process, used through the command line; nothing here needs root. */
describe('wapiti dev', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wapiti-dev-test-'));
  const data = join(dir, 'data');
  const large = randomBytes(9_000_001);
  let base: number;
  let cluster: Background | undefined;

  async function start(...more: string[]): Promise<Background> {
    cluster = background('wapiti dev', process.execPath, [WAPITI, 'dev', '--port-base', String(base), ...more]);
    await cluster.waitFor(/Ctrl-C ends it/, 60_000);
    return cluster;
  }

  async function wapiti(...args: string[]): Promise<string> {
    const env = `WAPITI_MASTER=127.0.0.1:${base + 2}`;
    return (await run('env', [env, process.execPath, WAPITI, ...args])).stdout;
  }

  beforeAll(async () => {
    base = await freePorts();
    mkdirSync(join(dir, 'tree', 'sub'), { recursive: true });
    writeFileSync(join(dir, 'tree', 'large'), large);
    for (let i = 0; i < 20; i++) writeFileSync(join(dir, 'tree', 'sub', `f${i}`), `${i}`.repeat(i * 100));
  });

  afterAll(async () => {
    await cluster?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('stores files, and shows, returns and removes them', async () => {
    await start('--data', data);
    await wapiti('put', '-r', join(dir, 'tree'), '/');
    expect(await wapiti('ls', '/tree')).toBe('large\nsub\n');
    expect(await wapiti('stat', '/tree/large')).toContain('Size: 9000001 (8.6 MiB)');
    // Users other than root may work in it, too.
    expect(await wapiti('stat', '/')).toContain('1777/drwxrwxrwt');
    expect(await wapiti('df')).toMatch(/[GT]iB/);
    await wapiti('get', '-r', '/tree', join(dir, 'back'));
    await run('diff', ['-r', join(dir, 'tree'), join(dir, 'back')]);
    await wapiti('rm', '-r', '/tree/sub');
    expect(await wapiti('ls', '/tree')).toBe('large\n');
  });

  it('runs the example of the library', async () => {
    const readme = readFileSync(resolve(__dirname, '../../packages/client/README.md'), 'utf8');
    const example = /```js\n(.*?)```/s.exec(readme)?.[1] as string;
    const { stdout } = await run(
      'env',
      [`WAPITI_MASTER=127.0.0.1:${base + 2}`, process.execPath, '--input-type=module', '--eval', example],
      { cwd: resolve(__dirname, '..') },
    );
    expect(stdout).toBe('hello\nworld\n\n2026 true\n');
    expect(await wapiti('ls')).toBe('tree\n');
  });

  it('offers the operations of fs/promises', async () => {
    const { stdout } = await run(process.execPath, [API, `127.0.0.1:${base + 2}`, 'operations']);
    expect(stdout).toContain('all operations as expected');
  });

  it('lets clients not notice lost answers', async () => {
    const { stdout } = await run(process.execPath, [API, `127.0.0.1:${base + 2}`, 'lostAnswers']);
    expect(stdout).toContain('no lost answer was noticed');
  });

  it('ends in order at Ctrl-C and keeps what --data says, while a client goes on without an error', async () => {
    const writer = background('writer', process.execPath, [API, `127.0.0.1:${base + 2}`, 'writer', String(48 << 20)]);
    await writer.waitFor(/written 1\d MiB/);
    cluster?.signal('SIGINT');
    expect(await cluster?.waitExit()).toBe(0);
    expect(cluster?.output).toContain(`stopped; the data are kept in ${data}`);
    expect(existsSync(join(data, 'master', 'metadata.mfs'))).toBe(true);
    await start('--data', data);
    expect([await writer.waitExit(60_000), writer.output]).toEqual([0, expect.stringContaining('all there')]);
    expect(writer.output).toContain('disconnected');
    await wapiti('get', '/tree/large', join(dir, 'again'));
    expect(readFileSync(join(dir, 'again')).equals(large)).toBe(true);
  }, 120_000);

  it('is there again after it was killed', async () => {
    await wapiti('mkdir', '-p', '/made/before/the/end');
    await cluster?.kill();
    await start('--data', data);
    expect(await wapiti('ls', '/made/before/the')).toBe('end\n');
    await wapiti('get', '/tree/large', join(dir, 'once-more'));
    expect(readFileSync(join(dir, 'once-more')).equals(large)).toBe(true);
    cluster?.signal('SIGINT');
    expect(await cluster?.waitExit()).toBe(0);
  });

  it('leaves nothing behind without --data; a client of the cluster before does not take it for that one', async () => {
    await start('--data', data);
    const fs = await WapitiFs.connect({ master: `127.0.0.1:${base + 2}` });
    expect((await fs.stat('/tree/large')).size).toBe(large.length);
    cluster?.signal('SIGINT');
    await cluster?.waitExit();
    const temporary = await start('--chunkservers', '1');
    await expect(fs.stat('/tree/large')).rejects.toThrow(/serves another file system/);
    fs.client.session.abandon();
    await fs.close();
    const folder = /^Data: (\S+) /m.exec(temporary.output)?.[1] as string;
    expect(existsSync(folder)).toBe(true);
    temporary.signal('SIGINT');
    expect(await temporary.waitExit()).toBe(0);
    expect(existsSync(folder)).toBe(false);
  });

  it('says what is wrong with its options, and with a port that is taken', async () => {
    const wrong = await run(process.execPath, [WAPITI, 'dev', '--chunkservers', '0'], { check: false });
    expect([wrong.code, wrong.stderr]).toEqual([2, 'wapiti: --chunkservers 0: a number from 1 to 64 is needed\n']);
    const server = createServer();
    await new Promise<void>((listening) => server.listen(base + 2, '127.0.0.1', listening));
    cluster = background('wapiti dev', process.execPath, [WAPITI, 'dev', '--port-base', String(base)]);
    expect(await cluster.waitExit()).toBe(1);
    expect(cluster.output).toContain(`listen on 127.0.0.1:${base + 2}`);
    await new Promise((closed) => server.close(closed));
  });
});
