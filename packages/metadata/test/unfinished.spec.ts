import { MFSCHUNKSIZE } from '@wapiti-fs/protocol';
import {
  applyRecord,
  confirmCreation,
  MetadataStore,
  parseLine,
  reserveCopy,
  rollBackCreations,
  useCopy,
} from '../src/index.js';
import { Fixture } from './support/fixture.js';

function plan(t: Fixture, inode: number, index = 0) {
  const planned = t.files.planWrite(t.ctx(), inode, index, false);
  if (!('action' in planned)) throw new Error(`status ${planned.status}`);
  return planned;
}

test('a chunk that was being made is taken back, one that a client was told of is not', () => {
  const t = new Fixture();
  const { store } = t.metadata;
  const made = t.make(1, 'made');
  const unmade = t.make(1, 'unmade');
  t.files.commitWrite(t.now, plan(t, made), false);
  confirmCreation(t.metadata, t.now, 1);
  t.files.commitWrite(t.now, plan(t, unmade, 2), false);
  t.takeLines();
  expect(rollBackCreations(t.metadata, t.now)).toBe(1);
  expect(t.takeLines()).toEqual([`ROLLBACK(${unmade},2,0,2)`]);
  expect([store.nodes.chunkAt(made, 0), store.nodes.chunkAt(unmade, 2)]).toEqual([1, 0]);
  expect(store.nodes.length.get(unmade)).toBe(2 * MFSCHUNKSIZE);
  expect(rollBackCreations(t.metadata, t.now)).toBe(0);
});

test('a chunk made by the reference is never taken back', () => {
  const t = new Fixture();
  t.files.commitWrite(t.now, plan(t, t.make(1, 'f')), true);
  expect(rollBackCreations(t.metadata, t.now)).toBe(0);
});

test('a copy takes the place of a shared chunk only while the file has that', () => {
  const t = new Fixture();
  const { nodes, chunks } = t.metadata.store;
  const f = t.make(1, 'f');
  t.write(f, 0, 10);
  t.metadata.commit({ op: 'APPEND', ts: t.now, dst: t.make(1, 'g'), src: f });
  const copy = plan(t, f);
  expect(copy).toMatchObject({ action: 'duplicate', oldChunkId: 1, chunkId: 2 });
  reserveCopy(t.metadata, t.now, 2);
  expect(chunks.referenceCount(chunks.find(2))).toBe(0);
  expect(useCopy(t.metadata, t.now, copy)).toBe(true);
  expect(nodes.chunkAt(f, 0)).toBe(2);
  expect([1, 2].map((id) => chunks.referenceCount(chunks.find(id)))).toEqual([1, 1]);
  expect(useCopy(t.metadata, t.now, copy)).toBe(false);
});

/** What is unfinished after lines about chunk 1, which is version 4 and unlocked. */
function after(...records: string[]): number | undefined {
  const store = MetadataStore.empty(1);
  const all = ['CREATE(1,f,1,420,18,0,0,0):2', 'WRITE(2,0,1,0):1', 'SETVERSION(1,4)', 'UNLOCK(1)', ...records];
  for (const [i, line] of all.entries()) applyRecord(store, parseLine(Buffer.from(`${i + 1}: 100|${line}`)).change);
  return store.unfinished.raisedFrom.get(1);
}

test.each([
  [[], undefined],
  [['SETVERSION(1,5)'], 4],
  [['SETVERSION(1,5)', 'SETVERSION(1,6)'], 4],
  [['SETVERSION(1,5)', 'SETVERSION(1,6)', 'SETVERSION(1,5)'], 4],
  [['SETVERSION(1,5)', 'SETVERSION(1,4)'], undefined],
  [['SETVERSION(1,5)', 'WRITE(2,0,0,0):1'], undefined],
  [['SETVERSION(1,5)', 'UNLOCK(1)'], undefined],
  [['SETVERSION(1,5)', 'REPAIR(2,0):4'], undefined],
  // as the reference writes it: whether the writer was answered is not known
  [['WRITE(2,0,1,0):1'], undefined],
  [['WRITE(2,0,1,0):1', 'SETVERSION(1,6)'], undefined],
] as const)('copies that a raise left behind: after %j they do from version %p on', (records, from) => {
  expect(after(...records)).toBe(from);
});
