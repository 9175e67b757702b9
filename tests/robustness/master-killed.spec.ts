/** kill -9 of the master between its command to the chunkservers and their answer: what was acknowledged is there, the write goes on. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { contents, DataDriver } from '../harness/data-driver.js';
import { type Daemon, Lab } from '../harness/lab.js';
import { eventually } from '../harness/processes.js';

const HOSTS = { m1: '10.1.1.105', a: '10.1.1.1', b: '10.1.1.2', cl: '10.1.1.111' };
const SIZE = 100_000;
const digest = (seed: number): string => createHash('sha256').update(contents(seed, SIZE)).digest('hex');

describe('a master killed while chunkservers work', () => {
  let lab: Lab;
  let master: Daemon;
  let servers: Daemon[];
  let driver: DataDriver;

  beforeAll(async () => {
    lab = await Lab.create(HOSTS);
    master = await lab.master('m1', { implementation: 'wapiti', name: 'master' });
    const options = { implementation: 'wapiti' } as const;
    servers = [
      await lab.chunkserver('a', lab.address('m1'), { ...options, name: 'a' }),
      await lab.chunkserver('b', lab.address('m1'), { ...options, name: 'b' }),
    ];
    await lab.waitChunkservers(lab.address('m1'), 2);
    driver = new DataDriver(lab, 'cl', lab.address('m1'));
  });

  afterAll(async () => {
    await driver?.stop();
    await lab?.destroy();
  });

  const changelog = (): string => readFileSync(join(master.dataDir, 'changelog.0.mfs'), 'latin1');

  async function killedWhen(record: RegExp): Promise<void> {
    await eventually(`${record} in the changelog`, () => record.test(changelog()));
    await master.process.kill();
    for (const { process: server } of servers) server.signal('SIGCONT');
    master = await lab.master('m1', { implementation: 'wapiti', name: 'master', keepData: true, options: ['-a'] });
  }

  test('a write to a chunk that a snapshot shares, and one whose only other copy is away', async () => {
    await driver.do('create', 'file');
    await driver.do('write', 'file', { offset: 0, seed: 1, size: SIZE });
    await driver.do('close', 'file');
    const { dir } = await lab.mount('cl', lab.address('m1'), { implementation: 'c' });
    await lab.on('cl', 'mfsmakesnapshot', [join(dir, 'file'), join(dir, 'snapshot')]);

    await driver.do('open', 'file');
    for (const { process: server } of servers) server.signal('SIGSTOP');
    await driver.do('write', 'file', { offset: 0, seed: 2, size: SIZE });
    let flushed = driver.do('flush', 'file');
    await killedWhen(/CHUNKADD\(2,1,0\)/);
    await flushed;
    expect((await driver.do('read', 'file', { offset: 0, size: SIZE })).sha256).toBe(digest(2));
    await driver.do('open', 'snapshot');
    expect((await driver.do('read', 'snapshot', { offset: 0, size: SIZE })).sha256).toBe(digest(1));

    await servers[1]?.process.kill();
    await eventually('the master misses it', () => /chunkserver.*disconnected/.test(master.process.output));
    servers.length = 1;
    // granted when the new master waits for it no longer
    await driver.do('write', 'snapshot', { offset: 0, seed: 4, size: SIZE });
    await driver.do('flush', 'snapshot');
    servers[0]?.process.signal('SIGSTOP');
    const before = changelog().length;
    await driver.do('write', 'file', { offset: 0, seed: 3, size: SIZE });
    flushed = driver.do('flush', 'file');
    await eventually('the raise', () => /SETVERSION\(\d+,/.test(changelog().slice(before)));
    await killedWhen(/SETVERSION\(\d+,/);
    await flushed;
    expect((await driver.do('read', 'file', { offset: 0, size: SIZE })).sha256).toBe(digest(3));
    await driver.do('close', 'file');
    await driver.do('close', 'snapshot');
  });
});
