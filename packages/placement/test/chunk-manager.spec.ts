import { MFS_ERROR_IO, MFS_ERROR_NOTDONE, MFS_STATUS_OK } from '@wapiti-fs/protocol';

import { ChunkManager, type ChunkTable, type Command, ServerTable } from '../src/index.js';

import { serverInfo } from './simulated-cluster.js';

const CHUNK = 7;

function cluster(serverCount: number, goal: number) {
  const state = { version: 1, goal, deleted: false };
  const table: ChunkTable = {
    version: (id) => (id === CHUNK && !state.deleted ? state.version : undefined),
    goal: () => state.goal,
    labels: () => [],
    lockedTo: () => 0,
    chunkIds: () => [CHUNK],
    add: () => undefined,
    delete: () => (state.deleted = true),
    heldFrom: () => undefined,
    setVersion: (_id, version) => (state.version = version),
  };
  const sent: { server: number; command: Command }[] = [];
  const manager = new ChunkManager(
    table,
    new ServerTable(() => 0),
    (server, command) => sent.push({ server, command }),
    0,
    () => 100,
  );
  for (let id = 1; id <= serverCount; id++) {
    const server = serverInfo(id);
    manager.serverConnected(server);
    manager.serverRegistered(id);
  }
  return { state, manager, sent };
}

test('a new chunk goes to as many distinct servers as the goal says', () => {
  const { manager, sent } = cluster(3, 2);
  const done = jest.fn();
  manager.create(CHUNK, done);
  expect(new Set(sent.map((one) => one.server)).size).toBe(2);
  for (const { server } of sent.slice()) manager.operationAnswered(server, CHUNK, MFS_STATUS_OK);
  expect(done).toHaveBeenCalledWith(MFS_STATUS_OK);
  expect(manager.locations(CHUNK)).toHaveLength(2);
});

test('a server lost during an operation: the others get another version, so that its copy is old when it returns', () => {
  const { manager, sent, state } = cluster(2, 2);
  const done = jest.fn();
  manager.create(CHUNK, done);
  manager.operationAnswered(1, CHUNK, MFS_STATUS_OK);
  manager.serverLost(2, 1);
  expect(done).not.toHaveBeenCalled();
  expect(state.version).toBe(2);
  expect(sent.at(-1)).toEqual({
    server: 1,
    command: { type: 'setVersion', chunkId: CHUNK, newVersion: 2, oldVersion: 1 },
  });
  manager.operationAnswered(1, CHUNK, MFS_STATUS_OK);
  expect(done).toHaveBeenCalledWith(MFS_STATUS_OK);
});

test('too few copies are replicated, too many are deleted down to the goal, and never before the start delay', () => {
  const few = cluster(2, 2);
  few.manager.chunkReported(1, CHUNK, 1, false, 0);
  few.manager.tick(59);
  expect(few.sent).toEqual([]);
  few.manager.tick(60);
  expect(few.sent.map(({ server, command }) => [server, command.type])).toEqual([[2, 'replicate']]);

  const many = cluster(3, 1);
  for (const id of [1, 2, 3]) many.manager.chunkReported(id, CHUNK, 1, false, 0);
  many.manager.tick(60);
  many.manager.tick(61);
  many.manager.tick(62);
  expect(many.sent.map(({ command }) => command.type)).toEqual(['delete', 'delete']);
  expect(many.manager.locations(CHUNK)).toHaveLength(1);
});

test('copies of another version are kept when no good one exists', () => {
  const { manager, sent } = cluster(2, 2);
  manager.chunkReported(1, CHUNK, 5, false, 0);
  manager.tick(60);
  manager.tick(61);
  expect(sent).toEqual([]);
});

test('a refused deletion is tried again', () => {
  const { manager, sent, state } = cluster(1, 0);
  manager.chunkReported(1, CHUNK, 1, false, 0);
  manager.tick(60);
  manager.deleteAnswered(1, CHUNK, MFS_ERROR_IO);
  manager.tick(61);
  manager.tick(62);
  expect(sent.map(({ command }) => command.type)).toEqual(['delete', 'delete']);
  manager.deleteAnswered(1, CHUNK, MFS_STATUS_OK);
  manager.tick(63);
  manager.tick(64);
  expect(state.deleted).toBe(true);
});

// Spec 03 §12 lowers the version again here, although the vanished server may hold the higher one.
test('a version that a vanished server may have reached is not given to other data', () => {
  const { manager, state } = cluster(2, 2);
  manager.chunkReported(1, CHUNK, 1, false, 0);
  manager.chunkReported(2, CHUNK, 1, false, 0);
  manager.raiseVersion(CHUNK, () => undefined);
  manager.serverLost(2, 1); // perhaps after it had carried the command out
  manager.operationAnswered(1, CHUNK, MFS_ERROR_NOTDONE);
  expect(state.version).toBeGreaterThanOrEqual(2);
});
