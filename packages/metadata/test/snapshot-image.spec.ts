import fc from 'fast-check';
import { MetadataStore, takeSnapshot, writeImage } from '../src/index.js';
import { Driver, type Step } from './support/driver.js';

const START = 1795000000;
const step: fc.Arbitrary<Step> = fc.tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000), fc.nat(1000));
const encode = (store: MetadataStore): Buffer => Buffer.concat([...writeImage(store)]);
const populated = (seed: number, count: number): Driver => {
  const driver = new Driver(MetadataStore.empty(START), START);
  driver.run(fc.sample(step, { seed, numRuns: count }));
  return driver;
};

test('an image written between operations is that of the moment of the snapshot', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(step, { maxLength: 400, size: 'max' }), (seed, changes) => {
      const driver = populated(seed, 400);
      const { store } = driver.metadata;
      const expected = encode(store);
      const snapshot = takeSnapshot(store);
      expect(snapshot.version).toBe(store.version);
      const pieces: Buffer[] = [];
      let at = 0;
      for (const piece of snapshot.write()) {
        pieces.push(piece);
        // Sections are the pieces here: the operations fall before, between and after them.
        driver.run(changes.slice(at, at + 20));
        at += 20;
      }
      expect(Buffer.concat(pieces).equals(expected)).toBe(true);
      snapshot.release();
    }),
    { seed: 20261124, numRuns: 20 },
  );
});

test('two snapshots at once, released in any order, and the store they leave behind', () => {
  const driver = populated(3, 800);
  const { store } = driver.metadata;
  const images: Buffer[] = [];
  const snapshots = [];
  for (let i = 0; i < 2; i++) {
    images.push(encode(store));
    snapshots.push(takeSnapshot(store));
    driver.run(fc.sample(step, { seed: 40 + i, numRuns: 300 }));
  }
  const [first, second] = snapshots;
  const [firstImage, secondImage] = images;
  expect(Buffer.concat([...(second?.write() ?? [])])).toEqual(secondImage);
  second?.release();
  second?.release();
  driver.run(fc.sample(step, { seed: 50, numRuns: 300 }));
  expect(Buffer.concat([...(first?.write() ?? [])])).toEqual(firstImage);
  first?.release();
  driver.run(fc.sample(step, { seed: 51, numRuns: 300 }));

  const untouched = populated(3, 800);
  for (const [seed, count] of [
    [40, 300],
    [41, 300],
    [50, 300],
    [51, 300],
  ] as const)
    untouched.run(fc.sample(step, { seed, numRuns: count }));
  expect(encode(store).equals(encode(untouched.metadata.store))).toBe(true);
});
