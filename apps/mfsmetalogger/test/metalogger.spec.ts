import {
  ANTOMA_DOWNLOAD_REQUEST,
  ANTOMA_DOWNLOAD_START,
  MATOAN_DOWNLOAD_DATA,
  MATOAN_DOWNLOAD_INFO,
  MATOAN_METACHANGES_LOG,
} from '@wapiti-fs/protocol';
import {
  configFrom,
  FakeClock,
  MemoryDisk,
  type MemoryLogger,
  memoryLogger,
  MemoryNetwork,
  Metrics,
  readWholeFile,
  SeededRandom,
} from '@wapiti-fs/runtime';

import { type MetaloggerConfig, metaloggerConfig, type RunningMetalogger, startMetalogger } from '../src/index.js';
import { FakeMaster, image, line, lines } from './fake-master.js';

const FOLDER = '/data';
const IMAGE = 'metadata_ml.mfs.back';

let clock: FakeClock;
let network: MemoryNetwork;
let disk: MemoryDisk;
let log: MemoryLogger;
let master: FakeMaster;
let metalogger: RunningMetalogger | undefined;
let metrics: Metrics;

beforeEach(async () => {
  clock = new FakeClock();
  network = new MemoryNetwork(clock);
  disk = new MemoryDisk();
  log = memoryLogger();
  master = new FakeMaster(network);
  await disk.mkdir(FOLDER);
  await disk.syncDirectory('/');
  await master.listen();
});

afterEach(async () => {
  await metalogger?.stop();
  metalogger = undefined;
});

type Values = Record<string, string | number>;

const configure = (values: Values): MetaloggerConfig =>
  configFrom(metaloggerConfig, {
    DATA_PATH: FOLDER,
    MASTER_HOST: 'master',
    MASTER_RECONNECTION_DELAY: 1,
    ...values,
  }).config;

async function start(values: Values = {}): Promise<RunningMetalogger> {
  log = memoryLogger();
  metrics = new Metrics();
  const services = { clock, network: network.host('ml'), random: new SeededRandom(1), log, metrics };
  metalogger = await startMetalogger(configure(values), services, disk);
  return metalogger;
}

/** Lets everything happen that needs no more than `ms`. */
async function settle(ms = 100): Promise<void> {
  for (let passed = 0; passed < ms; passed += 20) await clock.advanceAsync(20);
}

async function restart(values: Values = {}): Promise<RunningMetalogger> {
  await metalogger?.stop();
  const running = await start(values);
  await settle();
  return running;
}

const put = async (name: string, contents: string | Buffer): Promise<void> => {
  const file = await disk.open(`${FOLDER}/${name}`, 'w');
  await file.write(Buffer.from(contents), 0);
  await file.close();
};
const read = async (name: string): Promise<string | undefined> =>
  (await readWholeFile(disk, `${FOLDER}/${name}`))?.toString('latin1');
const folder = async (): Promise<Record<string, string | undefined>> =>
  Object.fromEntries(
    await Promise.all((await disk.readdir(FOLDER)).map(async (name) => [name, await read(name)] as const)),
  );

describe('first contact', () => {
  it('registers for what is new, and downloads image and changelogs', async () => {
    const running = await start();
    await settle();
    master.change();
    master.change();
    await settle();
    expect(master.registrations).toMatchObject([{ variant: 'fresh', version: 0x300ea, timeoutS: 10 }]);
    expect(await folder()).toEqual({
      [IMAGE]: image(5).toString('latin1'),
      'changelog_ml_back.0.mfs': lines(5, 9),
      'changelog_ml_back.1.mfs': lines(1, 4),
      'changelog_ml.0.mfs': lines(10, 11),
    });
    expect(running).toMatchObject({ following: true, version: 11, imageVersion: 5, restorable: true });
    expect(await metrics.text()).toMatch(/wapiti_metalogger_version 11\n/);
    expect(running.describe?.().join('\n')).toMatch(/following\n.*last change: 11/);
  });

  it('keeps the image of a new file system, which the changelogs are worth nothing without', async () => {
    master.files = {
      1: Buffer.from('MFSM NEW'),
      11: Buffer.from(`1: 17|SETMETAID(81985529216486895)\n`),
      12: Buffer.alloc(0),
    };
    const running = await start();
    await settle();
    master.change(2);
    await settle();
    expect(await read(IMAGE)).toBe('MFSM NEW');
    expect(running.restorable).toBe(true);
    // The same file system, known by the id in its first change.
    master.files = { ...master.files, 1: image(3), 11: Buffer.from(line(3)), 12: Buffer.from(line(2)) };
    await restart();
    expect(await read(IMAGE)).toBe(image(3).toString('latin1'));
    expect(await read(`${IMAGE}.1`)).toBe('MFSM NEW');
  });

  it('adopts the image that the metalogger of MooseFS leaves under its temporary name', async () => {
    await put('metadata_ml.tmp', 'MFSM NEW');
    await put('changelog_ml_back.0.mfs', '1: 17|SETMETAID(5)\n');
    await start({ MASTER_HOST: 'nobody' });
    expect(await folder()).toEqual({ [IMAGE]: 'MFSM NEW', 'changelog_ml_back.0.mfs': '1: 17|SETMETAID(5)\n' });
  });
});

describe('the stream', () => {
  it('is on disk before anything else happens, also at the end of the process', async () => {
    const running = await start();
    await settle();
    for (let i = 0; i < 100; i++) master.change();
    await settle(20);
    await running.stop();
    expect(await read('changelog_ml.0.mfs')).toBe(lines(10, 109));
    disk.crash();
    expect(await read('changelog_ml.0.mfs')).toBe(lines(10, 109));
  });

  it('rotates with the master and keeps BACK_LOGS generations', async () => {
    await start({ BACK_LOGS: 5 });
    await settle();
    for (let i = 0; i < 7; i++) {
      master.change();
      master.rotate();
    }
    master.rotate();
    master.change();
    await settle();
    const names = (await disk.readdir(FOLDER)).filter((name) => name.startsWith('changelog_ml.'));
    expect(names.sort()).toEqual([0, 2, 3, 4, 5].map((i) => `changelog_ml.${i}.mfs`));
    expect(await read('changelog_ml.0.mfs')).toBe(line(17));
    expect(await read('changelog_ml.2.mfs')).toBe(line(16));
    expect(await read('changelog_ml.5.mfs')).toBe(line(13));
  });

  it('goes on where it was after a lost connection, without a download', async () => {
    await start();
    await settle();
    master.change();
    await settle();
    master.files[11] = Buffer.from(lines(5, 13));
    master.remembered = [11, 12, 13].map((version) => [version, `17955${version}|ACCESS(1)`]);
    network.cut('master');
    await settle(2000);
    expect(master.registrations[1]).toMatchObject({ variant: 'resume', firstVersion: 11 });
    expect(await read('changelog_ml.0.mfs')).toBe(
      `${line(10)}11: 1795511|ACCESS(1)\n12: 1795512|ACCESS(1)\n13: 1795513|ACCESS(1)\n`,
    );
    expect(log.lines.filter((one) => one.includes('downloaded'))).toHaveLength(3);
  });

  it('looks at once for the successor of a master that it lost, whatever MASTER_RECONNECTION_DELAY says', async () => {
    await start({ MASTER_RECONNECTION_DELAY: 3600 });
    await settle();
    network.cut('master');
    await settle(300);
    expect(master.registrations).toHaveLength(2);
    expect(metalogger?.following).toBe(true);
  });

  it('takes its time when it was its own disk that failed, and takes a new MASTER_RECONNECTION_DELAY by a reload', async () => {
    const running = await start({ MASTER_RECONNECTION_DELAY: 30 });
    await settle();
    disk.fail({ operation: 'write', path: /changelog_ml\.0\.mfs/, code: 'ENOSPC' });
    master.change(10);
    await settle(20_000);
    expect(master.connections).toBe(1);
    await settle(11_000);
    expect(master.connections).toBe(2);
    await running.reload(configure({ MASTER_RECONNECTION_DELAY: 2 }));
    await settle();
    disk.fail({ operation: 'write', path: /changelog_ml\.0\.mfs/, code: 'ENOSPC' });
    const { connections } = master;
    master.change(10);
    await settle(3000);
    expect(master.connections).toBe(connections + 1);
  });

  it('downloads again after a gap, and what comes behind the gap goes to a new file', async () => {
    const running = await start();
    await settle();
    master.change(10);
    await settle();
    master.files = { 1: image(15), 11: Buffer.from(lines(15, 19)), 12: Buffer.from(lines(5, 14)) };
    master.change(20);
    master.change(21);
    await settle();
    expect(log.lines.join('\n')).toMatch(/some changes lost: \[11-19\], download metadata again/);
    expect(await folder()).toEqual({
      [IMAGE]: image(15).toString('latin1'),
      [`${IMAGE}.1`]: image(5).toString('latin1'),
      'changelog_ml_back.0.mfs': lines(15, 19),
      'changelog_ml_back.1.mfs': lines(5, 14),
      'changelog_ml.0.mfs': lines(20, 21),
      'changelog_ml.1.mfs': line(10),
    });
    expect(running).toMatchObject({ restorable: true, version: 21 });
  });

  it('continues the files of an earlier process, the torn last line cut off', async () => {
    await start();
    await settle();
    master.change();
    await settle();
    await metalogger?.stop();
    await put('changelog_ml.0.mfs', `${line(10)}11: 1795`);
    master.files[11] = Buffer.from(lines(5, 11));
    master.remembered = [[11, `17|ACCESS(2)`]];
    await restart();
    expect(log.lines.join('\n')).toMatch(/changelog_ml\.0\.mfs: incomplete last line of 8 bytes cut off/);
    expect(master.registrations[1]).toMatchObject({ variant: 'resume', firstVersion: 11 });
    expect(await read('changelog_ml.0.mfs')).toBe(`${line(10)}11: 17|ACCESS(2)\n`);
  });

  it.each([
    [
      'text without NUL',
      MATOAN_METACHANGES_LOG.encode({
        variant: 'change',
        marker: 0xff,
        version: 10,
        text: Buffer.from('17|ACCESS(1)'),
      }),
    ],
    [
      'newline in a text',
      MATOAN_METACHANGES_LOG.encode({ variant: 'change', marker: 0xff, version: 10, text: Buffer.from('17|A\n(1)\0') }),
    ],
    ['sub-type of Pro', Buffer.from('0000003300000003aa0000', 'hex')],
    ['unknown message', Buffer.from('0000000a00000000', 'hex')],
    ['data nobody asked for', MATOAN_DOWNLOAD_DATA.encode({ offset: 0, size: 0, crc: 0, data: Buffer.alloc(0) })],
    ['oversized packet', Buffer.from('0000003300200000', 'hex')],
  ])('closes the connection on bad input, connects again and goes on: %s', async (_, bytes) => {
    await start();
    await settle();
    master.connection?.send(bytes);
    await settle(2000);
    expect(master.connections).toBe(2);
    master.change(10);
    await settle();
    expect(await read('changelog_ml.0.mfs')).toBe(line(10));
    expect(log.lines.join('\n')).toMatch(/connection lost: /);
  });

  it('drops the connection on a full disk, cuts what was written in part, and takes up the stream again', async () => {
    await start();
    await settle();
    master.change(10);
    await settle();
    disk.fail({ operation: 'write', path: /changelog_ml\.0\.mfs/, code: 'ENOSPC', writtenBytes: 7 });
    master.files[11] = Buffer.from(lines(5, 11));
    master.remembered = [[11, `17|ACCESS(2)`]];
    master.change(11, '17|ACCESS(2)');
    await settle(3000);
    expect(log.lines.join('\n')).toMatch(/cannot write changes from 11 on: .*no space left on device/);
    expect(await read('changelog_ml.0.mfs')).toBe(`${line(10)}11: 17|ACCESS(2)\n`);
    expect(metalogger?.version).toBe(11);
  });

  it('drops a silent master', async () => {
    await start();
    await settle();
    network.partition('master', 'ml');
    await settle(12_000);
    expect(log.lines.join('\n')).toMatch(/connection lost: .*nothing received for 10000 ms/);
    network.heal();
    await settle(3000);
    expect(metalogger?.following).toBe(true);
  });
});

describe('downloads', () => {
  it('asks again for a block with a wrong checksum, and gives up on it after six times, keeping what is held', async () => {
    await start();
    await settle();
    const before = await folder();
    master.files[1] = image(8);
    let blocks = 0;
    // The three small reads that identify the master are answered.
    master.intercept = (frame, connection) => {
      if (frame.type !== ANTOMA_DOWNLOAD_REQUEST.type) return false;
      const { offset, length } = ANTOMA_DOWNLOAD_REQUEST.decode(frame.payload);
      if (length < 500 || master.registrations.length < 2) return false;
      blocks++;
      connection.send(MATOAN_DOWNLOAD_DATA.encode({ offset, size: length, crc: 1, data: Buffer.alloc(length) }));
      return true;
    };
    await restart();
    await log.waitFor(/download failed: data crc error at offset 0, 6 times - what is held stays as it is/);
    expect(blocks).toBe(6);
    expect(await folder()).toEqual(before);
    expect(metalogger?.following).toBe(true);
    master.intercept = () => false;
    await settle(61_000);
    expect(await read(IMAGE)).toBe(image(8).toString('latin1'));
  });

  it.each([
    ['a half-written image', (): Buffer => image(8).subarray(0, -20), /no end marker/],
    ['something else', (): Buffer => Buffer.alloc(1000, 'x'), /wrong header/],
    ['no image', (): undefined => undefined, /no metadata image at this moment/],
  ])('takes nothing of a master that offers %s', async (_, bad, message) => {
    await start();
    await settle();
    const before = await folder();
    master.files[1] = bad();
    await restart();
    await log.waitFor(message);
    expect(await folder()).toEqual(before);
    master.files[1] = image(8);
    await settle(61_000);
    expect(await read(IMAGE)).toBe(image(8).toString('latin1'));
  });

  it.each(['open', 'write', 'fsync', 'rename'] as const)('survives a disk that fails at %s', async (operation) => {
    await start();
    await settle();
    master.files = { 1: image(8), 11: Buffer.from(lines(8, 9)), 12: Buffer.from(lines(1, 7)) };
    const path = operation === 'rename' ? /metadata_ml\.tmp/ : /\.tmp$/;
    disk.fail({
      operation,
      path,
      code: operation === 'write' ? 'ENOSPC' : 'EIO',
      skip: operation === 'rename' ? 0 : 1,
    });
    await restart();
    await log.waitFor(/what is held stays as it is/);
    const held = Object.keys(await folder());
    expect(held.filter((name) => name.includes('tmp'))).toEqual([]);
    // A usable image is always there; where the last rename failed, as a previous one.
    const images = await Promise.all([IMAGE, `${IMAGE}.1`].map(read));
    expect(images).toContain(image(5).toString('latin1'));
    await settle(61_000);
    expect(await read(IMAGE)).toBe(image(8).toString('latin1'));
    expect(metalogger).toMatchObject({ following: true, restorable: true });
  });

  it('throws a download away that a lost connection cut short', async () => {
    await start();
    await settle();
    const before = await folder();
    master.files[1] = image(8);
    let healed = false;
    master.intercept = (frame, connection) => {
      if (frame.type !== ANTOMA_DOWNLOAD_START.type || frame.payload[0] !== 11 || healed) return false;
      // What identifies the master is read before the registration.
      if (master.registrations.length !== master.connections) return false;
      connection.destroy();
      return true;
    };
    await restart();
    expect(master.registrations.length).toBeGreaterThan(1);
    expect(await folder()).toEqual(before);
    healed = true;
    await settle(2000);
    expect(metalogger?.following).toBe(true);
    expect(await read(IMAGE)).toBe(image(8).toString('latin1'));
  });

  it('keeps previous images, and runs ten and a half minutes past the hour', async () => {
    await start({ META_DOWNLOAD_FREQ: 1, BACK_META_KEEP_PREVIOUS: 2 });
    await settle();
    for (const version of [6, 7, 8]) {
      master.files[1] = image(version);
      const toFullHour = 3_600_000 - ((clock.nowMs() - 630_000) % 3_600_000);
      await clock.advanceAsync(toFullHour - 1000);
      await settle(500);
      expect(await read(IMAGE)).not.toBe(image(version).toString('latin1'));
      await settle(3000);
      expect(await read(IMAGE)).toBe(image(version).toString('latin1'));
    }
    expect(await read(`${IMAGE}.1`)).toBe(image(7).toString('latin1'));
    expect(await read(`${IMAGE}.2`)).toBe(image(6).toString('latin1'));
    expect(await read(`${IMAGE}.3`)).toBeUndefined();
  });

  it('says when the copy has a hole, and fetches again until it is complete', async () => {
    master.files = { 1: image(2), 11: Buffer.from(lines(8, 9)), 12: Buffer.from(lines(5, 7)) };
    const running = await start();
    await settle();
    await log.waitFor(/the copy is not complete: changes 2 to 4 are missing until the next image/);
    expect(running.restorable).toBe(false);
    master.files[1] = image(8);
    await settle(301_000);
    expect(running.restorable).toBe(true);
  });

  it('closes the connection on an answer of the wrong size', async () => {
    master.intercept = (frame, connection) => {
      if (frame.type !== ANTOMA_DOWNLOAD_START.type || master.connections > 1) return false;
      connection.send(
        Buffer.from(`${MATOAN_DOWNLOAD_INFO.type.toString(16).padStart(8, '0')}00000009${'00'.repeat(9)}`, 'hex'),
      );
      return true;
    };
    await start();
    await settle(2000);
    expect(master.connections).toBe(2);
    expect(metalogger?.following).toBe(true);
  });
});

describe('a master with another past', () => {
  async function follow(): Promise<Record<string, string | undefined>> {
    await start();
    await settle();
    master.change(10);
    await settle();
    await metalogger?.stop();
    return folder();
  }

  it.each<[string, () => void, RegExp]>([
    [
      'another file system',
      () => (master.files = { 1: image(50, 77n), 11: Buffer.from(lines(50, 60)), 12: undefined }),
      /metadata id 0x000000000000004D, held is 0x0123456789ABCDEF/,
    ],
    [
      'an empty file system',
      () => (master.files = { 1: Buffer.from('MFSM NEW'), 11: Buffer.from('1: 17|SETMETAID(9)\n'), 12: undefined }),
      /metadata id 0x0000000000000009/,
    ],
    [
      'an older state',
      () => (master.files = { 1: image(5), 11: Buffer.from(lines(5, 9)), 12: undefined }),
      /last change is 9, held is 10: an older state/,
    ],
    [
      'a state that went another way',
      () => (master.files[11] = Buffer.from(`${lines(5, 9)}10: 17|ACCESS(3)\n${lines(11, 12)}`)),
      /change 10 of the master is '17\|ACCESS\(3\)', held is '17955510\|ACCESS\(1\)': another history/,
    ],
  ])('is refused, and nothing is overwritten: %s', async (_, become, message) => {
    const before = await follow();
    const good = { ...master.files, 11: Buffer.from(lines(5, 12)) };
    become();
    const running = await start();
    await settle(3000);
    await log.waitFor(message);
    expect(log.lines.join('\n')).toMatch(/refused, nothing was overwritten/);
    expect(await folder()).toEqual(before);
    expect(running.following).toBe(false);
    expect(await metrics.text()).toMatch(/wapiti_metalogger_master_refused 1\n/);
    const { connections } = master;
    await settle(30_000);
    expect(master.connections).toBe(connections);
    // Slowly it is tried again.
    master.files = good;
    master.remembered = [];
    await settle(40_000);
    expect(running.following).toBe(true);
    expect(await metrics.text()).toMatch(/wapiti_metalogger_master_refused 0\n/);
  });

  it('is refused when its stream goes back', async () => {
    await follow();
    master.files[11] = Buffer.from(lines(5, 10));
    await restart();
    master.change(10);
    await settle();
    expect(log.lines.join('\n')).toMatch(/the master sent change 10 after 10: an older state - refused/);
    expect(await read('changelog_ml.0.mfs')).toBe(line(10));
  });
});
