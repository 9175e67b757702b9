import {
  CLTOAN_CHART_DATA,
  CLTOAN_MODULE_INFO,
  CLTOMA_CHUNKS_MATRIX,
  CLTOMA_CHUNKSTEST_INFO,
  CLTOMA_CSERV_LIST,
  CLTOMA_CSSERV_COMMAND,
  CLTOMA_EXPORTS_INFO,
  CLTOMA_FSTEST_INFO,
  CLTOMA_INFO,
  CLTOMA_LIST_ACQUIRED_LOCKS,
  CLTOMA_LIST_OPEN_FILES,
  CLTOMA_MASS_RESOLVE_PATHS,
  CLTOMA_MEMORY_INFO,
  CLTOMA_MISSING_CHUNKS,
  CLTOMA_MLOG_LIST,
  CLTOMA_QUOTA_INFO,
  CLTOMA_SCLASS_INFO,
  CLTOMA_SESSION_COMMAND,
  CLTOMA_SESSION_LIST,
  exportsEntries,
  MATOCL_CSERV_LIST,
  MATOCL_CSSERV_COMMAND,
  MATOCL_EXPORTS_INFO,
  MATOCL_INFO,
  MATOCL_LIST_OPEN_FILES,
  MATOCL_MASS_RESOLVE_PATHS,
  MATOCL_SESSION_COMMAND,
  MATOCL_SESSION_LIST,
  type Message,
  Reader,
  sessionEntries,
  VERSION,
} from '@wapiti-fs/protocol';

import { type Mount, type Peer, TestMaster } from './peers.js';

const LOCALHOST = 0x7f000001;

let master: TestMaster;
let monitor: Peer;
let mount: Mount;

beforeAll(async () => {
  master = await TestMaster.start();
  mount = await master.mounted();
  await master.chunkserver(9001);
  await mount.mkdir('d');
  await mount.create('f', 2);
});
afterAll(() => master.destroy());
beforeEach(async () => {
  monitor = await master.peer(master.clientPort);
});
afterEach(() => monitor.destroy());

/** The answer's payload; its number is that of the request and one. */
async function ask<T>(request: Message<T>, value: T): Promise<Buffer> {
  monitor.send(request.encode(value));
  const frame = await monitor.next();
  expect(frame?.type).toBe(request.type + 1);
  return frame?.payload ?? Buffer.alloc(0);
}

it('tells the general state, as a master that is alone', async () => {
  const info = MATOCL_INFO.decode(await ask(CLTOMA_INFO, {}));
  expect(info).toMatchObject({
    version: VERSION,
    totalSpace: 1e12,
    allNodes: 3,
    dirNodes: 2,
    fileNodes: 1,
    chunks: 0,
    state: 255,
    nstate: 255,
    stable: 255,
    sync: 255,
    metaVersion: master.role.context.metadata.store.version,
    exportsChecksum: 0xffccfd8adefbe2den,
  });
  expect(info.memUsage).toBeGreaterThan(1e7);
});

it.each<[string, () => Promise<Buffer>, number]>([
  ['INFO', () => ask(CLTOMA_INFO, {}), 149],
  ['MEMORY_INFO', () => ask(CLTOMA_MEMORY_INFO, {}), 176],
  ['MODULE_INFO', () => ask(CLTOAN_MODULE_INFO, { variant: 'plain' }), 21],
  ['MODULE_INFO with msgid', () => ask(CLTOAN_MODULE_INFO, { variant: 'msgid', msgid: 7 }), 25],
  ['CSERV_LIST', () => ask(CLTOMA_CSERV_LIST, {}), 69],
  ['MLOG_LIST', () => ask(CLTOMA_MLOG_LIST, {}), 0],
  ['CHUNKS_MATRIX', () => ask(CLTOMA_CHUNKS_MATRIX, { matrixId: undefined }), 969],
  ['CHUNKS_MATRIX of one kind', () => ask(CLTOMA_CHUNKS_MATRIX, { matrixId: 1 }), 484],
  ['CHUNKSTEST_INFO', () => ask(CLTOMA_CHUNKSTEST_INFO, {}), 72],
  ['FSTEST_INFO', () => ask(CLTOMA_FSTEST_INFO, { mode: undefined }), 36],
  ['FSTEST_INFO extended', () => ask(CLTOMA_FSTEST_INFO, { mode: 1 }), 44],
  ['QUOTA_INFO', () => ask(CLTOMA_QUOTA_INFO, {}), 0],
  ['MISSING_CHUNKS', () => ask(CLTOMA_MISSING_CHUNKS, { mode: 1 }), 0],
  ['LIST_ACQUIRED_LOCKS', () => ask(CLTOMA_LIST_ACQUIRED_LOCKS, { variant: 'msgid', msgid: 3, inode: 0 }), 4],
  ['CHART_DATA', () => ask(CLTOAN_CHART_DATA, { chartId: 0, maxEntries: undefined }), 0],
])('answers %s with the length of the reference', async (_, question, sizeBytes) => {
  expect(await question()).toHaveLength(sizeBytes);
});

it('lists sessions and exports in every form', async () => {
  for (const vmode of [0, 1, 2, 3, 4, 9]) {
    const { statsCount, entries } = MATOCL_SESSION_LIST.decode(await ask(CLTOMA_SESSION_LIST, { vmode }));
    expect(statsCount).toBe(16);
    const sessions = sessionEntries(Math.min(vmode, 4)).read(new Reader(entries), {});
    expect(sessions).toMatchObject([{ sessionId: 1, ip: LOCALHOST, version: VERSION, rootUid: 0 }]);
    expect(sessions[0]?.path.toString()).toBe('/');
    expect(sessions[0]?.use).toEqual(vmode < 2 ? undefined : { openFiles: 1, sockets: 1, expire: 0xffffffff });
  }
  const payload = await ask(CLTOMA_EXPORTS_INFO, { vmode: 3 });
  // The example of spec 11 §3.5.
  const example =
    '00000000 ffffffff 00000001 2f 00000000 01 08 0000 00000000 00000000 000003e7 000003e7 01 09 00000000 ffffffff 00000000';
  expect(payload.subarray(0, 51).toString('hex')).toBe(example.replaceAll(' ', ''));
  const entries = exportsEntries(3).read(new Reader(MATOCL_EXPORTS_INFO.decode(payload).entries), {});
  expect(entries.map(({ path }) => path.toString())).toEqual(['/', '.']);
});

it('names inodes and shows open files', async () => {
  const { inodes } = MATOCL_MASS_RESOLVE_PATHS.decode(await ask(CLTOMA_MASS_RESOLVE_PATHS, { inodes: [1, 0, 3, 99] }));
  expect(inodes.map(({ inode, paths }) => [inode, paths.toString('latin1', 4)])).toEqual([
    [1, '/'],
    [3, 'd/f'],
    [99, '(deleted)'],
  ]);
  const { numbers } = MATOCL_LIST_OPEN_FILES.decode(
    await ask(CLTOMA_LIST_OPEN_FILES, { variant: 'plain', sessionId: 0 }),
  );
  expect(numbers).toEqual([1, 3]);
});

it('lists the storage classes with what uses them', async () => {
  const payload = await ask(CLTOMA_SCLASS_INFO, {});
  // One server; class 1: `1`, used by nothing; a file and two directories use class 2.
  expect(payload.subarray(0, 13).toString('hex')).toBe('00010101310000000000000000');
});

it('switches maintenance on and off, and forgets servers and sessions that are gone', async () => {
  const command = async (number: number, port: number): Promise<number> =>
    MATOCL_CSSERV_COMMAND.decode(await ask(CLTOMA_CSSERV_COMMAND, { command: number, ip: LOCALHOST, port })).status;
  const flags = async (): Promise<number[]> =>
    MATOCL_CSERV_LIST.decode(await ask(CLTOMA_CSERV_LIST, {})).servers.map((server) => server.flags);
  expect(await command(2, 9001)).toBe(0);
  expect(await flags()).toEqual([2]);
  expect(await command(3, 9001)).toBe(0);
  expect(await command(1, 9001)).toBe(0);
  expect(await command(0, 9001)).toBe(42);
  expect(await command(4, 9001)).toBe(6);
  expect(await command(0, 9999)).toBe(41);

  const second = await master.chunkserver(9002);
  second.destroy();
  await master.log.waitFor(/chunkserver disconnected address=127\.0\.0\.1:9002/);
  expect(await flags()).toEqual([0, 1]);
  expect(await command(0, 9002)).toBe(0);
  expect(await flags()).toEqual([0]);

  const session = async (number: number, sessionId: number): Promise<number> =>
    MATOCL_SESSION_COMMAND.decode(await ask(CLTOMA_SESSION_COMMAND, { command: number, sessionId })).status;
  expect(await session(0, 1)).toBe(42);
  expect(await session(0, 77)).toBe(41);
  expect(await session(1, 1)).toBe(6);
});

it.each<[string, Buffer]>([
  ['an unknown request', Buffer.from('0000021a00000000', 'hex')],
  ['a request with a byte too many', Buffer.from('000001fe0000000100', 'hex')],
  ['a command of a wrong length', Buffer.from('0000020c00000002ffff', 'hex')],
  ['paths of half an inode', Buffer.from('0000021800000003000000', 'hex')],
])('closes the connection after %s', async (_, bytes) => {
  monitor.send(bytes);
  await monitor.untilClosed();
  monitor = await master.peer(master.clientPort);
  expect(await ask(CLTOMA_INFO, {})).toHaveLength(149);
});
