import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { type Daemon, isMounted, Lab } from '../harness/lab.js';
import { posixSuite } from '../harness/posix-suite.js';
import { eventually, run } from '../harness/processes.js';

const md5 = (data: Buffer): string => createHash('md5').update(data).digest('hex');

/** Where in the kernel a process is. */
function stackOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stack`, 'utf8');
}

/** Nothing but our daemons, and the reference mount as a witness. */
describe('our mount on a cluster of our own', () => {
  let lab: Lab;
  let master: Daemon;
  let ours: string;
  let theirs: string;

  beforeAll(async () => {
    lab = await Lab.create();
    chmodSync(lab.dir, 0o711); // other users come to the mounts
    master = await lab.master('m1', { name: 'master' });
    const address = lab.address('m1');
    await lab.chunkserver('m2', address);
    await lab.chunkserver('c1', address);
    await lab.waitChunkservers(address, 2);
    ours = (await lab.mount('cl', address)).dir;
    theirs = (await lab.mount('cl', address, { implementation: 'c' })).dir;
  });

  afterAll(async () => {
    await lab?.destroy();
  });

  describe('programs on it', () => posixSuite(() => ours));

  it('a master killed during a write costs time, nothing else', async () => {
    const data = randomBytes(64 << 20);
    await writeFile(lab.path('big'), data);
    const target = join(ours, 'through-failover');
    const copy = lab.start('cl', 'dd', 'dd', [`if=${lab.path('big')}`, `of=${target}`, 'bs=64k']);
    await eventually('data at the cluster', async () => (await stat(target)).size > 1 << 20);
    await master.process.kill();
    const made = run('mkdir', [join(ours, 'made-meanwhile')]);
    master = await lab.master('m1', { name: 'master', keepData: true, options: ['-a'] });
    expect(await copy.waitExit()).toBe(0);
    await made;
    expect(md5(await readFile(target))).toBe(md5(data));
    expect(md5(await readFile(join(theirs, 'through-failover')))).toBe(md5(data));
    expect((await stat(join(theirs, 'made-meanwhile'))).isDirectory()).toBe(true);
  });

  it('a program that is killed does not wait for the master, and neither does a mount that is to end', async () => {
    const { dir, process } = await lab.mount('cl', lab.address('m1'));
    await master.process.kill();
    const waiting = lab.start('cl', 'mkdir', 'mkdir', [join(dir, 'waits')]);
    await eventually('the request at the mount', () => /request_wait_answer/.test(stackOf(waiting.pid)));
    await waiting.kill();
    process.signal('SIGTERM');
    expect(await process.waitExit()).toBe(0);
    expect(isMounted(dir)).toBe(false);
  });
});
