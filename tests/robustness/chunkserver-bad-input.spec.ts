import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

import { CLTOCS_READ, CLTOCS_WRITE, CLTOCS_WRITE_DATA, CLTOCS_WRITE_FINISH } from '@wapiti-fs/protocol';

import { Peer } from '../../apps/mfschunkserver/test/peers.js';
import { LoneChunkserver } from '../harness/lone-chunkserver.js';
import { eventually, run } from '../harness/processes.js';

const BLOCK_BYTES = 65_536;
const OK = 0;
const NOCHUNK = 13;
const WRONGVERSION = 19;
const NOSPACE = 21;

const idHex = (chunkId: number): string => chunkId.toString(16).padStart(16, '0');
const create = (chunkId: number): string => `${idHex(chunkId)} 00000001`;
const status = (chunkId: number, code: number): string => idHex(chunkId) + code.toString(16).padStart(2, '0');

/** The chunkserver's process between a master and a client that mean no good. */
describe('bad input to the chunkserver', () => {
  let server: LoneChunkserver;

  beforeAll(async () => {
    server = await LoneChunkserver.prepare('bad-input');
    await run('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'wapiti-test', server.disk]);
    await server.start();
  });

  afterAll(async () => {
    if (server === undefined) return;
    await server.process.stop();
    await run('umount', [server.disk], { check: false });
    await server.destroy();
  });

  async function writeBlocks(chunkId: number, blocks: number, fill: number): Promise<number> {
    const peer = await Peer.connect(server.port);
    peer.send(CLTOCS_WRITE.encode({ variant: 'protocol', protocol: 1, chunkId, version: 1, chain: [] }));
    expect((await peer.nextOf(211)).payload[12]).toBe(OK);
    const data = Buffer.alloc(BLOCK_BYTES, fill);
    for (let block = 0; block < blocks; block++) {
      const packet = {
        chunkId,
        writeId: block + 1,
        blocknum: block,
        offset: 0,
        size: BLOCK_BYTES,
        crc: crc32(data),
        data,
      };
      peer.send(...CLTOCS_WRITE_DATA.encodeParts(packet));
      const code = (await peer.nextOf(211)).payload[12];
      if (code !== OK) {
        peer.destroy();
        return code as number;
      }
    }
    peer.send(CLTOCS_WRITE_FINISH.encode({ chunkId, version: 1 }));
    peer.socket.end();
    return OK;
  }

  /** Bytes of a chunk, or the status that was given instead. */
  async function read(chunkId: number, blocks: number, version = 1): Promise<Buffer | number> {
    const peer = await Peer.connect(server.port);
    const range = { offset: 0, size: blocks * BLOCK_BYTES };
    peer.send(CLTOCS_READ.encode({ variant: 'protocol', protocol: 1, chunkId, version, ...range }));
    const parts: Buffer[] = [];
    for (;;) {
      const frame = await peer.next();
      if (frame === undefined) throw new Error('closed');
      if (frame.type === 201) {
        peer.destroy();
        const code = frame.payload[8] as number;
        return code === OK ? Buffer.concat(parts) : code;
      }
      parts.push(Buffer.from(frame.payload.subarray(20)));
    }
  }

  const FILL = 0x41;
  const sound = Buffer.alloc(2 * BLOCK_BYTES, FILL);

  it('stores a chunk to be looked at after each attack', async () => {
    expect(await server.master.command(110, create(1))).toBe(status(1, OK));
    expect(await writeBlocks(1, 2, FILL)).toBe(OK);
    expect(await read(1, 2)).toEqual(sound);
  });

  it.each([
    ['an unknown type', '0000270f 00000000'],
    ['a length above the limit', '000000d2 7fffffff'],
    ['a read request that is too short', '000000c8 00000003 010203'],
    ['a write request that is too long', `000000d2 00000010 01 ${'00'.repeat(15)}`],
    ['data without a session', '000000d4 00000004 00000000'],
    ['text', Buffer.from('GET / HTTP/1.0\r\n\r\n').toString('hex')],
  ])('closes a data connection that sends %s, and only that one', async (_what, hex) => {
    const bystander = await Peer.connect(server.port);
    const peer = await Peer.connect(server.port);
    peer.send(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    while (!peer.closed) await peer.next();
    bystander.send(
      CLTOCS_READ.encode({ variant: 'protocol', protocol: 1, chunkId: 1, version: 1, offset: 0, size: 1 }),
    );
    expect((await bystander.nextOf(202)).payload[20]).toBe(FILL);
    bystander.destroy();
    expect(server.process.running).toBe(true);
  });

  it('takes half a packet and silence for what it is, and forgets the connection', async () => {
    const peer = await Peer.connect(server.port);
    peer.send(Buffer.from('000000c8000000150100', 'hex'));
    peer.socket.end();
    while (!peer.closed) await peer.next();
    expect(await read(1, 2)).toEqual(sound);
  });

  it('answers for a chunk that it has not, and for a version that it has not', async () => {
    expect(await read(99, 1)).toBe(NOCHUNK);
    expect(await read(1, 1, 7)).toBe(WRONGVERSION);
    expect(await server.master.command(120, `${idHex(99)} 00000000`)).toBe(status(99, NOCHUNK));
    expect(await server.master.command(140, `${idHex(99)} 00000002 00000001`)).toBe(status(99, NOCHUNK));
  });

  it.each([
    ['a truncated command', '0000006e 00000005 0000000000'],
    ['a length above the limit', '0000006e 7fffffff'],
    ['garbage', 'ff'.repeat(64)],
  ])('leaves a master that sends %s, and registers again', async (_what, hex) => {
    server.master.link.send(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    while (!server.master.link.closed) await server.master.link.next();
    await server.register();
    expect(await read(1, 2)).toEqual(sound);
  });

  it('says in its log what was wrong', () => {
    expect(server.process.output).toMatch(/packet too long \(2147483647\/\d+\); command:110/);
    expect(server.process.output).toMatch(/MATOCS_CREATE/);
  });

  it('tells the writer that the disk is full, loses nothing and goes on when there is space again', async () => {
    expect(await server.master.command(110, create(2))).toBe(status(2, OK));
    expect(await writeBlocks(2, 200, 0x42)).toBe(NOSPACE);
    expect(await read(1, 2)).toEqual(sound);
    // What of chunk 2 was acknowledged is there.
    const first = await read(2, 10);
    expect(Buffer.isBuffer(first) && first.equals(Buffer.alloc(10 * BLOCK_BYTES, 0x42))).toBe(true);
    // Room for the header of an empty chunk may be left, but not for many.
    let empty = 100;
    while ((await server.master.command(110, create(empty))) === status(empty, OK) && empty < 200) empty++;
    expect(await server.master.command(110, create(empty))).toBe(status(empty, NOSPACE));
    expect(await server.master.command(120, `${idHex(2)} 00000000`)).toBe(status(2, OK));
    await eventually('space for a chunk', async () => (await server.master.command(110, create(4))) === status(4, OK));
    expect(await writeBlocks(4, 10, 0x43)).toBe(OK);
    expect(await read(1, 2)).toEqual(sound);
    expect(server.process.running).toBe(true);
  });

  it('refuses a master of another file system: ends with the reason, everything as it was', async () => {
    const files = (): string[] => readdirSync(server.disk, { recursive: true, encoding: 'utf8' }).sort();
    const identity = readFileSync(join(server.dataPath, 'chunkserverid.mfs'));
    const before = files().filter((name) => name.endsWith('.mfs'));
    server.master.link.destroy();
    const link = await server.accept();
    await link.nextOf(100);
    link.sendHex(104, '00 000300ea 000a 0002 00000000deadbeef');
    expect(await server.process.waitExit()).toBe(1);
    expect(server.process.output).toMatch(/wrong master: it serves file system deadbeef/);
    expect(readFileSync(join(server.dataPath, 'chunkserverid.mfs'))).toEqual(identity);
    expect(files().filter((name) => name.endsWith('.mfs'))).toEqual(before);
    await server.start();
    expect(await read(1, 2)).toEqual(sound);
  });
});
