import { copyFileSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { crc32 } from 'node:zlib';

import { BLOCK_SIZE_BYTES, type ChunkStore, nodeStoreFs, type OpenChunk, StoreStatus } from '../src/index.js';
import { Bench, fault, faultyFs } from './helpers.js';

const DATA_START_BYTES = 8192;
const EMPTY_BLOCK_CRC = 0xd7978eeb;

let bench: Bench;
let folder: string;
let store: ChunkStore;
let chunk: OpenChunk;
/** Positions and sizes of all writes. */
const writes: { position: number; sizeBytes: number }[] = [];
let failAt: number | undefined;

beforeEach(async () => {
  bench = new Bench();
  folder = bench.folder('a');
  failAt = undefined;
  store = await bench.open(bench.lines(folder), {
    io: faultyFs({
      write: (fd, buffer, offset, length, position, callback) => {
        writes.push({ position, sizeBytes: length });
        if (failAt === undefined || position < failAt || position >= failAt + BLOCK_SIZE_BYTES)
          nodeStoreFs.write(fd, buffer, offset, length, position, callback);
        else if (length > 1000) nodeStoreFs.write(fd, buffer, offset, 1000, position, callback);
        else callback(fault('ENOSPC'), 0);
      },
    }),
  });
  await store.create(1, 1);
  chunk = await store.open(1, 1);
  writes.length = 0;
});

afterEach(async () => {
  await store.release(chunk);
  await bench.close();
});

const path = (): string => `${folder}00/chunk_0000000000000001_00000001.mfs`;
const position = (block: number): number => DATA_START_BYTES + block * BLOCK_SIZE_BYTES;
const put = (block: number, offset: number, data: Buffer): Promise<void> =>
  store.write(chunk, 1, block, offset, data, crc32(data));
const wholeBlock = (fill: number): Buffer => Buffer.alloc(BLOCK_SIZE_BYTES, fill);

/** Blocks of the file as another process finds it now whose CRCs do not fit. */
function wrongBlocks(): number[] {
  const file = readFileSync(path());
  const wrong: number[] = [];
  for (let block = 0; position(block) < file.length; block++) {
    const data = file.subarray(position(block), position(block + 1));
    if (crc32(data) !== file.readUInt32BE(4096 + 4 * block)) wrong.push(block);
  }
  return wrong;
}

it.each([
  ['a whole block', 0, 0, wholeBlock(1)],
  ['a block behind a hole', 5, 0, wholeBlock(1)],
  ['the beginning of a block', 0, 0, Buffer.from('begin')],
  ['the end of a block behind a hole', 3, 65_000, Buffer.alloc(536, 7)],
  ['zeros behind a hole', 2, 0, wholeBlock(0)],
])('has data and CRC of %s on disk when the write has ended', async (_what, block, offset, data) => {
  await put(block, offset, data);
  expect(wrongBlocks()).toEqual([]);
  await put(block, offset, Buffer.alloc(data.length, 2));
  await put(block, 100, Buffer.from('part'));
  expect(wrongBlocks()).toEqual([]);
  expect(
    readFileSync(path())
      .subarray(position(block) + 100, position(block) + 104)
      .toString(),
  ).toBe('part');
});

it('has the CRCs of zeros on disk before blocks are added by truncate', async () => {
  await store.truncate(1, 3 * BLOCK_SIZE_BYTES, 1, 1);
  expect(wrongBlocks()).toEqual([]);
  expect(readFileSync(path()).readUInt32BE(8188)).toBe(EMPTY_BLOCK_CRC);
});

it('writes the CRC of a new block before its data, those that come together in one piece', async () => {
  await Promise.all(Array.from({ length: 40 }, (_, block) => put(block, 0, wholeBlock(block + 1))));
  const tables = writes.filter((one) => one.position < DATA_START_BYTES);
  expect(tables.length).toBeLessThanOrEqual(3);
  for (let block = 0; block < 40; block++) {
    const entry = 4096 + 4 * block;
    const stored = writes.findIndex((one) => one.position <= entry && entry < one.position + one.sizeBytes);
    const data = writes.findIndex((one) => one.position === position(block));
    expect(stored).toBeLessThan(data);
  }
  expect(wrongBlocks()).toEqual([]);
});

it('does not confirm a write whose CRC could not be stored', async () => {
  await put(0, 0, wholeBlock(1));
  failAt = 4096 - BLOCK_SIZE_BYTES + 1000;
  await expect(put(0, 0, wholeBlock(2))).rejects.toMatchObject({ status: StoreStatus.NOSPACE });
  await expect(put(1, 0, wholeBlock(2))).rejects.toMatchObject({ status: StoreStatus.NOSPACE });
  failAt = undefined;
  await put(1, 0, wholeBlock(3));
  expect(wrongBlocks()).toEqual([]);
});

it('keeps a block good that failed while the next one was added', async () => {
  failAt = position(1);
  const results = await Promise.allSettled([0, 1, 2].map((block) => put(block, 0, wholeBlock(block + 1))));
  expect(results.map((one) => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  failAt = undefined;
  await store.release(chunk);
  expect(wrongBlocks()).toEqual([]);
  chunk = await store.open(1, 1);
  expect(chunk.file.blocks).toBe(3);
});

describe('an append that was cut off between two pages', () => {
  let restarted: ChunkStore;
  let found: OpenChunk;

  async function restart(bootId?: Buffer): Promise<void> {
    await put(0, 0, wholeBlock(1));
    await put(1, 0, wholeBlock(2));
    const other = bench.folder('b');
    const copy = `${other}00/chunk_0000000000000001_00000001.mfs`;
    await (await bench.open(bench.lines(other))).close();
    copyFileSync(path(), copy);
    rmSync(`${other}.chunkdb`);
    truncateSync(copy, position(1) + 3 * 4096);
    restarted = await bench.open(bench.lines(other), bootId && { bootId });
    found = await restarted.open(1, 1);
  }

  afterEach(() => restarted.release(found));

  it('leaves a good block where the process was killed', async () => {
    await restart();
    const buffer = Buffer.alloc(2 * BLOCK_SIZE_BYTES);
    expect((await restarted.read(found, 1, 0, 2, buffer)).verified).toBe(2);
    const expected = Buffer.concat([wholeBlock(1), Buffer.alloc(3 * 4096, 2), Buffer.alloc(13 * 4096)]);
    expect(buffer.equals(expected)).toBe(true);
    expect(bench.log.lines.join()).toContain('new CRC for block 1');
  });

  it('leaves an error in this block after the end of the machine, until it is written again', async () => {
    await restart(Buffer.alloc(16, 9));
    const buffer = Buffer.alloc(2 * BLOCK_SIZE_BYTES);
    const { verified, error } = await restarted.read(found, 1, 0, 2, buffer);
    expect({ verified, status: error?.status }).toEqual({ verified: 1, status: StoreStatus.CRC });
    await restarted.write(found, 1, 1, 0, wholeBlock(3), crc32(wholeBlock(3)));
    await restarted.test(1, 1);
  });
});
