import { crc32 } from 'node:zlib';

import fc from 'fast-check';

import {
  ChunkIndex,
  type ChunkRecord,
  combineCrc,
  layoutOfSize,
  parseChunkFileName,
  parseHddConfig,
  parseSize,
  replaceInCrc,
  WriteRun,
} from '../src/index.js';
import { BlockLock } from '../src/block-lock.js';
import { decodeChunkDb, encodeChunkDb } from '../src/chunkdb.js';

describe('CRC arithmetic', () => {
  it('combines as spec 04 §2 shows', () => {
    expect(combineCrc(0xed81f9f6, 0xdd3861a8, 6)).toBe(0xaf083b2d);
  });

  it('replaces a range inside a block', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 500 }),
        fc.uint8Array({ maxLength: 500 }),
        fc.uint8Array({ maxLength: 70_000 }),
        (before, old, behind) => {
          const fresh = old.map((byte) => byte ^ 0x5a);
          const join = (middle: Uint8Array): Buffer => Buffer.concat([before, middle, behind]);
          const replaced = replaceInCrc(crc32(join(old)), crc32(old), crc32(fresh), behind.length);
          expect(replaced).toBe(crc32(join(fresh)));
        },
      ),
    );
  });
});

describe('file names and sizes', () => {
  it.each([
    ['chunk_000000000000000A_00000001.mfs', { id: 10, version: 1 }],
    ['chunk_000000000000000A_00000000.mfs', { id: 10, version: 0 }],
    ['chunk_000000000000000a_00000001.mfs', undefined],
    ['chunk_0000000000000000_00000001.mfs', undefined],
    ['chunk_FFFFFFFFFFFFFFFF_00000001.mfs', undefined],
    ['reptmp_chunk_000000000000000A', undefined],
  ])('%s', (name, expected) => expect(parseChunkFileName(name)).toEqual(expected));

  it.each([
    [8192, { headerSize: 4096, blocks: 0 }],
    [5120 + 65536, { headerSize: 1024, blocks: 1 }],
    [8192 + 1024 * 65536, { headerSize: 4096, blocks: 1024 }],
    [8192 + 1025 * 65536, undefined],
    [0, undefined],
    [4096, undefined],
    [9000, undefined],
  ])('size %d', (size, expected) => expect(layoutOfSize(size)).toEqual(expected));
});

describe('mfshdd.cfg', () => {
  it.each([
    ['0.5TB', 5e11],
    ['.5G', 5e8],
    ['2.56GiB', Math.floor(2.56 * 2 ** 30)],
    ['7k', 7000],
    ['7Ki', 7168],
    ['7K', undefined],
    ['7x', undefined],
    ['', undefined],
  ])('size %s', (text, expected) => expect(parseSize(text)).toBe(expected));

  it('reads flags, paths with blanks, limits and comments', () => {
    const { folders, warnings } = parseHddConfig(
      [
        '# comment',
        '',
        '/mnt/hd1',
        '*/mnt/hd2/ \r',
        '~>/mnt/hd3 -5GiB',
        '/mnt/my disk 1.5TiB',
        '</mnt/x 5q',
        '/mnt/y 0',
        '/mnt/z -1M',
      ].join('\n'),
    );
    expect(
      folders.map(({ path, markedForRemoval, ignoreSizeChange, balance, size }) => [
        path,
        markedForRemoval,
        ignoreSizeChange,
        balance,
        size?.kind,
        size?.bytes,
      ]),
    ).toEqual([
      ['/mnt/hd1/', false, false, 'normal', undefined, undefined],
      ['/mnt/hd2/', true, false, 'normal', undefined, undefined],
      ['/mnt/hd3/', false, true, 'fill', 'leave', 5 * 2 ** 30],
      ['/mnt/my disk/', false, false, 'normal', 'limit', 1.5 * 2 ** 40],
      ['/mnt/x 5q/', false, false, 'empty', undefined, undefined],
      ['/mnt/y/', false, false, 'normal', undefined, undefined],
      ['/mnt/z/', false, false, 'normal', 'leave', 1e6],
    ]);
    expect(warnings).toEqual([
      'line 7: size parse error, data: 5q',
      'line 8: size limit 0 is ignored',
      'line 9: less than 64 MiB left free (-1M)',
    ]);
  });
});

describe('index', () => {
  it('behaves as a map under random additions, changes and removals', () => {
    const id = fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
    const step = fc.record({
      id: fc
        .oneof(
          id,
          id.map((one) => (one % 40) * 256 + 7),
        )
        .filter((one) => one > 0),
      remove: fc.boolean(),
      version: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const index = new ChunkIndex();
        const model = new Map<number, ChunkRecord>();
        for (const { id: one, remove, version } of steps) {
          if (remove) {
            expect(index.delete(one)).toBe(model.delete(one));
          } else {
            const record = {
              id: one,
              version,
              folder: version % 9,
              subfolder: version % 256,
              blocks: version % 1025,
              flags: version % 3,
            };
            index.put(record);
            model.set(one, record);
          }
        }
        expect(index.size).toBe(model.size);
        for (const { id: one } of steps) expect(index.get(one)).toEqual(model.get(one));
        expect([...index.entries()].sort((a, b) => a.id - b.id)).toEqual(
          [...model.values()].sort((a, b) => a.id - b.id),
        );
      }),
    );
  });

  it('keeps a million chunks without an object for each', () => {
    const index = new ChunkIndex();
    for (let id = 1; id <= 1_000_000; id++)
      index.put({ id, version: 1, folder: 0, subfolder: id % 256, blocks: 1, flags: 0 });
    for (let id = 1; id <= 1_000_000; id += 2) index.delete(id);
    expect(index.size).toBe(500_000);
    expect(index.get(999_999)).toBeUndefined();
    expect(index.get(1_000_000)?.subfolder).toBe(1_000_000 % 256);
  });
});

describe('block lock', () => {
  it('runs what does not conflict, and keeps the order of what does', async () => {
    const lock = new BlockLock();
    const order: string[] = [];
    expect(lock.acquire(0, 4)).toBeUndefined();
    expect(lock.acquire(4, 8)).toBeUndefined();
    const waits = [lock.acquireAll()?.then(() => order.push('all')), lock.acquire(9, 10)?.then(() => order.push('9'))];
    lock.release(0, 4);
    await Promise.resolve();
    expect(order).toEqual([]);
    lock.release(4, 8);
    await waits[0];
    expect(order).toEqual(['all']);
    lock.releaseAll();
    await waits[1];
    expect(order).toEqual(['all', '9']);
    lock.release(9, 10);
    expect(lock.idle).toBe(true);
  });
});

describe('run of packets', () => {
  const part = (fill: number): Buffer => Buffer.alloc(4096, fill);
  const extend = (run: WriteRun, block: number, offset: number, data: Buffer): boolean =>
    run.extend(block, offset, data, crc32(data));

  it('takes what follows within the block, with the CRC of all of it', () => {
    const run = new WriteRun(3, 100, part(1), crc32(part(1)));
    expect(extend(run, 3, 4196, part(2))).toBe(true);
    expect(extend(run, 3, 8292, part(3).subarray(7))).toBe(true);
    expect(run.end).toBe(100 + 3 * 4096 - 7);
    expect(run.crc).toBe(crc32(Buffer.concat(run.parts)));
  });

  it('leaves a gap, an overlap, another block and what comes too late to others', () => {
    const run = new WriteRun(3, 0, part(1), crc32(part(1)));
    expect(extend(run, 3, 4097, part(2))).toBe(false);
    expect(extend(run, 3, 4095, part(2))).toBe(false);
    expect(extend(run, 4, 4096, part(2))).toBe(false);
    run.begin();
    expect(extend(run, 3, 4096, part(2))).toBe(false);
    expect(run.parts).toHaveLength(1);
  });
});

describe('.chunkdb', () => {
  it('is written as spec 05 §7 shows', () => {
    const bytes = encodeChunkDb('/tmp/h1/fifteen', [
      { id: 1, version: 1, folder: 0, subfolder: 0, blocks: 1, flags: 0 },
    ]);
    expect(bytes.toString('hex')).toBe(
      `4d4653204348554e4b444232000f${Buffer.from('/tmp/h1/fifteen').toString('hex')}000000000000000100000001000110000000${'00'.repeat(18)}`,
    );
  });

  it('is refused when torn, longer, or of another path; never throws', () => {
    const bytes = encodeChunkDb('/a/', [{ id: 7, version: 2, folder: 0, subfolder: 3, blocks: 0xffff, flags: 0 }]);
    expect(decodeChunkDb(bytes, '/a/')).toEqual([{ id: 7, version: 2, subfolder: 3, blocks: 0xffff, flags: 0 }]);
    expect(decodeChunkDb(bytes, '/b/')).toBeUndefined();
    for (let size = 0; size < bytes.length; size++)
      expect(decodeChunkDb(bytes.subarray(0, size), '/a/')).toBeUndefined();
    expect(decodeChunkDb(Buffer.concat([bytes, Buffer.alloc(18)]), '/a/')).toBeUndefined();
  });
});
