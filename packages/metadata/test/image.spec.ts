import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { ImageError, MetadataStore, readImage, writeImage } from '../src/index.js';

const VECTORS = join(__dirname, '../../../tests/vectors');
const vector = (name: string): Buffer => readFileSync(join(VECTORS, name));
const encode = (store: MetadataStore): Buffer => Buffer.concat([...writeImage(store)]);
const IMAGES = [
  'first.metadata.mfs',
  'sample.metadata.mfs',
  'changelog/metadata.v029.mfs',
  'changelog/metadata.v386.mfs',
  'changelog/metadata.v509.mfs',
  'changelog/metadata.v531.mfs',
];

test.each(IMAGES)('%s: two cycles of reading and writing give the same bytes', (name) => {
  // Each load turns round the lists of spec 07 §3.14, so the second cycle restores their order.
  const bytes = vector(name);
  const once = encode(readImage(bytes));
  expect(once.length).toBe(bytes.length);
  expect(encode(readImage(once)).equals(bytes)).toBe(true);
});

test('MFSM NEW is the empty file system', () => {
  const first = vector('first.metadata.mfs');
  const now = readImage(first).nodes.ctime.get(1);
  expect(encode(readImage(vector('new.metadata.mfs'), now)).equals(first)).toBe(true);
});

test('sample image: decoded values', () => {
  const store = readImage(vector('sample.metadata.mfs'));
  expect(store).toMatchObject({ version: 90, metaid: 0x6b028cab2c3b5fa3n });
  expect(store.nodes).toMatchObject({ count: 18, maxInode: 19 });
  const renamed = store.edges.find(2, Buffer.from('renamed.bin'));
  expect(store.edges.child(renamed)).toBe(4);
  expect(store.nodes.nlink.get(3)).toBe(2);
  expect([...store.nodes.chunks(4)]).toEqual([{ index: 1, chunkId: 2 }]);
  expect(store.chunks.referenceCount(store.chunks.find(1))).toBe(2);
  expect(store.tables.posixLocks.get(5)?.[0]?.ranges).toEqual([
    { start: 0n, end: 10n, write: false },
    { start: 50n, end: 150n, write: true },
  ]);
});

test('errors name section, offset and record', () => {
  const bytes = Buffer.from(vector('sample.metadata.mfs'));
  bytes[0xc23] = 10;
  expect(() => readImage(bytes)).toThrow(
    expect.objectContaining({ section: 'NODE', offset: 0xc24, record: 1, reason: 'unknown inode type 10' }) as Error,
  );
  expect(() => readImage(vector('sample.metadata.mfs').subarray(0, 5000))).toThrow(ImageError);
});

test('damaged images are read or give ImageError', () => {
  const images = IMAGES.map(vector);
  fc.assert(
    fc.property(
      fc.constantFrom(...images),
      fc.nat(),
      fc.integer({ min: 0, max: 7 }),
      fc.boolean(),
      (image, at, bit, cut) => {
        const position = at % image.length;
        const bytes = Buffer.from(image);
        bytes[position] = (bytes[position] ?? 0) ^ (1 << bit);
        // A cut file gets the end marker again: otherwise only the check of the ending would be tried.
        const damaged = cut ? Buffer.concat([image.subarray(0, position), Buffer.from('[MFS EOF MARKER]')]) : bytes;
        try {
          readImage(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
        }
      },
    ),
    { numRuns: 500 },
  );
});
