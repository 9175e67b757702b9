import { randomInt } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

import { CLTOCS_READ, CLTOCS_WRITE, CLTOCS_WRITE_DATA } from '@wapiti-fs/protocol';

import { FakeMaster, Listener, Peer } from '../../apps/mfschunkserver/test/peers.js';
import { binary } from '../harness/lab.js';
import { type Background, background } from '../harness/processes.js';

const BLOCK_BYTES = 65_536;
const PART_BYTES = 4096;
const WINDOW = 12;
const OK = 0;

interface Packet {
  readonly block: number;
  readonly offset: number;
  readonly sizeBytes: number;
}

/** What a chunk must hold, as far as the chunkserver has said so. */
class Expectation {
  private readonly blocks = new Map<number, Buffer>();
  private readonly inFlight: Packet[] = [];
  acknowledged = 0;
  private sent = 0;

  constructor(readonly chunkId: number) {}

  static fill(writeId: number): number {
    return (writeId % 255) + 1;
  }

  /** The next packet as frames. */
  send(packet: Packet): Buffer[] {
    const writeId = ++this.sent;
    const data = Buffer.alloc(packet.sizeBytes, Expectation.fill(writeId));
    this.inFlight.push(packet);
    return CLTOCS_WRITE_DATA.encodeParts({
      chunkId: this.chunkId,
      writeId,
      blocknum: packet.block,
      offset: packet.offset,
      size: packet.sizeBytes,
      crc: crc32(data),
      data,
    });
  }

  acknowledge(writeId: number): void {
    const packet = this.inFlight.shift();
    if (packet === undefined || writeId !== ++this.acknowledged) throw new Error(`status for packet ${writeId}`);
    const content = this.blocks.get(packet.block) ?? Buffer.alloc(BLOCK_BYTES);
    content.fill(Expectation.fill(writeId), packet.offset, packet.offset + packet.sizeBytes);
    this.blocks.set(packet.block, content);
  }

  /** Blocks that nobody was writing when the process was killed, with their contents. */
  settled(): [number, Buffer][] {
    const busy = new Set(this.inFlight.map((packet) => packet.block));
    return [...this.blocks].filter(([block]) => !busy.has(block));
  }
}

/** Kill -9 of the chunkserver while it is written to: what WRITE_STATUS confirmed is there afterwards. */
describe('a killed chunkserver', () => {
  let dir: string;
  let listener: Listener;
  let master: FakeMaster;
  let server: Background;
  let port: number;

  async function startServer(): Promise<void> {
    const [command, ...first] = binary('mfschunkserver', 'wapiti') as [string, ...string[]];
    server = background('mfschunkserver', command, [...first, '-f', '-c', join(dir, 'cs.cfg'), 'start']);
    master = await FakeMaster.register(listener);
    // The folder is scanned when there is room in it.
    while ((await master.link.nextOf(101)).payload.readBigUInt64BE(8) === 0n);
    await server.waitFor(/listen on 127\.0\.0\.1:(\d+)/);
    port = Number(/listen on 127\.0\.0\.1:(\d+)/.exec(server.output)?.[1]);
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'wapiti-killed-'));
    mkdirSync(join(dir, 'disk'));
    mkdirSync(join(dir, 'data'));
    writeFileSync(join(dir, 'hdd.cfg'), `${join(dir, 'disk')}\n`);
    listener = await Listener.open();
    const settings = {
      WORKING_USER: 'root',
      WORKING_GROUP: 'root',
      DATA_PATH: join(dir, 'data'),
      HDD_CONF_FILENAME: join(dir, 'hdd.cfg'),
      HDD_LEAVE_SPACE_DEFAULT: '0',
      MASTER_HOST: '127.0.0.1',
      MASTER_PORT: listener.port,
      MASTER_RECONNECTION_DELAY: 0,
      CSSERV_LISTEN_HOST: '127.0.0.1',
      CSSERV_LISTEN_PORT: 0,
    };
    const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
    writeFileSync(join(dir, 'cs.cfg'), lines.join(''));
    await startServer();
  });

  afterAll(async () => {
    listener?.close();
    await server?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Writes packets, some ahead, until the server is gone; `acknowledged` is called after each status. */
  async function writeUntilKilled(
    expected: Expectation,
    packetAt: (index: number) => Packet,
    acknowledged: () => void,
  ): Promise<void> {
    const { chunkId } = expected;
    const peer = await Peer.connect(port);
    peer.send(CLTOCS_WRITE.encode({ variant: 'protocol', protocol: 1, chunkId, version: 1, chain: [] }));
    let index = 0;
    for (;;) {
      while (!peer.closed && index - expected.acknowledged < WINDOW) peer.send(...expected.send(packetAt(index++)));
      const frame = await peer.next();
      if (frame === undefined) return;
      expect(frame.payload[12]).toBe(OK);
      const writeId = frame.payload.readUInt32BE(8);
      if (writeId === 0) continue;
      expected.acknowledge(writeId);
      acknowledged();
    }
  }

  /** Blocks among `wanted` that are not read as expected. */
  async function wrongBlocks(chunkId: number, wanted: [number, Buffer][]): Promise<string[]> {
    const wrong: string[] = [];
    for (const [block, content] of wanted) {
      const peer = await Peer.connect(port);
      const range = { offset: block * BLOCK_BYTES, size: BLOCK_BYTES };
      peer.send(CLTOCS_READ.encode({ variant: 'protocol', protocol: 1, chunkId, version: 1, ...range }));
      const frame = await peer.next();
      if (frame?.type !== 202) wrong.push(`chunk ${chunkId} block ${block}: status ${frame?.payload[8]}`);
      else if (!frame.payload.subarray(20).equals(content)) wrong.push(`chunk ${chunkId} block ${block}: other data`);
      peer.destroy();
    }
    return wrong;
  }

  const whole = (index: number): Packet => ({ block: index % 1024, offset: 0, sizeBytes: BLOCK_BYTES });
  const overwriting = (index: number): Packet => ({ block: (index * 7) % 40, offset: 0, sizeBytes: BLOCK_BYTES });
  const parts = (index: number): Packet => ({
    block: (index >> 4) % 1024,
    offset: (index % 16) * PART_BYTES,
    sizeBytes: PART_BYTES,
  });
  const scattered = (index: number): Packet => ({
    block: (index * 5) % 48,
    offset: ((index * 11) % 16) * PART_BYTES,
    sizeBytes: PART_BYTES,
  });

  it.each([1, 2, 3, 4, 5, 6])('has all that it acknowledged, round %d', async (round) => {
    let left = randomInt(100, 900);
    const expected = [whole, overwriting, parts, scattered].map((_, at) => new Expectation(round * 10 + at));
    for (const { chunkId } of expected) {
      const idHex = chunkId.toString(16).padStart(16, '0');
      expect(await master.command(110, `${idHex}00000001`)).toBe(`${idHex}00`);
    }
    const writers = [whole, overwriting, parts, scattered].map((packetAt, at) =>
      writeUntilKilled(expected[at] as Expectation, packetAt, () => {
        if (--left === 0) server.signal('SIGKILL');
      }),
    );
    await Promise.all(writers);
    await server.kill();
    await startServer();
    const wrong: string[] = [];
    for (const one of expected) wrong.push(...(await wrongBlocks(one.chunkId, one.settled())));
    expect(wrong).toEqual([]);
    expect(expected.some((one) => one.settled().length > 5)).toBe(true);
  });
});
