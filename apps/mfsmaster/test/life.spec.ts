import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { FUSE_REGISTER_BLOB_ACL as blob, MFS_ERROR_EPERM, VERSION } from '@wapiti-fs/protocol';
import {
  configFrom,
  FakeClock,
  memoryLogger,
  MemoryNetwork,
  Metrics,
  systemClock,
  systemRandom,
  tcpNetwork,
} from '@wapiti-fs/runtime';

import { masterConfig, restoreFolder, startMaster } from '../src/index.js';
import { registerMetrics } from '../src/metrics.js';
import { newFolder, TestMaster } from './peers.js';

describe('life of the master', () => {
  let master: TestMaster;
  beforeEach(async () => (master = await TestMaster.start()));
  afterEach(() => master.destroy());

  it('takes new exports and keys on reload: mounts register anew and keep their session', async () => {
    const mount = await master.mounted();
    const { sessionId } = mount;
    const { metaid } = master.role.context.metadata.store;
    writeFileSync(join(master.folder, 'exports.cfg'), '* / rw,alldirs,admin,maproot=0:0,mingoal=2\n');
    await master.role.reload({ ...master.role.context.config(), atimeMode: 4, backLogs: 7 });
    await mount.untilClosed();
    expect(master.role.context.metadata.options.atimeMode).toBe(4);
    expect(master.role.context.changelog.options.backLogs).toBe(7);
    const again = await master.mount();
    const reconnect = { variant: 'reconnect' as const, blob, kind: 3 as const, version: VERSION, sessionId, metaid };
    expect(await again.register(reconnect)).toMatchObject({ status: MFS_ERROR_EPERM });
    expect(await again.newSession({ sessionId, metaid })).toMatchObject({ variant: 'session', sessionId, minGoal: 2 });
  });

  it('keeps the exports when the file cannot be read on reload, and mounts when nothing has changed', async () => {
    const mount = await master.mounted();
    const config = master.role.context.config();
    await master.role.reload({ ...config, exportsFilename: '/nonexistent/exports.cfg' });
    expect(master.log.lines.join('\n')).toMatch(/exports are unchanged: .*nonexistent/);
    await master.role.reload(config);
    expect(await mount.mkdir('still-mounted')).toBeGreaterThan(0);
  });

  it('stores images while changes go on, and keeps previous ones', async () => {
    const mount = await master.mounted();
    await mount.mkdir('before');
    const saved = master.role.context.images.save();
    const inode = await mount.mkdir('meanwhile');
    expect(inode).toBeGreaterThan(0);
    expect(await saved).toBe(true);
    const names = readdirSync(master.folder);
    expect(names).toEqual(expect.arrayContaining(['metadata.mfs.back', 'metadata.mfs.back.1']));
    expect(readFileSync(join(master.folder, 'metadata.mfs.back.1'), 'latin1')).toBe('MFSM NEW');
    const image = readFileSync(join(master.folder, 'metadata.mfs.back'), 'latin1');
    expect(image).toContain('before');
    expect(image).not.toContain('meanwhile');
  });

  it('begins a new changelog and stores an image at every full hour, which fit together', async () => {
    const folder = newFolder();
    const exportsFilename = join(folder, 'exports.cfg');
    writeFileSync(exportsFilename, '* / rw\n');
    const hourMs = 3_600_000;
    const clock = new FakeClock(480_000 * hourMs - 5000);
    const log = memoryLogger();
    const services = { clock, random: systemRandom, network: new MemoryNetwork(clock), log };
    const values = { DATA_PATH: folder, EXPORTS_FILENAME: exportsFilename };
    const role = await startMaster(configFrom(masterConfig, values).config, services);
    const rotated: number[] = [];
    role.context.feed.follow({
      records: () => undefined,
      rotated: () => rotated.push(role.context.metadata.store.version),
    });
    for (const version of [2, 3]) {
      clock.advance(version === 2 ? 5000 : hourMs);
      await log.waitFor(`store process has finished - store time: 0.000 version=${version}`);
      const image = readFileSync(join(folder, 'metadata.mfs.back'));
      expect(image.readBigUInt64BE(8)).toBe(BigInt(version));
      const older = readFileSync(join(folder, 'changelog.1.mfs'), 'latin1');
      expect(older).toMatch(new RegExp(`^${version - 1}: [^\\n]*\\n$`));
      expect(readdirSync(folder)).not.toContain('changelog.0.mfs');
      role.context.metadata.commit({ op: 'IDLE', ts: role.context.nowS() });
      role.context.turn.flush();
      expect(readFileSync(join(folder, 'changelog.0.mfs'), 'latin1')).toMatch(new RegExp(`^${version}: `));
    }
    expect(rotated).toEqual([2, 3]);
    await role.stop();
    rmSync(folder, { recursive: true });
  });

  it('brings a folder into the state of an orderly stop with the action restore', async () => {
    const mount = await master.mounted();
    await mount.mkdir('made');
    const { version } = master.role.context.metadata.store;
    // as if the process had been killed: nothing but what is on the disk counts
    const values = { DATA_PATH: master.folder };
    const services = { clock: systemClock, random: systemRandom, network: tcpNetwork, log: memoryLogger() };
    await restoreFolder(configFrom(masterConfig, values).config, services);
    expect(readdirSync(master.folder)).not.toContain('metadata.mfs.back');
    const image = readFileSync(join(master.folder, 'metadata.mfs'));
    expect(image.readBigUInt64BE(8)).toBe(BigInt(version));
    expect(services.log.lines.join('\n')).toMatch(new RegExp(`version ${version}$`, 'm'));
  });

  it('removes a session that was closed, and its open files', async () => {
    const mount = await master.mounted();
    await mount.create('file');
    const { sessions, nowS, metadata, turn } = master.role.context;
    const { metaid } = metadata.store;
    const close = { variant: 'closeSession' as const, blob, kind: 6 as const, sessionId: mount.sessionId, metaid };
    expect(await mount.register(close)).toEqual({ variant: 'status', status: 0 });
    await mount.untilClosed();
    await master.log.waitFor(/client disconnected/);
    turn.run(() => sessions.check(nowS()));
    expect(sessions.get(mount.sessionId)).toBeUndefined();
    expect(metadata.store.tables.openFiles.bySession.has(mount.sessionId)).toBe(false);
  });

  it('describes itself and tells its metrics', async () => {
    await master.mounted();
    expect(master.role.describe?.().join('\n')).toMatch(/sessions: 1\n.*chunkservers: 0\nchangelog: ok/);
    const metrics = new Metrics();
    const { context } = master.role;
    registerMetrics({ ...context, services: { ...context.services, metrics } });
    const text = await metrics.text();
    expect(text).toMatch(/^wapiti_master_mounts_connected 1$/m);
    expect(text).toMatch(/^wapiti_master_changelog_blocked 0$/m);
  });
});
