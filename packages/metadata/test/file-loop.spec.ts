import { EATTR_IMMUTABLE, MFSCHUNKSIZE } from '@wapiti-fs/protocol';
import { type ChunkHealth, createClass, FileLoop, setEattr, setStorageClass } from '../src/index.js';
import { Fixture, name, NOW } from './support/fixture.js';

const GOOD: ChunkHealth = { validCopies: 2, goal: 2, idle: true };
const LOST: ChunkHealth = { ...GOOD, validCopies: 0 };

function loop(t: Fixture, health: (chunkId: number) => ChunkHealth | undefined, now: number): FileLoop {
  const files = new FileLoop(t.metadata, health);
  do files.step(now, 2);
  while (files.last === undefined);
  return files;
}

test('missing and under-goal chunks are counted', () => {
  const t = new Fixture();
  const inodes = ['a', 'b', 'c', 'd'].map((text) => t.make(1, text));
  for (const inode of inodes) t.write(inode, 0, 10);
  t.metadata.link(t.ctx(), inodes[0] ?? 0, 1, name('a2'));
  t.metadata.unlink(t.ctx(), 1, name('d'), false);
  const states: Record<number, ChunkHealth> = { 1: LOST, 2: { ...GOOD, validCopies: 1 }, 3: GOOD, 4: LOST };
  expect(loop(t, (chunkId) => states[chunkId], NOW).last).toEqual({
    ...{ start: NOW, end: NOW, files: 4, underGoalFiles: 1, missingFiles: 2, missingTrash: 1, missingSustained: 0 },
    ...{ chunks: 4, underGoalChunks: 1, missingChunks: 2 },
  });
});

test('a lost chunk behind the end of its file is taken out of it, once it is not locked', () => {
  const t = new Fixture();
  const f = t.make(1, 'f');
  // A write behind the end that failed left the file with a chunk that its length does not reach.
  t.write(f, 2, 0);
  const { nodes, chunks } = t.metadata.store;
  expect(nodes.length.get(f)).toBe(2 * MFSCHUNKSIZE);
  chunks.setLockedTo(chunks.find(1), NOW + 5);
  t.takeLines();
  loop(t, () => LOST, NOW + 5);
  expect(t.takeLines()).toEqual([]);
  loop(t, () => LOST, NOW + 6);
  expect(t.takeLines()).toEqual([`SETFILECHUNK(${f},2,0)`]);
});

test('files unchanged for the days of their class are archived, immutable ones are not', () => {
  const t = new Fixture();
  const labels = [[0, 0, 0, 0]];
  const definition = { adminOnly: false, mode: 1, archDelayDays: 3, create: labels, keep: labels, arch: labels };
  createClass(t.metadata, t.ctx(), name('cold'), definition);
  const [old, immutable] = ['old', 'immutable'].map((text) => t.make(1, text));
  for (const inode of [old ?? 0, immutable ?? 0]) {
    t.write(inode, 0, 10);
    setStorageClass(t.metadata, t.ctx(), inode, 1, 10, 0);
  }
  setEattr(t.metadata, t.ctx(), immutable ?? 0, EATTR_IMMUTABLE, 1);
  t.takeLines();
  loop(t, () => GOOD, NOW + 3 * 86400);
  expect(t.takeLines()).toEqual([]);
  loop(t, () => GOOD, NOW + 3 * 86400 + 1);
  loop(t, () => GOOD, NOW + 3 * 86400 + 2);
  expect(t.takeLines()).toEqual([`ARCHCHG(${old},0,1):1,0,0`]);
});
