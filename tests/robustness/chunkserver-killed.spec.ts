import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

import { CLTOCS_READ, CLTOCS_WRITE, CLTOCS_WRITE_DATA } from '@wapiti-fs/protocol';

import { Peer } from '../../apps/mfschunkserver/test/peers.js';
import { LoneChunkserver } from '../harness/lone-chunkserver.js';

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

  /** Blocks that were written, or were being written when the process was killed. */
  get touched(): number[] {
    return [...new Set([...this.blocks.keys(), ...this.inFlight.map(({ block }) => block)])];
  }

  /** Whether a block may hold this: what was acknowledged, but where a packet was in flight its bytes as well. */
  allows(block: number, found: Buffer): boolean {
    const rest = Buffer.from(found);
    const content = this.blocks.get(block) ?? Buffer.alloc(BLOCK_BYTES);
    this.inFlight.forEach((packet, at) => {
      if (packet.block !== block) return;
      const fill = Expectation.fill(this.acknowledged + 1 + at);
      for (let i = packet.offset; i < packet.offset + packet.sizeBytes; i++) {
        if (found[i] === fill) rest[i] = content[i] as number;
      }
    });
    return rest.equals(content);
  }
}

/**
 * Kill -9 of the chunkserver while it is written to: what WRITE_STATUS confirmed is there afterwards, and every block that was
 * being written can be read.
 */
describe('a killed chunkserver', () => {
  let server: LoneChunkserver;

  beforeAll(async () => {
    server = await LoneChunkserver.prepare('killed');
    await server.start();
  });

  afterAll(() => server?.destroy());

  /** Writes packets, some ahead, until the server is gone; `acknowledged` is called after each status. */
  async function writeUntilKilled(
    expected: Expectation,
    packetAt: (index: number) => Packet,
    acknowledged: () => void,
  ): Promise<void> {
    const { chunkId } = expected;
    const peer = await Peer.connect(server.port);
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

  /** Blocks that cannot be read, or do not hold what they may. */
  async function wrongBlocks(expected: Expectation): Promise<string[]> {
    const { chunkId } = expected;
    const wrong: string[] = [];
    for (const block of expected.touched) {
      const peer = await Peer.connect(server.port);
      const range = { offset: block * BLOCK_BYTES, size: BLOCK_BYTES };
      peer.send(CLTOCS_READ.encode({ variant: 'protocol', protocol: 1, chunkId, version: 1, ...range }));
      const frame = await peer.next();
      if (frame?.type !== 202) wrong.push(`chunk ${chunkId} block ${block}: status ${frame?.payload[8]}`);
      else if (!expected.allows(block, frame.payload.subarray(20)))
        wrong.push(`chunk ${chunkId} block ${block}: other data`);
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

  it.each([1, 2, 3, 4, 5, 6])('has all that it acknowledged and no unreadable block, round %d', async (round) => {
    let left = randomInt(100, 900);
    const expected = [whole, overwriting, parts, scattered].map((_, at) => new Expectation(round * 10 + at));
    for (const { chunkId } of expected) {
      const idHex = chunkId.toString(16).padStart(16, '0');
      expect(await server.master.command(110, `${idHex}00000001`)).toBe(`${idHex}00`);
    }
    const writers = [whole, overwriting, parts, scattered].map((packetAt, at) =>
      writeUntilKilled(expected[at] as Expectation, packetAt, () => {
        if (--left === 0) server.process.signal('SIGKILL');
      }),
    );
    await Promise.all(writers);
    await server.process.kill();
    await server.start();
    const wrong: string[] = [];
    for (const one of expected) wrong.push(...(await wrongBlocks(one)));
    expect(wrong).toEqual([]);
    expect(expected.some((one) => one.touched.length > 5)).toBe(true);
  });
});
