import {
  CLTOMA_FUSE_OPEN,
  CLTOMA_FUSE_READ_CHUNK,
  CLTOMA_FUSE_TRUNCATE,
  CLTOMA_FUSE_WRITE_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK_END,
  MATOCL_FUSE_CHUNK_HAS_CHANGED,
  MATOCL_FUSE_INVALIDATE_CHUNK_CACHE,
  MATOCL_FUSE_OPEN,
  MATOCL_FUSE_READ_CHUNK,
  MATOCL_FUSE_TRUNCATE,
  MATOCL_FUSE_WRITE_CHUNK,
  MATOCL_FUSE_WRITE_CHUNK_END,
  MFS_ERROR_CHUNKLOST,
  MFS_ERROR_EAGAIN,
  MFS_ERROR_NOTDONE,
  MFS_ERROR_NOSPACE,
  MFSCHUNKSIZE,
  OPEN_READ,
} from '@wapiti-fs/protocol';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { type FakeChunkserver, type Mount, TestMaster } from '../peers.js';

/** Root may use reserved space (spec 02 §8.5). */
const AS_ROOT = 4;

describe('chunks of files', () => {
  let master: TestMaster;
  let mount: Mount;
  const servers: FakeChunkserver[] = [];

  beforeEach(async () => {
    master = await TestMaster.start();
    for (let i = 0; i < 2; i++) servers.push(await master.chunkserver(9422 + i));
    mount = await master.mounted();
  });
  afterEach(async () => {
    servers.length = 0;
    await master.destroy();
  });

  const write = (inode: number, who = mount) =>
    who.ask(CLTOMA_FUSE_WRITE_CHUNK, { inode, chunkIndex: 0, flags: AS_ROOT }, MATOCL_FUSE_WRITE_CHUNK);
  const read = (inode: number, who = mount) =>
    who.ask(CLTOMA_FUSE_READ_CHUNK, { inode, chunkIndex: 0, flags: 0 }, MATOCL_FUSE_READ_CHUNK);
  const end = (inode: number, chunkId: number, length: number, who = mount) =>
    who.ask(
      CLTOMA_FUSE_WRITE_CHUNK_END,
      { chunkId, inode, chunkIndex: 0, length, flags: 0 },
      MATOCL_FUSE_WRITE_CHUNK_END,
    );
  const truncate = (inode: number, length: number) =>
    mount.ask(CLTOMA_FUSE_TRUNCATE, { inode, flags: 1, uid: 0, gids: [0], length }, MATOCL_FUSE_TRUNCATE);
  /** Lines of the changelog about chunks, without times. */
  const lines = (): string[] =>
    readFileSync(join(master.folder, 'changelog.0.mfs'), 'latin1')
      .split('\n')
      .map((line) => line.replace(/^\d+: \d+\|/, ''))
      .filter((line) => /^(WRITE|UNLOCK|LENGTH|ROLLBACK|SETVERSION|TRUNC|CHUNK|SETFILECHUNK)/.test(line));

  it('are made, written, ended and read', async () => {
    const inode = await mount.create('file');
    const granted = await write(inode);
    expect(granted).toMatchObject({ variant: 'ok', chunkId: 1, version: 1, length: 0 });
    expect('locations' in granted && granted.locations.map(({ port }) => port).sort()).toEqual([9422, 9423]);
    expect(await end(inode, 1, 100)).toMatchObject({ status: 0 });
    expect(await read(inode)).toMatchObject({ variant: 'ok', chunkId: 1, version: 1, length: 100 });
    expect(lines()).toEqual([`WRITE(${inode},0,0,0):1`, 'SETVERSION(1,1)', `LENGTH(${inode},100,0)`, 'UNLOCK(1)']);
  });

  it('holes need no server', async () => {
    const inode = await mount.create('file');
    expect(await truncate(inode, 5 * MFSCHUNKSIZE + 7)).toMatchObject({ variant: 'ok', prevLength: 0 });
    expect(await read(inode)).toMatchObject({ variant: 'ok', chunkId: 0, locations: [] });
  });

  it('get a new version when one of the servers fails', async () => {
    servers[0]?.answers.push(MFS_ERROR_NOTDONE);
    const inode = await mount.create('file');
    const granted = await write(inode);
    expect(granted).toMatchObject({ variant: 'ok', chunkId: 1, version: 2 });
    expect('locations' in granted && granted.locations.map(({ port }) => port)).toEqual([9423]);
    expect(lines()).toEqual([`WRITE(${inode},0,0,0):1`, 'SETVERSION(1,2)', 'SETVERSION(1,2)']);
  });

  it('are rolled back when all servers fail', async () => {
    for (const server of servers) server.answers.push(MFS_ERROR_NOTDONE);
    const inode = await mount.create('file');
    expect(await write(inode)).toMatchObject({ variant: 'status', status: MFS_ERROR_NOSPACE });
    expect(lines()).toEqual([`WRITE(${inode},0,0,0):1`, `ROLLBACK(${inode},0,0,1)`]);
    expect(await write(inode)).toMatchObject({ variant: 'ok', chunkId: 2, version: 1 });
  });

  it('are rolled back when the client goes while the servers work', async () => {
    for (const server of servers) server.answers.push('silent');
    const other = await master.mounted();
    const inode = await other.create('file');
    void write(inode, other).catch(() => undefined);
    while (servers.some((server) => server.commands.length === 0))
      await new Promise((resolve) => setImmediate(resolve));
    other.destroy();
    await master.log.waitFor(/client disconnected/);
    const anew = await write(inode);
    expect(anew).toMatchObject({ variant: 'ok', chunkId: 2 });
    expect(lines()).toContain(`ROLLBACK(${inode},0,0,1)`);
  });

  it('let others wait while they are locked, in order', async () => {
    const inode = await mount.create('file');
    const other = await master.mounted();
    await write(inode);
    let waits = true;
    const second = write(inode, other).then((answer) => ((waits = false), answer));
    expect(await end(inode, 1, 10)).toMatchObject({ status: 0 });
    expect(await second).toMatchObject({ variant: 'ok', chunkId: 1, length: 10 });
    expect(waits).toBe(false);
  });

  it('are cut on the servers before the client hears of it', async () => {
    const inode = await mount.create('file');
    await write(inode);
    await end(inode, 1, 1000);
    expect(await truncate(inode, 10)).toMatchObject({ variant: 'ok', prevLength: 1000, attributes: { length: 10 } });
    expect(servers.map((server) => server.commands.slice(-1))).toEqual([['MATOCS_TRUNCATE'], ['MATOCS_TRUNCATE']]);
    expect(lines().slice(-3)).toEqual(['SETVERSION(1,2)', 'UNLOCK(1)', `LENGTH(${inode},10,1)`]);
  });

  it('tell other mounts that hold the file, and all when a server is lost', async () => {
    const inode = await mount.create('file');
    const other = await master.mounted();
    await other.ask(CLTOMA_FUSE_OPEN, { inode, uid: 0, gids: [0], flags: OPEN_READ }, MATOCL_FUSE_OPEN);
    await write(inode);
    await end(inode, 1, 5);
    const expected = { msgid: 0, inode, chunkIndex: 0, chunkId: 1, version: 1, truncateFlag: 0 };
    expect(await other.nextOf(MATOCL_FUSE_CHUNK_HAS_CHANGED)).toEqual({ ...expected, length: 0 });
    expect(await other.nextOf(MATOCL_FUSE_CHUNK_HAS_CHANGED)).toEqual({ ...expected, length: 5 });
    servers[0]?.destroy();
    expect(await other.nextOf(MATOCL_FUSE_INVALIDATE_CHUNK_CACHE)).toEqual({ msgid: 0 });
    expect(await mount.nextOf(MATOCL_FUSE_INVALIDATE_CHUNK_CACHE)).toEqual({ msgid: 0 });
    const left = await read(inode);
    expect('locations' in left && left.locations.map(({ port }) => port)).toEqual([9423]);
  });

  it('that no server has and that hold nothing acknowledged are made anew', async () => {
    const inode = await mount.create('file');
    const { metadata, nowS } = master.role.context;
    // as a master leaves it that was killed before the servers heard of the chunk
    const record = { ts: nowS(), inode, index: 0, opflag: 1, canmodmtime: 0, chunkId: 1 };
    metadata.commit({ op: 'WRITE', ...record });
    metadata.commit({ op: 'UNLOCK', ts: nowS(), chunkId: 1 });
    expect(await write(inode)).toMatchObject({ variant: 'status', status: MFS_ERROR_EAGAIN });
    master.aheadMs = 11_000; // servers that have not come by now are not waited for
    expect(await write(inode)).toMatchObject({ variant: 'ok', chunkId: 2, version: 1 });
    expect(lines()).toEqual([
      `WRITE(${inode},0,1,0):1`,
      'UNLOCK(1)',
      `ROLLBACK(${inode},0,0,1)`,
      `WRITE(${inode},0,0,0):2`,
      'SETVERSION(2,1)',
    ]);
  });

  it('that are lost with what they held are not made anew', async () => {
    const inode = await mount.create('file');
    await write(inode);
    await end(inode, 1, 100);
    const { manager } = master.role.context.chunkservers;
    for (const csid of [1, 2]) manager.chunkLost(csid, 1, 0);
    master.aheadMs = 11_000;
    expect(await write(inode)).toMatchObject({ variant: 'status', status: MFS_ERROR_CHUNKLOST });
    expect(await read(inode)).toMatchObject({ variant: 'status', status: MFS_ERROR_CHUNKLOST });
  });

  it('that servers have not confirmed at an orderly stop are rolled back', async () => {
    for (const server of servers) server.answers.push('silent');
    const inode = await mount.create('file');
    void write(inode).catch(() => undefined);
    while (servers.some((server) => server.commands.length === 0))
      await new Promise((resolve) => setImmediate(resolve));
    await master.stop();
    expect(lines()).toEqual([`WRITE(${inode},0,0,0):1`, `ROLLBACK(${inode},0,0,1)`]);
  });
});
