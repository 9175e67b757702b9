import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Lab } from '../harness/lab.js';
import { TwoHosts } from '../harness/two-hosts.js';

const C = { mfsmaster: 'c', mfsmetalogger: 'c', mfschunkserver: 'c', mfsmount: 'c' } as const;

describe('promotion with the C daemons', () => {
  let lab: Lab;
  let hosts: TwoHosts;

  beforeAll(async () => {
    lab = await Lab.create();
    hosts = new TwoHosts(lab, { set: 'two-hosts', implementations: C, chunkservers: ['m2', 'c1'] });
    await Promise.all([hosts.startAgent('m1'), hosts.startAgent('m2'), hosts.startChunkservers()]);
    await hosts.waitServing('m1');
  });

  afterAll(async () => {
    for (const host of ['m1', 'm2'] as const) console.log(host, hosts.agent(host).output);
    await lab?.destroy();
  });

  it('master killed', async () => {
    await lab.waitChunkservers(hosts.virtualIp, 2);
    const { dir } = await hosts.mount('cl');
    writeFileSync(join(dir, 'a'), 'hello');
    await hosts.waitFollowing('m2');
    process.kill(hosts.pid('m1', 'mfsmaster') as number, 'SIGKILL');
    await hosts.waitServing('m2');
    expect(readFileSync(join(dir, 'a'), 'utf8')).toBe('hello');
    writeFileSync(join(dir, 'b'), 'again');
    await hosts.waitFollowing('m1');
    console.log(
      readdirSync(hosts.dataDir('m1')),
      readdirSync(hosts.dataDir('m2')),
      await hosts.status('m1'),
      await hosts.status('m2'),
    );
  });
});
