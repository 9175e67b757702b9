import fc from 'fast-check';
import { applyRecord, MetadataStore, parseLine, readImage, writeImage } from '../src/index.js';
import { Driver, type Step } from './support/driver.js';
import { dump } from './support/dump.js';

const START = 1795000000;
const step: fc.Arbitrary<Step> = fc.tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000), fc.nat(1000));
const steps = (length: number): fc.Arbitrary<Step[]> => fc.array(step, { maxLength: length, size: 'max' });
const encode = (store: MetadataStore): Buffer => Buffer.concat([...writeImage(store)]);

function replay(store: MetadataStore, lines: readonly string[]): MetadataStore {
  for (const line of lines) {
    const { version, change } = parseLine(Buffer.from(line, 'latin1'));
    expect(version).toBe(store.version);
    applyRecord(store, change);
  }
  return store;
}

/** What images do not hold. */
function derived(store: MetadataStore): unknown {
  const { nodes, chunks, stats } = store;
  return {
    nodes: [...nodes.inodes()].map((inode) => [inode, nodes.nlink.get(inode), nodes.flags.get(inode)]),
    stats: [...nodes.inodes()].filter((inode) => nodes.isDirectory(inode)).map((inode) => [inode, stats.of(inode)]),
    chunks: [...chunks.entries()]
      .map((slot) => ({ id: chunks.id(slot), classes: [...chunks.classCounts(slot)].sort(([a], [b]) => a - b) }))
      .sort((a, b) => a.id - b.id),
    counts: [nodes.count, nodes.directoryCount, nodes.fileCount],
  };
}

test('random operations: the lines replayed give the same image bit for bit', () => {
  fc.assert(
    fc.property(steps(500), steps(300), (before, after) => {
      const first = new Driver(MetadataStore.empty(START), START);
      first.run(before);
      const image = encode(first.metadata.store);
      expect(encode(replay(MetadataStore.empty(START), first.lines)).equals(image)).toBe(true);

      // A master that starts from this image, and a copy that follows it.
      const second = new Driver(readImage(image), first.now);
      second.run(after);
      const followed = replay(readImage(image), second.lines);
      expect(encode(followed).equals(encode(second.metadata.store))).toBe(true);

      // The records alone tell everything that is derived, and images of images are the same.
      const reloaded = readImage(encode(followed));
      expect(derived(reloaded)).toEqual(derived(second.metadata.store));
      expect(dump(reloaded).sort()).toEqual(dump(followed).sort());
      expect(encode(readImage(encode(reloaded))).equals(encode(followed))).toBe(true);
    }),
    { seed: 20261124, numRuns: 25 },
  );
});

test('the driver reaches every operation of the changelog that is made live', () => {
  const seen = new Set<string>();
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const driver = new Driver(MetadataStore.empty(START), START);
    driver.run(fc.sample(step, { seed, numRuns: 2000 }));
    for (const line of driver.lines) seen.add(/\|([A-Z]+)\(/.exec(line)?.[1] ?? '');
  }
  const live =
    'ACCESS ACQUIRE AMTIME APPEND ARCHCHG ATTR CHUNKADD CHUNKDEL CREATE EMPTYSUSTAINED EMPTYTRASH FLOCK FREEINODES LENGTH LINK MOVE POSIXLOCK PURGE QUOTA RELEASE REPAIR ROLLBACK SCDEL SCDUP SCREN SCSET SESADD SESCHANGED SESDEL SESDISCONNECTED SETACL SETEATTR SETFILECHUNK SETPATH SETSCLASS SETTRASHTIME SETVERSION SETXATTR SNAPSHOT SYMLINK UNDEL UNLINK UNLOCK WRITE';
  expect([...seen].sort()).toEqual(live.split(' '));
});
