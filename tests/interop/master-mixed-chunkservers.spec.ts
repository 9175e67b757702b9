import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type Daemon, type Implementation, Lab } from '../harness/lab.js';
import { eventually } from '../harness/processes.js';

const HOSTS = { m: '10.1.1.105', c1: '10.1.1.1', c2: '10.1.1.2', w1: '10.1.1.3', w2: '10.1.1.4', cl: '10.1.1.111' };
type Server = keyof typeof HOSTS;

/** Our master and our mount; C and our chunkservers side by side. */
describe('our master with C and our chunkservers together', () => {
  let lab: Lab;
  let dir: string;
  const servers = new Map<Server, Daemon & { folders: string[] }>();
  const address = (...hosts: Server[]): string[] => hosts.map((host) => HOSTS[host]).sort();

  async function start(host: Server, keepData = false): Promise<void> {
    const implementation: Implementation = host.startsWith('c') ? 'c' : 'wapiti';
    servers.set(host, await lab.chunkserver(host, HOSTS.m, { implementation, name: `cs-${host}`, keepData }));
  }

  async function kill(host: Server): Promise<void> {
    await servers.get(host)?.process.kill();
    servers.delete(host);
    await eventually(`${host} is gone`, async () => !(await connected()).includes(HOSTS[host]));
  }

  /** Addresses of connected servers; with `total`, of those whose total space is such. */
  async function connected(total = /\d+/): Promise<string[]> {
    const { stdout } = await lab.on('cl', 'mfscli', ['-H', HOSTS.m, '-p', '-n', '-s|', '-SCS']);
    const rows = stdout.split('\n').map((line) => line.split('|'));
    return rows
      .filter((row) => row[0] === 'chunk servers:' && /^\d/.test(row[5] ?? '') && total.test(row[10] ?? ''))
      .map((row) => row[1] ?? '');
  }

  /** What mfsfileinfo says about the first chunk: id with version, hosts of valid copies. */
  async function chunk(name: string): Promise<{ id: string; version: number; copies: string[] }> {
    const { stdout } = await lab.on('cl', 'mfsfileinfo', [join(dir, name)]);
    const [first = ''] = stdout.split(/chunk 1:/);
    const [, id = '', version = ''] = /chunk 0: ([0-9A-F]+)_([0-9A-F]+)/.exec(first) ?? [];
    const copies = [...first.matchAll(/: (\S+):9422 \(status:VALID\)/g)].map((match) => match[1] as string).sort();
    return { id, version: Number.parseInt(version, 16), copies };
  }

  const onCopies = (name: string, ...hosts: Server[]): Promise<boolean> =>
    eventually(
      `${name} on ${hosts.join(', ')}`,
      async () => (await chunk(name)).copies.join() === address(...hosts).join(),
      90_000,
      200,
    );

  async function write(name: string, goal: number, sizeBytes: number): Promise<Buffer> {
    const content = randomBytes(sizeBytes);
    writeFileSync(join(dir, name), '');
    await lab.on('cl', 'mfssetgoal', [String(goal), join(dir, name)]);
    writeFileSync(join(dir, name), content, { flag: 'r+' });
    return content;
  }

  /** The C tool that checks chunk files, also ours. */
  async function checkChunks(host: Server): Promise<number> {
    const [folder = ''] = servers.get(host)?.folders ?? [];
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.mfs'));
    if (files.length > 0) await lab.on(host, 'mfschunktool', ['-e', ...files.map((name) => join(folder, name))]);
    return files.length;
  }

  beforeAll(async () => {
    lab = await Lab.create(HOSTS);
    const config = { REPLICATIONS_DELAY_INIT: 0 };
    await lab.master('m', { implementation: 'wapiti', config });
    for (const host of ['c1', 'w1'] as const) await start(host);
    // A server without space gets no chunks: its folders must have been scanned.
    await eventually('space on both', async () => (await connected(/[1-9]\d*/)).length === 2);
    ({ dir } = await lab.mount('cl', HOSTS.m, { implementation: 'wapiti' }));
  }, 90_000);

  afterAll(() => lab?.destroy());

  it('the data of our client go through chains of both, and the C tool finds every chunk in order', async () => {
    const content = await write('chain', 2, 70 * 1024 * 1024 + 77);
    expect(readFileSync(join(dir, 'chain')).equals(content)).toBe(true);
    expect((await chunk('chain')).copies).toEqual(address('c1', 'w1'));
    for (const host of ['c1', 'w1'] as const) expect(await checkChunks(host)).toBe(2);
  });

  it('a server dies: the writer goes on with another version, and what returns is replaced', async () => {
    const first = await write('raised', 2, 300_000);
    const before = await chunk('raised');
    await kill('w1');
    const more = randomBytes(1000);
    writeFileSync(join(dir, 'raised'), more, { flag: 'a' });
    const after = await chunk('raised');
    expect(after.version).toBeGreaterThan(before.version);
    expect(after.copies).toEqual(address('c1'));
    await start('w1', true);
    await onCopies('raised', 'c1', 'w1');
    expect((await chunk('raised')).version).toBeGreaterThanOrEqual(after.version);
    expect(readFileSync(join(dir, 'raised')).equals(Buffer.concat([first, more]))).toBe(true);
    await checkChunks('w1');
  }, 120_000);

  it('undergoal chunks are replicated from C to ours and from ours to C', async () => {
    const content = await write('spread', 2, 2_500_000);
    await onCopies('spread', 'c1', 'w1');
    await start('w2');
    await kill('w1'); // only c1 has it: C is the source, ours the destination
    await onCopies('spread', 'c1', 'w2');
    await start('c2');
    await kill('c1'); // only w2 has it: ours is the source, C the destination
    await onCopies('spread', 'c2', 'w2');
    await lab.on('cl', 'mfscheckfile', [join(dir, 'spread')]);
    expect(readFileSync(join(dir, 'spread')).equals(content)).toBe(true);
    for (const host of ['c2', 'w2'] as const) expect(await checkChunks(host)).toBeGreaterThan(0);
  }, 240_000);

  it('a lower goal deletes copies, and servers that come back lose theirs', async () => {
    for (const host of ['c1', 'w1'] as const) await start(host, true);
    await lab.waitChunkservers(HOSTS.m, 4);
    await lab.on('cl', 'mfssetgoal', ['1', join(dir, 'spread')]);
    const { copies } = await eventually(
      'one copy',
      async () => {
        const now = await chunk('spread');
        return now.copies.length === 1 && now;
      },
      60_000,
      200,
    );
    expect(Object.values(HOSTS)).toContain(copies[0]);
  }, 120_000);
});
