/** The read and write engines of our client on a C cluster and on ours, checked by a C mount, and what the C mount writes read by ours. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { contents, DataDriver } from '../harness/data-driver.js';
import { type Daemon, Lab } from '../harness/lab.js';
import { eventually } from '../harness/processes.js';

const HOSTS = { m1: '10.1.1.105', a: '10.1.1.1', b: '10.1.1.2', cl: '10.1.1.111' };
const MIB = 1024 * 1024;
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

describe.each(['c', 'wapiti'] as const)('data path of our client, %s cluster, C mount', (implementation) => {
  let lab: Lab;
  let master: Daemon;
  let servers: Daemon[];
  let driver: DataDriver;
  let dir: string;

  beforeAll(async () => {
    lab = await Lab.create(HOSTS);
    master = await lab.master('m1', { implementation, name: 'master' });
    servers = [
      await lab.chunkserver('a', lab.address('m1'), { implementation, name: 'a' }),
      await lab.chunkserver('b', lab.address('m1'), { implementation, name: 'b' }),
    ];
    await lab.waitChunkservers(lab.address('m1'), 2);
    ({ dir } = await lab.mount('cl', lab.address('m1'), { implementation: 'c' }));
    await lab.on('cl', 'mfssetgoal', ['-r', '2', dir]);
    driver = new DataDriver(lab, 'cl', lab.address('m1'));
  });

  afterAll(async () => {
    await driver?.stop();
    await lab?.destroy();
  });

  /** The file as the C mount sees it. */
  function seen(name: string): Buffer {
    return readFileSync(join(dir, name));
  }

  test('sequential write over chunk borders, in small and large pieces', async () => {
    for (const [name, step] of [
      ['large', MIB],
      ['small', 3000],
    ] as const) {
      const size = 70 * MIB + 4321;
      await driver.do('create', name);
      await driver.do('write', name, { offset: 0, seed: 1, size, step });
      await driver.do('close', name);
      expect(sha256(seen(name))).toBe(sha256(contents(1, size)));
    }
  });

  test('overwrite, append, sparse', async () => {
    const model = Buffer.alloc(5 * MIB);
    let length = 0;
    await driver.do('create', 'patches');
    for (const [offset, seed, size, step] of [
      [0, 2, 200_000, 7000],
      [50_000, 3, 100_000, 100_000],
      [200_000, 4, 1000, 10],
      [4 * MIB - 5, 5, 10, 10],
      [65_530, 6, 12, 1],
    ] as const) {
      await driver.do('write', 'patches', { offset, seed, size, step });
      contents(seed, size).copy(model, offset);
      length = Math.max(length, offset + size);
      const { sha256: own } = await driver.do('read', 'patches', { offset: 0, size: length });
      expect(own).toBe(sha256(model.subarray(0, length)));
    }
    await driver.do('flush', 'patches');
    expect(seen('patches').equals(model.subarray(0, length))).toBe(true);
    await driver.do('truncate', 'patches', { length: 60_000 });
    await driver.do('write', 'patches', { offset: 100_000, seed: 7, size: 5 });
    await driver.do('close', 'patches');
    model.fill(0, 60_000);
    contents(7, 5).copy(model, 100_000);
    expect(seen('patches').equals(model.subarray(0, 100_005))).toBe(true);
  });

  test('what the C mount wrote, also while the file is open here', async () => {
    const data = contents(8, 68 * MIB);
    writeFileSync(join(dir, 'theirs'), data);
    await driver.do('open', 'theirs');
    const { length, sha256: own } = await driver.do('read', 'theirs', { offset: 0, size: 100 * MIB });
    expect(length).toBe(data.length);
    expect(own).toBe(sha256(data));
    writeFileSync(join(dir, 'theirs'), 'changed');
    await eventually('the new contents', async () => {
      const { sha256: now } = await driver.do('read', 'theirs', { offset: 0, size: 100 });
      return now === sha256(Buffer.from('changed'));
    });
    await driver.do('close', 'theirs');
  });

  test('a chunkserver killed and the master killed while writing: no error, nothing lost', async () => {
    const size = 100 * MIB;
    await driver.do('create', 'survivor');
    const written = driver.do('write', 'survivor', { offset: 0, seed: 9, size, step: 100_000 });
    await eventually('data on disk', async () => seen('survivor').length > 0 || undefined);
    await servers[1]?.process.kill();
    await master.process.kill();
    const options = { implementation, name: 'master', keepData: true, options: ['-a'] };
    master = await lab.master('m1', options);
    servers[1] = await lab.chunkserver('b', lab.address('m1'), { implementation, name: 'b', keepData: true });
    await written;
    await driver.do('close', 'survivor');
    expect(sha256(seen('survivor'))).toBe(sha256(contents(9, size)));
  });
});
