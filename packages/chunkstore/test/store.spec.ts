import { readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';

import { BLOCK_SIZE_BYTES, type ChunkStore, StoreStatus } from '../src/index.js';
import { Bench, fault, faultyFs } from './helpers.js';
import { nodeStoreFs } from '../src/index.js';

let bench: Bench;
let folder: string;
let store: ChunkStore;

beforeEach(async () => {
  bench = new Bench();
  folder = bench.folder('a');
  store = await bench.open(bench.lines(folder));
});

afterEach(() => bench.close());

async function write(id: number, version: number, block: number, offset: number, data: Buffer): Promise<void> {
  const chunk = await store.open(id, version);
  try {
    await store.write(chunk, version, block, offset, data, crc32(data));
  } finally {
    await store.release(chunk);
  }
}

async function read(id: number, version: number, first: number, count = 1): Promise<Buffer> {
  const chunk = await store.open(id, version);
  const buffer = Buffer.alloc(count * BLOCK_SIZE_BYTES, 0xee);
  try {
    const { error } = await store.read(chunk, version, first, count, buffer);
    if (error) throw error;
    return buffer;
  } finally {
    await store.release(chunk);
  }
}

const status = (code: keyof typeof StoreStatus): object => expect.objectContaining({ status: StoreStatus[code] });
const path = (id: string, version: string): string =>
  `${folder}00/chunk_${id.padStart(16, '0')}_${version.padStart(8, '0')}.mfs`;

describe('files as spec 05 §3 shows them', () => {
  it('writes a fresh chunk', async () => {
    await store.create(10, 1);
    await store.close();
    const file = readFileSync(path('A', '1'));
    expect(file.length).toBe(8192);
    expect(file.subarray(0, 20).toString('hex')).toBe('4d46534320312e30000000000000000a00000001');
    expect(file.subarray(20).every((byte) => byte === 0)).toBe(true);
  });

  it('writes "hello world" into block 0', async () => {
    await store.create(10, 1);
    await write(10, 1, 0, 0, Buffer.from('hello world\n'));
    const file = readFileSync(path('A', '1'));
    expect(file.length).toBe(73728);
    expect(file.subarray(4096, 4108).toString('hex')).toBe('69f4011ed7978eebd7978eeb');
    expect(file.subarray(8188, 8192).toString('hex')).toBe('d7978eeb');
    expect(file.subarray(8192, 8206).toString('latin1')).toBe('hello world\n\0\0');
  });

  it('cuts 4 blocks to 66000 bytes', async () => {
    await store.create(2, 1);
    const block = Buffer.alloc(BLOCK_SIZE_BYTES, 7);
    for (let i = 0; i < 4; i++) await write(2, 1, i, 0, block);
    await store.truncate(2, 66000, 2, 1);
    const file = readFileSync(path('2', '2'));
    expect(file.length).toBe(139264);
    expect(file.readUInt32BE(16)).toBe(2);
    const last = Buffer.alloc(BLOCK_SIZE_BYTES);
    last.fill(7, 0, 66000 - 65536);
    expect(file.readUInt32BE(4096 + 4)).toBe(crc32(last));
    expect(file.readUInt32BE(4096 + 8)).toBe(0xd7978eeb);
    expect(await read(2, 2, 1)).toEqual(last);
  });
});

describe('operations', () => {
  it('keeps CRCs right over partial writes, holes and appends', async () => {
    await store.create(1, 1);
    const model = Buffer.alloc(6 * BLOCK_SIZE_BYTES);
    let seed = 1;
    const random = (bound: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % bound;
    };
    for (let i = 0; i < 300; i++) {
      const block = random(6);
      const offset = random(3) === 0 ? 0 : random(BLOCK_SIZE_BYTES);
      const size = random(4) === 0 ? BLOCK_SIZE_BYTES - offset : random(BLOCK_SIZE_BYTES - offset + 1);
      const data = Buffer.alloc(size, random(3) === 0 ? 0 : 1 + random(255));
      await write(1, 1, block, offset, data);
      data.copy(model, block * BLOCK_SIZE_BYTES + offset);
    }
    expect((await read(1, 1, 0, 6)).equals(model)).toBe(true);
    const blocks = await store.blocks(1, 1);
    expect(statSync(path('1', '1')).size).toBe(8192 + blocks * BLOCK_SIZE_BYTES);
    await store.test(1, 1);
  });

  it('runs many writes of one chunk at once', async () => {
    await store.create(1, 1);
    const chunk = await store.open(1, 1);
    const blocks = Array.from({ length: 40 }, (_, i) => Buffer.alloc(BLOCK_SIZE_BYTES, i + 1));
    const parts = Array.from({ length: 40 }, (_, i) => Buffer.from(`part ${i}`));
    await Promise.all([
      ...blocks.map((data, i) => store.write(chunk, 1, (i * 7) % 40, 0, data, crc32(data))),
      ...parts.map((data, i) => store.write(chunk, 1, i + 3, 100 + i, data, crc32(data))),
    ]);
    await store.release(chunk);
    await store.test(1, 1);
    expect(await store.blocks(1, 1)).toBe(43);
  });

  it('answers with the right status', async () => {
    await store.create(1, 1);
    await expect(store.create(1, 5)).rejects.toEqual(status('CHUNKEXIST'));
    await expect(store.open(1, 2)).rejects.toEqual(status('WRONGVERSION'));
    await expect(store.setVersion(1, 3, 2)).rejects.toEqual(status('WRONGVERSION'));
    await expect(store.setVersion(1, 0, 1)).rejects.toEqual(status('EINVAL'));
    await expect(store.truncate(1, 0x4000001, 2, 1)).rejects.toEqual(status('EINVAL'));
    await expect(store.duplicate(1, 1, 1, 1)).rejects.toEqual(status('CHUNKEXIST'));
    await expect(store.duplicate(2, 1, 3, 1)).rejects.toEqual(status('NOCHUNK'));
    await expect(store.delete(1, 9)).rejects.toEqual(status('WRONGVERSION'));
    const chunk = await store.open(1, 1);
    const data = Buffer.from('x');
    await expect(store.write(chunk, 1, 1024, 0, data, crc32(data))).rejects.toEqual(status('BNUMTOOBIG'));
    await expect(store.write(chunk, 1, 0, 65536, data, crc32(data))).rejects.toEqual(status('WRONGOFFSET'));
    await expect(store.write(chunk, 1, 0, 0, data, 1)).rejects.toEqual(status('CRC'));
    expect(chunk.file.blocks).toBe(0);
    await store.setVersion(1, 2, 1);
    await expect(store.write(chunk, 1, 0, 0, data, crc32(data))).rejects.toEqual(status('WRONGVERSION'));
    await store.release(chunk);
    bench.events.take();
    await expect(store.open(77, 1)).rejects.toEqual(status('NOCHUNK'));
    expect(bench.events.take()).toEqual(['lost 77']);
  });

  it('duplicates with and without a cut, and removes', async () => {
    await store.create(1, 1);
    await write(1, 1, 0, 0, Buffer.alloc(BLOCK_SIZE_BYTES, 1));
    await write(1, 1, 2, 5, Buffer.from('tail'));
    await store.duplicate(2, 4, 1, 1);
    await store.duplicate(3, 1, 1, 1, 1000);
    await store.duplicate(4, 1, 1, 1, 5 * BLOCK_SIZE_BYTES);
    expect((await read(2, 4, 0, 3)).equals(await read(1, 1, 0, 3))).toBe(true);
    expect((await read(3, 1, 0)).subarray(998, 1003).toString('hex')).toBe('0101000000');
    expect([await store.blocks(2, 4), await store.blocks(3, 1), await store.blocks(4, 1)]).toEqual([3, 1, 5]);
    for (const id of [2, 3, 4]) await store.test(id, 0);
    for (const id of [1, 2, 3, 4]) await store.delete(id, 0);
    expect(bench.files(folder)).toEqual([]);
    expect(store.space().normal.chunks).toBe(0);
  });
});

describe('damage', () => {
  beforeEach(async () => {
    await store.create(1, 1);
    await write(1, 1, 0, 0, Buffer.alloc(BLOCK_SIZE_BYTES, 1));
    await write(1, 1, 1, 0, Buffer.alloc(BLOCK_SIZE_BYTES, 2));
    await store.close();
    bench.events.take();
  });

  const corrupt = (change: (file: Buffer) => Buffer): void =>
    writeFileSync(path('1', '1'), change(readFileSync(path('1', '1'))));

  it('finds a changed byte, serves the blocks before it, refuses a partial and takes a whole write', async () => {
    corrupt((file) => {
      file[8192 + 65536 + 9] = 0;
      return file;
    });
    store = await bench.open(bench.lines(folder));
    bench.events.take();
    const chunk = await store.open(1, 1);
    const buffer = Buffer.alloc(2 * BLOCK_SIZE_BYTES);
    const { verified, error } = await store.read(chunk, 1, 0, 2, buffer);
    expect({ verified, status: error?.status }).toEqual({ verified: 1, status: StoreStatus.CRC });
    expect(bench.events.take()).toEqual(['error', 'damaged 1']);
    const data = Buffer.from('x');
    await expect(store.write(chunk, 1, 1, 3, data, crc32(data))).rejects.toEqual(status('CRC'));
    const whole = Buffer.alloc(BLOCK_SIZE_BYTES, 3);
    await store.write(chunk, 1, 1, 0, whole, crc32(whole));
    await store.release(chunk);
    expect(await read(1, 1, 1)).toEqual(whole);
  });

  it.each([
    ['a header of another chunk', (file: Buffer) => (file.writeUInt8(9, 15), file), 'IO'],
    ['a wrong signature', (file: Buffer) => (file.write('XFSC'), file), 'IO'],
    ['an odd size', (file: Buffer) => file.subarray(0, 100_000), 'NOCHUNK'],
    ['an empty file', () => Buffer.alloc(0), 'NOCHUNK'],
  ] as const)('finds %s', async (_name, change, code) => {
    corrupt(change);
    store = await bench.open(bench.lines(folder));
    bench.events.take();
    await expect(store.open(1, 1)).rejects.toEqual(status(code));
    expect(bench.events.take()).toContain('damaged 1');
    await store.delete(1, 0);
    expect(bench.files(folder)).toEqual([]);
  });

  it('completes a change of version that ended between name and header', async () => {
    renameSync(path('1', '1'), path('1', '2'));
    unlinkSync(`${folder}.chunkdb`);
    store = await bench.open(bench.lines(folder));
    expect(await read(1, 2, 1)).toEqual(Buffer.alloc(BLOCK_SIZE_BYTES, 2));
    expect(readFileSync(path('1', '2')).readUInt32BE(16)).toBe(2);
  });

  it('lets set version repair a header of a later version', async () => {
    corrupt((file) => (file.writeUInt32BE(5, 16), file));
    store = await bench.open(bench.lines(folder));
    await expect(store.open(1, 1)).rejects.toEqual(status('IO'));
    await store.setVersion(1, 3, 1);
    expect(await read(1, 3, 1)).toEqual(Buffer.alloc(BLOCK_SIZE_BYTES, 2));
  });
});

describe('a full disk', () => {
  let full = false;

  beforeEach(async () => {
    await store.close();
    full = false;
    store = await bench.open(bench.lines(folder), {
      io: faultyFs({
        write: (fd, buffer, offset, length, position, callback) => {
          if (!full || position < 8192) nodeStoreFs.write(fd, buffer, offset, length, position, callback);
          else if (length > 1000) nodeStoreFs.write(fd, buffer, offset, 1000, position, callback);
          else callback(fault('ENOSPC'), 0);
        },
      }),
    });
    await store.create(1, 1);
    await write(1, 1, 0, 0, Buffer.alloc(BLOCK_SIZE_BYTES, 1));
    bench.events.take();
  });

  it('loses nothing when a new block does not fit', async () => {
    full = true;
    await expect(write(1, 1, 1, 0, Buffer.alloc(BLOCK_SIZE_BYTES, 2))).rejects.toEqual(status('NOSPACE'));
    await expect(write(1, 1, 3, 0, Buffer.from('z'))).rejects.toEqual(status('NOSPACE'));
    expect(statSync(path('1', '1')).size).toBe(8192 + BLOCK_SIZE_BYTES);
    expect(await read(1, 1, 0)).toEqual(Buffer.alloc(BLOCK_SIZE_BYTES, 1));
    expect(bench.events.take()).toEqual([]);
    full = false;
    await write(1, 1, 1, 0, Buffer.alloc(BLOCK_SIZE_BYTES, 2));
    await store.test(1, 1);
  });

  it('keeps the block readable when it could be overwritten only in part', async () => {
    full = true;
    await expect(write(1, 1, 0, 0, Buffer.alloc(BLOCK_SIZE_BYTES, 5))).rejects.toEqual(status('NOSPACE'));
    await store.test(1, 1);
    expect(bench.events.take()).toEqual([]);
  });
});
