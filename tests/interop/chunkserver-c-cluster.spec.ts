import { randomBytes } from 'node:crypto';
import {
  existsSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  openSync,
  readSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { join } from 'node:path';

import {
  CLTOCS_READ,
  CSTOCL_READ_STATUS,
  DATA_PROTOCOL,
  FrameParser,
  MFS_ERROR_CRC,
  MFS_STATUS_OK,
} from '@wapiti-fs/protocol';

import { type Daemon, type Implementation, Lab } from '../harness/lab.js';
import { eventually } from '../harness/processes.js';

const HOSTS = { m1: '10.1.1.105', m2: '10.1.1.106', a: '10.1.1.1', b: '10.1.1.2', c: '10.1.1.3', cl: '10.1.1.111' };

type Chunkserver = Daemon & { folders: string[] };

/** Paths of all chunk files of a data folder. */
function chunkFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.mfs'))
    .map((name) => join(folder, name));
}

/** Whether our chunkserver was killed while it had the file open. */
function hasNote(file: string): boolean {
  const header = Buffer.alloc(64);
  const fd = openSync(file, 'r');
  readSync(fd, header, 0, header.length, 0);
  closeSync(fd);
  return header.includes('WPTNOTE1');
}

/** Our chunkserver at a C master with a C client, beside C chunkservers. */
describe('our chunkserver in a C cluster', () => {
  let lab: Lab;
  let master: string;
  let dir: string;
  const servers = new Map<string, Chunkserver>();

  const server = (host: string): Chunkserver => {
    const one = servers.get(host);
    if (one === undefined) throw new Error(`no chunkserver on ${host}`);
    return one;
  };

  async function start(host: string, implementation: Implementation, keepData = false): Promise<void> {
    servers.set(host, await lab.chunkserver(host, master, { implementation, name: `cs-${host}`, keepData }));
  }

  async function client(...args: string[]): Promise<string> {
    return (await lab.on('cl', args[0] as string, args.slice(1))).stdout;
  }

  /** Hosts that hold valid copies of the first chunk of a file. */
  async function copies(file: string): Promise<string[]> {
    const text = await client('mfsfileinfo', file);
    const first = text.split(/chunk 1:/)[0] ?? '';
    return [...first.matchAll(/: (\S+):9422 \(status:VALID\)/g)].map((match) => match[1] as string).sort();
  }

  /** Reads a chunk from one server, past the mount: the status that the server ends with. */
  async function readStatus(host: string, id: string, version: string, sizeBytes: number): Promise<number> {
    const request = CLTOCS_READ.encode({
      variant: 'protocol',
      protocol: DATA_PROTOCOL,
      chunkId: parseInt(id, 16),
      version: parseInt(version, 16),
      offset: 0,
      size: sizeBytes,
    });
    // ends at the status, which is the last frame: 8 bytes of header and 9 of payload
    const script = `const socket = require('net').connect(9422, process.argv[1]);
      let all = Buffer.alloc(0);
      socket.write(Buffer.from(process.argv[2], 'hex'));
      socket.on('data', (part) => {
        all = Buffer.concat([all, part]);
        if (all.length >= 17 && all.readUInt32BE(all.length - 17) === ${CSTOCL_READ_STATUS.type}) socket.destroy();
      });
      socket.on('close', () => console.log(all.toString('hex')));`;
    const { stdout } = await lab.on(host, process.execPath, ['-e', script, lab.address(host), request.toString('hex')]);
    for (const { type, payload } of new FrameParser(100_000).push(Buffer.from(stdout.trim(), 'hex')))
      if (type === CSTOCL_READ_STATUS.type) return payload[8] as number;
    throw new Error('the server closed the connection without a status');
  }

  /**
   * Waits until servers hold whole copies of the first chunk. The master lists a copy already while it is being made; on the disk it has
   * its version only when it is whole. A server must not be asked for it before: it would report the chunk as lost.
   */
  async function waitCopies(hosts: readonly string[], file: string, timeoutMs: number): Promise<void> {
    await eventually(
      `copies of ${file} on ${hosts.join(', ')}`,
      async () => {
        const [, version] = /chunk 0: ([0-9A-F]{16}_[0-9A-F]{8})/.exec(await client('mfsfileinfo', file)) ?? [];
        const held = hosts.flatMap((host) => server(host).folders.flatMap(chunkFiles));
        return held.filter((name) => name.endsWith(`chunk_${version}.mfs`)).length === hosts.length;
      },
      timeoutMs,
      200,
    );
    expect(await copies(file)).toEqual(expect.arrayContaining(hosts.map((host) => lab.address(host))));
  }

  async function remount(): Promise<void> {
    await lab.unmount(dir);
    ({ dir } = await lab.mount('cl', master, { implementation: 'c' }));
  }

  async function chunkTool(host: string): Promise<void> {
    for (const folder of server(host).folders) {
      const files = chunkFiles(folder);
      expect(files.length).toBeGreaterThan(0);
      await lab.on(host, 'mfschunktool', ['-e', ...files]);
    }
  }

  beforeAll(async () => {
    lab = await Lab.create(HOSTS);
    await lab.master('m1', { implementation: 'c', config: { REPLICATIONS_DELAY_INIT: 0, CHUNKS_LOOP_MIN_TIME: 60 } });
    master = lab.address('m1');
    await start('a', 'wapiti');
    await start('b', 'c');
    await lab.waitChunkservers(master, 2);
    ({ dir } = await lab.mount('cl', master, { implementation: 'c' }));
    await client('mfssetgoal', '2', dir);
  });

  afterAll(async () => {
    await lab?.destroy();
  }, 180_000);

  it('stores a file in chains through both kinds, and the C tool finds our chunks in order', async () => {
    const content = randomBytes(150 * 1024 * 1024 + 12_345);
    writeFileSync(join(dir, 'big'), content);
    await remount();
    expect(readFileSync(join(dir, 'big')).equals(content)).toBe(true);
    expect(await copies(join(dir, 'big'))).toEqual([HOSTS.a, HOSTS.b]);
    await chunkTool('a');
  });

  it('rewrites, cuts, appends and snapshots', async () => {
    const model = randomBytes(400_000);
    const file = join(dir, 'changing');
    writeFileSync(file, model);
    const fd = openSync(file, 'r+');
    for (const at of [0, 1, 65_530, 65_536, 131_000, 399_990]) {
      const part = randomBytes(9);
      writeSync(fd, part, 0, part.length, at);
      part.copy(model, at);
    }
    closeSync(fd);
    await client('mfsmakesnapshot', file, join(dir, 'snapshot'));
    truncateSync(file, 66_000);
    writeFileSync(join(dir, 'snapshot'), 'tail', { flag: 'a' });
    truncateSync(join(dir, 'snapshot'), 390_000);
    await remount();
    expect(readFileSync(join(dir, 'changing')).equals(model.subarray(0, 66_000))).toBe(true);
    expect(readFileSync(join(dir, 'snapshot')).equals(model.subarray(0, 390_000))).toBe(true);
    await chunkTool('a');
  });

  it('is source and destination of replication with a C chunkserver', async () => {
    await start('c', 'c');
    await lab.waitChunkservers(master, 3);
    const content = randomBytes(3_000_000);
    writeFileSync(join(dir, 'spread'), content);
    await client('mfssetgoal', '3', join(dir, 'spread'));
    await waitCopies(['a', 'b', 'c'], join(dir, 'spread'), 150_000);
    // Alone on our server, then pulled from there by C. Killed: after a graceful leave the master waits with replication.
    await server('b').process.kill();
    await server('c').process.kill();
    await lab.waitChunkservers(master, 1);
    const alone = randomBytes(2_000_000);
    writeFileSync(join(dir, 'alone'), alone);
    await eventually('one copy on ours', async () => (await copies(join(dir, 'alone'))).join() === HOSTS.a);
    await start('b', 'c', true);
    await waitCopies(['a', 'b'], join(dir, 'alone'), 150_000);
    // And a chunk that only C has, pulled by ours.
    await server('a').process.kill();
    await eventually('ours is gone', async () => (await copies(join(dir, 'alone'))).join() === HOSTS.b);
    const theirs = randomBytes(2_000_000);
    writeFileSync(join(dir, 'theirs'), theirs);
    await eventually('one copy on C', async () => (await copies(join(dir, 'theirs'))).join() === HOSTS.b);
    await start('a', 'wapiti', true);
    await waitCopies(['a', 'b'], join(dir, 'theirs'), 150_000);
    await server('b').process.kill();
    await remount();
    expect(readFileSync(join(dir, 'theirs')).equals(theirs)).toBe(true);
    expect(readFileSync(join(dir, 'alone')).equals(alone)).toBe(true);
    expect(readFileSync(join(dir, 'spread')).equals(content)).toBe(true);
    await start('b', 'c', true);
    await lab.waitChunkservers(master, 2);
  }, 300_000);

  it('swaps a data folder with the C chunkserver, in both directions', async () => {
    const before = readFileSync(join(dir, 'alone'));
    const [a, b] = [server('a'), server('b')];
    await a.process.stop();
    await b.process.stop();
    expect(existsSync(join(a.folders[0] as string, '.chunkdb'))).toBe(true);
    await start('a', 'c', true);
    await start('b', 'wapiti', true);
    await lab.waitChunkservers(master, 2);
    await eventually('both copies', async () => (await copies(join(dir, 'alone'))).length === 2);
    await remount();
    expect(readFileSync(join(dir, 'alone')).equals(before)).toBe(true);
    writeFileSync(join(dir, 'alone'), 'after the swap', { flag: 'a' });
    await remount();
    expect(readFileSync(join(dir, 'alone')).equals(Buffer.concat([before, Buffer.from('after the swap')]))).toBe(true);
    // Killed, ours leaves a note in the header of what it wrote last: neither the tool nor the C chunkserver minds.
    writeFileSync(join(dir, 'alone'), ', killed', { flag: 'a' });
    await server('b').process.kill();
    expect(chunkFiles(server('b').folders[0] as string).some(hasNote)).toBe(true);
    await chunkTool('b');
    await server('a').process.stop();
    await start('a', 'wapiti', true);
    await start('b', 'c', true);
    await lab.waitChunkservers(master, 2);
    await eventually('both copies', async () => (await copies(join(dir, 'alone'))).length === 2);
    const [, id, version] = /chunk 0: ([0-9A-F]{16})_([0-9A-F]{8})/.exec(
      await client('mfsfileinfo', join(dir, 'alone')),
    ) as unknown as [string, string, string];
    expect(await readStatus('b', id, version, before.length + 20)).toBe(MFS_STATUS_OK);
    writeFileSync(join(dir, 'alone'), ', and on', { flag: 'a' });
    await remount();
    expect(readFileSync(join(dir, 'alone'), 'latin1').endsWith('after the swap, killed, and on')).toBe(true);
  }, 120_000);

  it('lets the writer go on when our server dies in the middle of a chain', async () => {
    const content = randomBytes(120 * 1024 * 1024);
    const fd = openSync(join(dir, 'survivor'), 'w');
    const step = 1024 * 1024;
    for (let at = 0; at < content.length; at += step) {
      if (at === 40 * step) await server('a').process.kill();
      writeSync(fd, content, at, step, at);
      await new Promise((resolve) => setImmediate(resolve));
    }
    closeSync(fd);
    await start('a', 'wapiti', true);
    await lab.waitChunkservers(master, 2);
    await remount();
    expect(readFileSync(join(dir, 'survivor')).equals(content)).toBe(true);
  }, 120_000);

  it('finds a damaged block and reports it: the master no longer counts the copy, readers get the other one', async () => {
    const content = randomBytes(200_000);
    writeFileSync(join(dir, 'damage'), content);
    await waitCopies(['a', 'b'], join(dir, 'damage'), 60_000);
    const [, id, version] = /chunk 0: ([0-9A-F]{16})_([0-9A-F]{8})/.exec(
      await client('mfsfileinfo', join(dir, 'damage')),
    ) as unknown as [string, string, string];
    const file = chunkFiles(server('a').folders[0] as string).find((name) => name.includes(id)) as string;
    const chunk = openSync(file, 'r+');
    writeSync(chunk, 'damage', 8192 + 70_000);
    closeSync(chunk);
    // A block is looked at by its readers only, and a mount reads from whichever copy it likes: read this one.
    expect(await readStatus('a', id, version, 200_000)).toBe(MFS_ERROR_CRC);
    // When the master makes a new copy is its own affair (its loop, its delays): it must know that this one is none.
    await eventually('the master knows', async () => {
      const text = await client('mfsfileinfo', join(dir, 'damage'));
      return new RegExp(`${lab.address('a')}:9422 \\(status:INVALID\\)`).test(text);
    });
    await remount();
    expect(readFileSync(join(dir, 'damage')).equals(content)).toBe(true);
  }, 120_000);

  it('refuses a master of another file system and overwrites nothing', async () => {
    const a = server('a');
    await a.process.stop();
    const metaid = readFileSync(join(a.folders[0] as string, '.metaid'));
    const identity = readFileSync(join(a.dataDir, 'chunkserverid.mfs'));
    const files = chunkFiles(a.folders[0] as string).sort();
    await lab.master('m2', { implementation: 'c' });
    const stranger = await lab.chunkserver('a', HOSTS.m2, { implementation: 'wapiti', name: 'cs-a' });
    expect(await stranger.process.waitExit()).toBe(1);
    expect(stranger.process.output).toContain('wrong master');
    expect(readFileSync(join(a.folders[0] as string, '.metaid'))).toEqual(metaid);
    expect(readFileSync(join(a.dataDir, 'chunkserverid.mfs'))).toEqual(identity);
    expect(chunkFiles(a.folders[0] as string).sort()).toEqual(files);
  });
});
