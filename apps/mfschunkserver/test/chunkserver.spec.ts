import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

import fc from 'fast-check';

import { memoryLogger, systemClock, systemRandom, tcpNetwork } from '@wapiti-fs/runtime';

import { type ChunkserverConfig, DEFAULT_CONFIG, type RunningChunkserver, startChunkserver } from '../src/index.js';
import { checksumOfTable } from '../src/queries.js';
import { parseLabels } from '../src/config.js';
import { FakeMaster, Listener, Peer } from './peers.js';

const services = { clock: systemClock, random: systemRandom, network: tcpNetwork, log: memoryLogger() };
let dir: string;
let listener: Listener;
const running: RunningChunkserver[] = [];

function configure(name: string, more: Partial<ChunkserverConfig> = {}): ChunkserverConfig {
  const folder = join(dir, `${name}-hdd`);
  const dataPath = join(dir, `${name}-data`);
  mkdirSync(folder, { recursive: true });
  mkdirSync(dataPath, { recursive: true });
  return {
    ...DEFAULT_CONFIG,
    dataPath,
    hddLines: [folder],
    leaveSpaceDefaultBytes: 0,
    masterHost: '127.0.0.1',
    masterPort: listener.port,
    masterReconnectionDelayS: 0,
    listenHost: '127.0.0.1',
    listenPort: 0,
    ...more,
  };
}

async function start(name = 'a', more: Partial<ChunkserverConfig> = {}): Promise<RunningChunkserver> {
  const server = await startChunkserver(configure(name, more), services);
  running.push(server);
  await server.store.scansDone();
  return server;
}

async function registered(name = 'a'): Promise<{ server: RunningChunkserver; master: FakeMaster }> {
  const server = await start(name);
  return { server, master: await FakeMaster.register(listener) };
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mfschunkserver-'));
  listener = await Listener.open();
});

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  listener.close();
  rmSync(dir, { recursive: true, force: true });
});

const u32 = (value: number): string => value.toString(16).padStart(8, '0');
const id = (value: number): string => value.toString(16).padStart(16, '0');
const chain = (server: RunningChunkserver): string => `7f000001${server.port.toString(16).padStart(4, '0')}`;

function writeData(
  chunk: number,
  writeid: number,
  block: number,
  offset: number,
  data: Buffer,
  crc = crc32(data),
): string {
  const hex = (value: number): string => value.toString(16).padStart(4, '0');
  return id(chunk) + u32(writeid) + hex(block) + hex(offset) + u32(data.length) + u32(crc) + data.toString('hex');
}

async function readAll(peer: Peer, chunk: number, version: number, offset: number, size: number): Promise<Buffer> {
  peer.sendHex(200, `01${id(chunk)}${u32(version)}${u32(offset)}${u32(size)}`);
  const parts: Buffer[] = [];
  for (;;) {
    const frame = await peer.next();
    if (frame === undefined) throw new Error('closed');
    if (frame.type === 201) {
      expect(frame.payload.readUInt8(8)).toBe(0);
      return Buffer.concat(parts);
    }
    const data = frame.payload.subarray(20);
    expect(frame.payload.readUInt32BE(16)).toBe(crc32(data));
    parts.push(Buffer.from(data));
  }
}

describe('registration', () => {
  it('begins, labels, ends as spec 03 §20 shows, and keeps what the master gave', async () => {
    const server = await start('a', { labels: 'A,c' });
    const link = await listener.accept();
    const begin = await link.nextOf(100);
    expect(begin.payload.length).toBe(55);
    expect(begin.payload.toString('hex', 0, 5)).toBe('3c000300ea');
    expect(begin.payload.readUInt16BE(9)).toBe(server.port);
    link.sendHex(104, FakeMaster.ACK);
    expect(await link.nextHex()).toBe('109:00000005');
    expect(await link.nextHex()).toBe('100:3e');
    await link.nextOf(101);
    expect(readFileSync(join(dir, 'a-data', 'chunkserverid.mfs')).toString('hex')).toBe('00026b028b2318516653');
    expect(readFileSync(join(dir, 'a-hdd', '.metaid')).toString('hex')).toBe('6b028b2318516653');
    await server.stop();
    expect((await link.nextOf(100)).payload.toString('hex')).toBe('3f');
  });

  it('answers the challenge of AUTH_CODE', async () => {
    await start('a', { authCode: 'secret' });
    const link = await listener.accept();
    await link.nextOf(100);
    link.sendHex(104, '03 18ccf56d90d88cc30099943ed4980727cc3cd5d24a6b44702614c1358f82bc0c');
    const again = await link.nextOf(100);
    expect(again.payload.length).toBe(71);
    expect(again.payload.toString('hex', 1, 17)).toBe('ee59f961fd9d5d922d480885c802a6d2');
  });

  it('lists its chunks part by part after a reconnect', async () => {
    const { server, master } = await registered();
    for (const one of [1, 2, 0x101]) await master.command(110, `${id(one)}00000001`);
    master.link.destroy();
    const link = await listener.accept();
    await link.nextOf(100);
    link.sendHex(104, FakeMaster.ACK);
    const part = await link.nextOf(100);
    expect(part.payload[0]).toBe(61);
    const found = new Set<number>();
    for (let at = 1; at < part.payload.length; at += 12) found.add(Number(part.payload.readBigUInt64BE(at)));
    expect([...found].sort()).toEqual([1, 2, 257]);
    link.sendHex(104, '00');
    expect((await link.nextOf(100)).payload.toString('hex')).toBe('3e');
    expect(server.registered).toBe(true);
  });

  it('looks at once for the successor of a master that it lost, whatever MASTER_RECONNECTION_DELAY says', async () => {
    await start('a', { masterReconnectionDelayS: 3600 });
    const { link } = await FakeMaster.register(listener);
    link.destroy();
    const { payload } = await (await listener.accept()).nextOf(100);
    expect(payload[0]).toBe(60);
  });

  it('refuses a master of another file system, overwrites nothing and ends', async () => {
    const { server } = await registered();
    await server.stop();
    const other = await start('a');
    await FakeMaster.register(listener, '00 000300ea 000a 0009 1111111111111111').catch(() => undefined);
    expect(String(await other.ended)).toContain('wrong master');
    expect(readFileSync(join(dir, 'a-data', 'chunkserverid.mfs')).toString('hex')).toBe('00026b028b2318516653');
    expect(readFileSync(join(dir, 'a-hdd', '.metaid')).toString('hex')).toBe('6b028b2318516653');
  });

  it('refuses a damaged chunkserverid.mfs instead of registering as a new server', async () => {
    const config = configure('a');
    writeFileSync(join(config.dataPath, 'chunkserverid.mfs'), 'abc');
    await expect(startChunkserver(config, services)).rejects.toThrow(/3 bytes, expected 2 or 10/);
  });

  it('survives any packet of the master', async () => {
    await start();
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 310 }), fc.uint8Array({ maxLength: 80 }), async (type, payload) => {
        const link = (await FakeMaster.register(listener)).link;
        link.sendHex(type, Buffer.from(payload).toString('hex'));
        link.destroy();
      }),
      { numRuns: 20 },
    );
    await FakeMaster.register(listener);
  });
});

describe('commands', () => {
  it('executes all of spec 03 §10 with its statuses', async () => {
    const { master } = await registered();
    expect(await master.command(110, `${id(1)}00000001`)).toBe(`${id(1)}00`);
    expect(await master.command(110, `${id(1)}00000001`)).toBe(`${id(1)}14`);
    expect(await master.command(140, `${id(1)}0000000200000009`)).toBe(`${id(1)}13`);
    expect(await master.command(140, `${id(1)}0000000200000001`)).toBe(`${id(1)}00`);
    expect(await master.command(130, `${id(3)}00000001${id(1)}00000002`)).toBe(`${id(3)}00`);
    expect(await master.command(130, `${id(3)}00000001${id(1)}00000002`)).toBe(`${id(3)}14`);
    expect(await master.command(160, `${id(3)}000101d00000000200000001`)).toBe(`${id(3)}00`);
    expect(await master.command(160, `${id(3)}040000010000000300000002`)).toBe(`${id(3)}06`);
    expect(await master.command(170, `${id(4)}00000001${id(3)}00000002000003e8`)).toBe(`${id(4)}00`);
    expect(await master.command(250, `${id(4)}00000001`)).toBe(`${id(4)}00000001000100`);
    expect(await master.command(120, `${id(4)}00000009`)).toBe(`${id(4)}13`);
    expect(await master.command(120, `${id(4)}00000000`)).toBe(`${id(4)}00`);
    expect(await master.command(120, `${id(77)}00000000`)).toBe(`${id(77)}0d`);
    expect((await master.link.nextOf(105)).payload.toString('hex')).toContain(id(77));
  });

  it('replicates, and tells why it could not', async () => {
    const { server, master } = await registered('a');
    const { server: target, master: other } = await registered('b');
    await master.command(110, `${id(5)}00000001`);
    const peer = await Peer.connect(server.port);
    peer.sendHex(210, `01${id(5)}00000001`);
    const content = randomBytes(65536 * 40);
    for (let block = 0; block < 40; block++) {
      peer.sendHex(212, writeData(5, block + 1, block, 0, content.subarray(block * 65536, (block + 1) * 65536)));
    }
    for (let i = 0; i <= 40; i++) expect((await peer.nextOf(211)).payload.readUInt8(12)).toBe(0);
    peer.sendHex(213, `${id(5)}00000001`);
    expect(await other.command(150, `${id(5)}00000001${chain(server)}`)).toBe(`${id(5)}0000000100`);
    const reader = await Peer.connect(target.port);
    expect((await readAll(reader, 5, 1, 0, content.length)).equals(content)).toBe(true);
    expect(await other.command(150, `${id(5)}00000001${chain(server)}`)).toBe(`${id(5)}0000000114`);
    expect(await other.command(150, `${id(6)}00000001${chain(server)}`)).toBe(`${id(6)}000000010d`);
    expect(await other.command(150, `${id(6)}000000017f0000010001`)).toBe(`${id(6)}000000011a`);
    await other.command(120, `${id(5)}00000000`);
    expect(await other.command(150, `${id(5)}00000007${chain(server)}`)).toBe(`${id(5)}0000000713`);
    expect(readdirSync(join(dir, 'b-hdd', '00'))).toEqual([]);
  });
});

describe('data port', () => {
  let server: RunningChunkserver;
  let master: FakeMaster;
  let peer: Peer;

  beforeEach(async () => {
    ({ server, master } = await registered());
    await master.command(110, `${id(1)}00000001`);
    peer = await Peer.connect(server.port);
  });

  const hello = 'hello world\n';

  it('writes and reads the packets of spec 04 §15', async () => {
    peer.sendHex(210, `01${id(1)}00000001`);
    peer.sendHex(212, '0000000000000001 00000001 0000 0000 0000000c af083b2d 68656c6c6f20776f726c640a');
    expect(await peer.nextHex()).toBe(`211:${id(1)}0000000000`);
    expect(await peer.nextHex()).toBe(`211:${id(1)}0000000100`);
    peer.sendHex(213, '0000000000000001 00000001');
    peer.sendHex(200, '01 0000000000000001 00000001 00000000 0000000c');
    expect(await peer.nextHex()).toBe(`202:${id(1)}000000000000000caf083b2d${Buffer.from(hello).toString('hex')}`);
    expect(await peer.nextHex()).toBe(`201:${id(1)}00`);
    peer.sendHex(200, '0000000000000001 00000001 00020000 00000005');
    expect(await peer.nextHex()).toBe(`202:${id(1)}0002000000000005c622f71d0000000000`);
    expect(await peer.nextHex()).toBe(`201:${id(1)}00`);
    peer.sendHex(250, `${id(1)}00000001`);
    expect(await peer.nextHex()).toBe(`251:${id(1)}00000001000100`);
    peer.sendHex(302, `${id(1)}00000001`);
    expect((await peer.nextHex()).slice(0, 52)).toBe(`303:${id(1)}0000000169f4011ed7978eebd7978eeb`);
    peer.sendHex(300, `${id(9)}00000001`);
    expect(await peer.nextHex()).toBe(`301:${id(9)}000000010d`);
    peer.sendHex(530, '');
    expect(await peer.nextHex()).toMatch(/^531:02000300ea00026b028b23185166537f000001/);
    peer.sendHex(10, '00000007');
    expect(await peer.nextHex()).toBe('11:00000007000300ea332e302e3131372d31');
    peer.sendHex(600, '');
    const list = (await peer.nextOf(601)).payload;
    const path = Buffer.from(`${join(dir, 'a-hdd')}/`);
    expect(list.readUInt16BE(0)).toBe(226 + path.length);
    expect(list.subarray(3, 3 + path.length).equals(path)).toBe(true);
  });

  it.each([
    ['size 0', `01${id(1)}000000010000000000000000`, '00'],
    ['more than a chunk', `01${id(1)}000000010000000004000001`, '18'],
    ['an offset behind the chunk', `01${id(1)}000000010400000000000001`, '19'],
    ['an unknown chunk', `01${id(9)}000000010000000000000001`, '0d'],
    ['another version', `01${id(1)}000000020000000000000001`, '13'],
  ])('answers a read of %s', async (_name, request, status) => {
    peer.sendHex(200, request);
    expect(await peer.nextHex()).toBe(`201:${request.slice(2, 18)}${status}`);
  });

  const x = Buffer.from('x');
  it.each([
    ['another chunk', writeData(2, 1, 0, 0, x), '1b'],
    ['a block too high', writeData(1, 1, 1024, 0, x), '17'],
    ['an offset behind the block', writeData(1, 1, 0, 65535, Buffer.from('xy')), '19'],
    ['too much', writeData(1, 1, 0, 0, Buffer.alloc(65537)), '18'],
    ['a wrong CRC', writeData(1, 1, 0, 0, x, 1), '1d'],
  ])('answers a write of %s, and the connection stays', async (_name, packet, status) => {
    peer.sendHex(210, `01${id(1)}00000001`);
    peer.sendHex(212, packet);
    expect(await peer.nextHex()).toBe(`211:${id(1)}0000000000`);
    expect(await peer.nextHex()).toBe(`211:${id(1)}00000001${status}`);
    peer.sendHex(250, `${id(1)}00000001`);
    expect(await peer.nextHex()).toBe(`251:${id(1)}00000001000000`);
  });

  it('refuses a session for an unknown chunk, another version, an unreachable next server', async () => {
    peer.sendHex(210, `01${id(9)}00000001`);
    expect(await peer.nextHex()).toBe(`211:${id(9)}000000000d`);
    peer.sendHex(210, `01${id(1)}00000002`);
    expect(await peer.nextHex()).toBe(`211:${id(1)}0000000013`);
    peer.sendHex(210, `01${id(1)}000000017f0000010001`);
    expect(await peer.nextHex()).toBe(`211:${id(1)}000000001a`);
  });

  it('writes packets that come together, and answers for each up to the one that is wrong', async () => {
    const { server, master } = await registered();
    await master.command(110, `${id(1)}00000001`);
    const peer = await Peer.connect(server.port);
    peer.sendHex(210, `01${id(1)}00000001`);
    await peer.nextOf(211);
    const part = (number: number): Buffer => Buffer.alloc(4096, number);
    const frames = Array.from({ length: 40 }, (_, i) => {
      const data = part(i + 1);
      // the last one has a CRC that is not its own
      const hex = writeData(1, i + 1, i >> 4, (i & 15) * 4096, data, i === 39 ? 1 : undefined);
      return Buffer.from(`000000d4${u32(hex.length / 2)}${hex}`, 'hex');
    });
    peer.send(...frames);
    for (let i = 1; i <= 39; i++) expect(await peer.nextHex()).toBe(`211:${id(1)}${u32(i)}00`);
    expect(await peer.nextHex()).toBe(`211:${id(1)}${u32(40)}1d`);
    const found = await readAll(await Peer.connect(server.port), 1, 1, 0, 40 * 4096);
    const expected = Buffer.concat(Array.from({ length: 40 }, (_, i) => part(i < 39 ? i + 1 : 0)));
    expect(found.equals(expected)).toBe(true);
  });

  it('fails writes after a change of the version', async () => {
    peer.sendHex(210, `01${id(1)}00000001`);
    expect(await peer.nextHex()).toBe(`211:${id(1)}0000000000`);
    await master.command(140, `${id(1)}0000000200000001`);
    peer.sendHex(212, writeData(1, 1, 0, 0, x));
    expect(await peer.nextHex()).toBe(`211:${id(1)}0000000113`);
  });

  it.each([
    ['an unknown type', 4711, ''],
    ['a short read request', 200, '01'],
    ['a late write packet', 212, writeData(1, 1, 0, 0, x)],
  ])('closes on %s, and serves others', async (_name, type, payload) => {
    peer.sendHex(type, payload);
    expect(await peer.nextHex()).toBe('closed');
    const other = await Peer.connect(server.port);
    other.sendHex(250, `${id(1)}00000001`);
    expect(await other.nextHex()).toBe(`251:${id(1)}00000001000000`);
  });

  it('survives any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 610 }),
        fc.uint8Array({ maxLength: 60 }),
        fc.boolean(),
        async (type, payload, inWrite) => {
          const one = await Peer.connect(server.port);
          if (inWrite) one.sendHex(210, `01${id(1)}00000001`);
          one.sendHex(type, Buffer.from(payload).toString('hex'));
          one.sendHex(0, '');
          one.destroy();
        },
      ),
      { numRuns: 60 },
    );
    peer.sendHex(250, `${id(1)}00000001`);
    expect(await peer.nextHex()).toMatch(new RegExp(`^251:${id(1)}`));
  });

  it('writes through a chain of three, in order, and reuses the connections', async () => {
    const others = [await registered('b'), await registered('c')];
    for (const one of others) await one.master.command(110, `${id(1)}00000001`);
    const rest = others.map((one) => chain(one.server)).join('');
    const content = randomBytes(65536 * 12);
    for (const round of [0, 1]) {
      peer.sendHex(210, `01${id(1)}00000001${rest}`);
      for (let i = 0; i < 6; i++) {
        const block = round * 6 + i;
        peer.sendHex(212, writeData(1, i + 1, block, 0, content.subarray(block * 65536, (block + 1) * 65536)));
      }
      for (let i = 0; i <= 6; i++) expect(await peer.nextHex()).toBe(`211:${id(1)}${u32(i)}00`);
      peer.sendHex(213, `${id(1)}00000001`);
    }
    for (const one of [server, ...others.map((other) => other.server)]) {
      const reader = await Peer.connect(one.port);
      expect((await readAll(reader, 1, 1, 0, content.length)).equals(content)).toBe(true);
      expect((await readAll(reader, 1, 1, 65530, 70_000)).equals(content.subarray(65530, 135_530))).toBe(true);
      reader.destroy();
    }
  });

  it('passes the error of the next server on and closes', async () => {
    const other = await registered('b');
    peer.sendHex(210, `01${id(1)}00000001${chain(other.server)}`);
    expect(await peer.nextHex()).toBe(`211:${id(1)}000000000d`);
    expect(await peer.nextHex()).toBe('closed');
  });

  it('answers a NOP in a write session', async () => {
    peer.sendHex(210, `01${id(1)}00000001`);
    await peer.next();
    const before = peer.socket.bytesRead;
    peer.sendHex(0, '');
    while (peer.socket.bytesRead === before) await new Promise((resolve) => peer.socket.once('data', resolve));
    expect(peer.socket.bytesRead - before).toBe(8);
  });

  it('tells a damaged chunk to reader and master', async () => {
    peer.sendHex(210, `01${id(1)}00000001`);
    peer.sendHex(212, writeData(1, 1, 0, 0, Buffer.alloc(65536, 1)));
    peer.sendHex(212, writeData(1, 2, 1, 0, Buffer.alloc(65536, 2)));
    for (let i = 0; i < 3; i++) await peer.next();
    peer.sendHex(213, `${id(1)}00000001`);
    await readAll(peer, 1, 1, 0, 131_072);
    const file = join(dir, 'a-hdd', '00', `chunk_${id(1).toUpperCase()}_00000001.mfs`);
    const bytes = readFileSync(file);
    bytes[8192 + 65536 + 100] = 0xff;
    writeFileSync(file, bytes);
    peer.sendHex(200, `01${id(1)}000000010000000000020000`);
    expect((await peer.next())?.type).toBe(202);
    expect(await peer.nextHex()).toBe(`201:${id(1)}1d`);
    await master.link.nextOf(106);
    expect((await master.link.nextOf(102)).payload.toString('hex')).toBe(id(1));
  });
});

it('adds up a CRC table as spec 04 §9', () => {
  const table = Buffer.alloc(4096);
  for (let i = 0; i < 1024; i++) table.writeUInt32BE(0xd7978eeb, 4 * i);
  expect(checksumOfTable(table)).toBe(0x4a00b401);
});

it('reads labels', () => {
  expect(parseLabels('A,c')).toEqual({ mask: 5, bad: [] });
  expect(parseLabels(' z ; AB, ')).toEqual({ mask: 1 << 25, bad: ['AB'] });
});
