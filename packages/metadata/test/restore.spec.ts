import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  MetadataStore,
  readImage,
  restoreMetadata,
  RestoreError,
  type RestoreFiles,
  writeImage,
} from '../src/index.js';

const VECTORS = join(__dirname, '../../../tests/vectors/changelog');
const vector = (name: string): Buffer => readFileSync(join(VECTORS, name));

function memory(entries: Record<string, Buffer | string>): RestoreFiles {
  const read = (name: string): Buffer => Buffer.from(entries[name] ?? '');
  return {
    list: () => Object.keys(entries),
    read,
    readEnds: (name, head, tail) => ({ head: read(name).subarray(0, head), tail: read(name).subarray(-tail) }),
  };
}

const image = (version: number, metaid = 7n): Buffer => {
  const store = MetadataStore.empty(5);
  store.version = version;
  store.metaid = metaid;
  return Buffer.concat([...writeImage(store)]);
};
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}: 9|ACCESS(1)\n`).join('');
const restore = (entries: Record<string, Buffer | string>, log: string[] = []): ReturnType<typeof restoreMetadata> =>
  restoreMetadata(memory(entries), (line) => log.push(line), { now: 5 });

test('names of a metalogger and of a master: best image, overlapping files merged', () => {
  const { store, report } = restore({
    'metadata_ml.mfs.back': image(4),
    'metadata.mfs.back': image(3),
    'changelog_ml.1.mfs': lines(1, 6),
    'changelog.0.mfs': lines(5, 9),
    'changelog.1.mfs': lines(1, 3),
  });
  expect(store.version).toBe(10);
  expect(report).toMatchObject({
    image: 'metadata_ml.mfs.back',
    imageVersion: 4,
    applied: 6,
    skipped: ['changelog.1.mfs'],
  });
});

test('a torn last line is left out and reported, the lines before it are used', () => {
  const { report } = restore({ 'metadata.mfs': image(1), 'changelog.0.mfs': `${lines(1, 2)}3: 9|ACC` });
  expect(report).toMatchObject({ version: 3, torn: [{ file: 'changelog.0.mfs', sizeBytes: 8 }] });
});

test('a line that cannot be parsed is supplied by another file', () => {
  const bad = `${lines(1, 1)}2: 9|ACCESS(\n${lines(3, 3)}`;
  expect(
    restore({ 'metadata.mfs': image(1), 'changelog.0.mfs': bad, 'changelog.1.mfs': lines(1, 3) }).report.version,
  ).toBe(4);
  expect(() => restore({ 'metadata.mfs': image(1), 'changelog.0.mfs': bad })).toThrow(/hole in change files/);
});

test('refused: no image, images of two instances, a hole, a change that does not fit', () => {
  expect(() => restore({ 'changelog.0.mfs': lines(1, 1) })).toThrow(RestoreError);
  expect(() => restore({ 'metadata.mfs': image(1), 'metadata.mfs.back': image(2, 8n) })).toThrow(/different id number/);
  expect(() => restore({ 'metadata.mfs': image(1), 'changelog.0.mfs': lines(2, 3) })).toThrow(
    /entries 1 to 1 are missing/,
  );
  expect(() => restore({ 'metadata.mfs': image(1), 'changelog.0.mfs': '1: 9|ACCESS(77)\n' })).toThrow(
    /change 1: .*no inode 77/,
  );
});

// The expected image was written a while after the last change: no chunk lock is left in it.
const LATER = 1795332000;
const encode = (store: MetadataStore): Buffer => Buffer.concat([...writeImage(store, LATER)]);
const replay = (start: string, logs: readonly string[]): MetadataStore => {
  const entries: Record<string, Buffer> = { 'metadata.mfs': start === 'new' ? Buffer.from('MFSM NEW') : vector(start) };
  for (const log of logs) entries[log] = vector(log);
  return restore(entries).store;
};
const LOGS = [4, 3, 2, 1, 0].map((n) => `changelog.${n}.mfs`);

test.each([
  ['metadata.v509.mfs', LOGS.slice(4)],
  ['metadata.v386.mfs', LOGS.slice(3)],
  ['metadata.v029.mfs', LOGS.slice(1)],
  ['new', LOGS],
])('%s and the changelogs of the reference give its last image, byte for byte', (start, logs) => {
  expect(encode(replay(start, logs)).equals(vector('metadata.v531.mfs'))).toBe(true);
});

test.each([
  ['metadata.v386.mfs', ['changelog.1.mfs'], 'metadata.v509.mfs'],
  ['metadata.v029.mfs', ['changelog.2.mfs', 'changelog.3.mfs'], 'metadata.v386.mfs'],
])('%s and changelogs give %s, but for what is not journalled of sessions', (start, logs, end) => {
  const store = replay(start, logs);
  const expected = readImage(vector(end));
  // Counters and reconnects of sessions have no lines (spec 08 §8.1).
  for (const [id, session] of store.tables.sessions) {
    const { disconnected, current, lastHour } = expected.tables.sessions.get(id) ?? session;
    Object.assign(session, { disconnected, current, lastHour });
  }
  // Each load turns round some lists of the image (spec 07 §3.14): twice is as written.
  expect(encode(store).equals(encode(readImage(encode(expected), 0)))).toBe(true);
});

test('first start and 28 changes of the reference give its image, but for the counters of the session', () => {
  const files = memory({ 'metadata.mfs': Buffer.from('MFSM NEW'), 'changelog.4.mfs': vector('changelog.4.mfs') });
  const { store, report } = restoreMetadata(files, () => undefined, { now: 1795330547 });
  expect(report).toMatchObject({ applied: 28, version: 29 });
  const found = Buffer.concat([...writeImage(store, 1795330700)]);
  const expected = vector('metadata.v029.mfs');
  // Counters are not journalled (spec 08 §8.1): 2 x 16 of them behind the fixed part of the only session.
  expected.fill(0, 107, 107 + 128);
  expect(found.equals(expected)).toBe(true);
});
