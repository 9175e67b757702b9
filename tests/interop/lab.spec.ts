import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Lab } from '../harness/lab.js';

/** The reference configuration: when this fails, the other interop tests say nothing about our roles. */
describe('a cluster of C daemons only', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await Lab.create();
  });

  afterAll(async () => {
    await lab?.destroy();
  });

  it('stores and returns a file', async () => {
    await lab.master('m1', { implementation: 'c' });
    const master = lab.address('m1');
    await lab.chunkserver('m2', master, { implementation: 'c' });
    await lab.chunkserver('c1', master, { implementation: 'c' });
    await lab.waitChunkservers(master, 2);
    const { dir } = await lab.mount('cl', master, { implementation: 'c' });
    mkdirSync(join(dir, 'a'));
    writeFileSync(join(dir, 'a', 'b'), 'hello');
    expect(readFileSync(join(dir, 'a', 'b'), 'utf8')).toBe('hello');
  });
});
