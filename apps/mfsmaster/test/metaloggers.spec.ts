import {
  ANTOAN_GET_CONFIG,
  ANTOAN_GET_VERSION,
  ANTOMA_DOWNLOAD_END,
  ANTOMA_DOWNLOAD_REQUEST,
  ANTOMA_DOWNLOAD_START,
  ANTOMA_REGISTER,
  crc32,
  type Frame,
  MATOAN_DOWNLOAD_DATA,
  MATOAN_DOWNLOAD_INFO,
  MATOAN_METACHANGES_LOG,
} from '@wapiti-fs/protocol';
import {
  FakeClock,
  type FramedConnection,
  MemoryDisk,
  type MemoryLogger,
  memoryLogger,
  MemoryNetwork,
  SeededRandom,
} from '@wapiti-fs/runtime';

import { ChangeHistory } from '../src/metaloggers/history.js';
import { MetaloggerService } from '../src/metaloggers/service.js';

const FOLDER = '/data';
const FRESH = ANTOMA_REGISTER.encode({ variant: 'fresh', rver: 1, version: 0x300ea, timeoutS: 10 });
const resume = (firstVersion: number): Buffer =>
  ANTOMA_REGISTER.encode({ variant: 'resume', rver: 2, version: 0x300ea, timeoutS: 10, firstVersion });
const text = (version: number): string => `17955${version}|ACCESS(1)`;
const raw = (type: number, payload = ''): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(type);
  head.writeUInt32BE(payload.length / 2, 4);
  return Buffer.concat([head, Buffer.from(payload, 'hex')]);
};

let clock: FakeClock;
let network: MemoryNetwork;
let disk: MemoryDisk;
let log: MemoryLogger;
let service: MetaloggerService;
let version: number;

async function start(preserveS = 1800): Promise<void> {
  version = 10;
  service = new MetaloggerService(
    { clock, network: network.host('master'), random: new SeededRandom(1), log },
    { listenHost: '*', listenPort: 9419, preserveS },
    { folder: FOLDER, nextVersion: () => version, configValue: (name) => (name === 'DATA_PATH' ? FOLDER : '') },
    disk,
  );
  await service.start();
}

beforeEach(async () => {
  clock = new FakeClock();
  network = new MemoryNetwork(clock);
  disk = new MemoryDisk();
  log = memoryLogger();
  await disk.mkdir(FOLDER);
});
afterEach(() => service.stop());

const settle = async (ms = 100): Promise<void> => {
  for (let passed = 0; passed < ms; passed += 20) await clock.advanceAsync(20);
};
const put = async (name: string, contents: string | Buffer): Promise<void> => {
  const file = await disk.open(`${FOLDER}/${name}`, 'w');
  await file.write(Buffer.from(contents), 0);
  await file.close();
};
/** Makes changes, as the master does: recorded, then handed on. */
function make(count: number, more = ''): Promise<void> | undefined {
  const batch = Array.from({ length: count }, () => ({ version, text: text(version++) + more }));
  return service.records(batch);
}

class Peer {
  readonly frames: Frame[] = [];
  closed = false;

  private constructor(readonly connection: FramedConnection) {
    connection.setHandlers({
      frame: ({ type, payload }) => this.frames.push({ type, payload: Buffer.from(payload) }),
      close: () => (this.closed = true),
    });
  }

  static async connect(): Promise<Peer> {
    return new Peer(
      await network
        .host('ml', '10.0.0.9')
        .connect({ host: 'master', port: 9419, limit: 1_500_000, connectTimeoutMs: 1000 }),
    );
  }

  /** Changes received, as number and text; `rotate` where the files were rotated. */
  get changes(): (string | [number, string])[] {
    return this.frames
      .filter(({ type }) => type === MATOAN_METACHANGES_LOG.type)
      .map(({ payload }) => {
        const message = MATOAN_METACHANGES_LOG.decode(payload);
        if (message.variant === 'rotate') return 'rotate';
        expect(message.text[message.text.length - 1]).toBe(0);
        return [message.version, message.text.toString('latin1', 0, message.text.length - 1)];
      });
  }

  async ask(...requests: Buffer[]): Promise<Frame[]> {
    this.frames.length = 0;
    this.connection.send(...requests);
    await settle();
    return this.frames;
  }
}
const numbers = (from: number, to: number): [number, string][] =>
  Array.from({ length: to - from + 1 }, (_, i) => [from + i, text(from + i)]);

/** A connection attempt needs the clock to go on. */
async function connect(): Promise<Peer> {
  const peer = Peer.connect();
  await settle(20);
  return peer;
}

describe('the stream', () => {
  it('brings what is made after registration, and rotations', async () => {
    await start();
    const peer = await connect();
    await make(1);
    await peer.ask(FRESH);
    make(2);
    service.rotated();
    make(1);
    await settle();
    expect(peer.changes).toEqual([...numbers(11, 12), 'rotate', ...numbers(13, 13)]);
    expect(service.list()).toEqual([{ version: 0x300ea, ip: 0x0a000009 }]);
  });

  it('brings what was missed to a peer that comes back, across blocks of memory', async () => {
    await start();
    make(12_730);
    const peer = await connect();
    await peer.ask(resume(4000));
    make(1);
    await settle(500);
    expect(peer.changes).toEqual(numbers(4000, 12_740));
  });

  it('brings only what is new to a peer whose past is forgotten, or that is ahead', async () => {
    await start();
    for (const first of [3, 10, 999]) {
      const peer = await connect();
      const from = version;
      await peer.ask(resume(first === 10 ? from : first));
      make(1);
      await settle();
      expect(peer.changes).toEqual(numbers(from, from));
    }
  });

  it('holds answers back until the kernel has what was sent, and does not wait for a peer that is behind', async () => {
    await start();
    const peer = await connect();
    await peer.ask(FRESH);
    peer.connection.pause();
    // First what is between the two fills up, then 4 MiB of queue.
    const waits = Array.from({ length: 150 }, () => make(2, 'x'.repeat(40_000)));
    expect(waits[0]).toBeUndefined();
    const waiting = waits.filter((one) => one !== undefined);
    expect(waiting.length).toBeGreaterThan(40);
    expect(waits[waits.length - 1]).toBeUndefined();
    let taken = 0;
    for (const one of waiting) void one.then(() => taken++);
    await settle();
    expect(taken).toBe(0);
    peer.connection.resume();
    await settle(3000);
    expect(taken).toBe(waiting.length);
    expect(peer.changes.map(([number]) => number)).toEqual(numbers(10, version - 1).map(([number]) => number));
  });

  it('remembers nothing with a time of 0, and still loses nothing for those who follow', async () => {
    await start(0);
    const peer = await connect();
    await peer.ask(FRESH);
    make(10);
    make(10);
    await settle();
    expect(peer.changes).toEqual(numbers(10, 29));
    const late = await connect();
    await late.ask(resume(20));
    make(1);
    await settle();
    expect(late.changes).toEqual(numbers(30, 30));
  });

  it('keeps a quiet connection alive with NOPs, and drops a silent peer', async () => {
    await start();
    const peer = await connect();
    await peer.ask(FRESH);
    await settle(8000);
    expect(peer.frames.filter(({ type, payload }) => type === 0 && payload.length === 0).length).toBe(2);
    await settle(4000);
    expect(peer.closed).toBe(true);
    const unregistered = await connect();
    await settle(11_000);
    expect(unregistered.frames).toEqual([]);
    expect(unregistered.closed).toBe(true);
  });

  it('warns every hour when nobody follows', async () => {
    await start();
    await clock.advanceAsync(3_600_000);
    expect(log.lines.join('\n')).toMatch(/no metaloggers connected !!!/);
  });
});

describe('downloads', () => {
  const info = (frames: Frame[]): unknown => MATOAN_DOWNLOAD_INFO.decode(frames[0]?.payload ?? Buffer.alloc(0));
  const open = async (peer: Peer, filenum: number): Promise<unknown> =>
    info(await peer.ask(ANTOMA_DOWNLOAD_START.encode({ filenum })));

  it('give image and changelogs of one moment, also without registration', async () => {
    await start();
    const image = Buffer.alloc(2_500_000, 'i');
    await put('metadata.mfs.back', image);
    await put('changelog.0.mfs', '9: 17|ACCESS(1)\n10: 17|AC');
    await put('changelog.1.mfs', '8: 17|ACCESS(1)\n');
    const peer = await connect();
    expect(await open(peer, 1)).toMatchObject({ size: 2_500_000 });
    const ranges = [
      [0, 1_000_000],
      [1_000_000, 1_000_000],
      [2_000_000, 500_000],
      [7, 0],
    ] as const;
    const frames = await peer.ask(
      ...ranges.map(([offset, length]) => ANTOMA_DOWNLOAD_REQUEST.encode({ offset, length })),
    );
    expect(frames).toHaveLength(ranges.length);
    for (const [i, [offset, size]] of ranges.entries()) {
      const data = image.subarray(offset, offset + size);
      const block = MATOAN_DOWNLOAD_DATA.decode(frames[i]?.payload ?? Buffer.alloc(0));
      expect(block).toMatchObject({ offset, size, crc: crc32(data) });
      expect(block.data.equals(data)).toBe(true);
    }
    await disk.rename(`${FOLDER}/changelog.0.mfs`, `${FOLDER}/changelog.1.mfs`);
    service.rotated();
    // The line that is just being written is not offered.
    expect(await open(peer, 11)).toMatchObject({ size: 16 });
    const [block] = await peer.ask(ANTOMA_DOWNLOAD_REQUEST.encode({ offset: 0, length: 16 }));
    expect(MATOAN_DOWNLOAD_DATA.decode(block?.payload ?? Buffer.alloc(0)).data.toString()).toBe('9: 17|ACCESS(1)\n');
    expect(await open(peer, 12)).toMatchObject({ size: 16 });
    expect(await open(peer, 11)).toMatchObject({ size: 0 });
    expect(await peer.ask(ANTOMA_DOWNLOAD_END.encode({}), ANTOMA_DOWNLOAD_END.encode({}))).toEqual([]);
    expect(peer.closed).toBe(false);
  });

  it('say when there is no image, and that the sessions file of old masters does not exist', async () => {
    await start();
    const peer = await connect();
    expect(await open(peer, 1)).toMatchObject({ status: 0xff });
    expect(await open(peer, 2)).toMatchObject({ status: 0xff });
    expect(await open(peer, 11)).toMatchObject({ size: 0 });
  });

  it('close the connection when the disk fails, and serve the next one', async () => {
    await start();
    await put('metadata.mfs.back', 'MFSM NEW');
    const peer = await connect();
    disk.fail({ operation: 'read', code: 'EIO' });
    await open(peer, 1);
    await peer.ask(ANTOMA_DOWNLOAD_REQUEST.encode({ offset: 0, length: 8 }));
    expect(peer.closed).toBe(true);
    expect(log.lines.join('\n')).toMatch(/metadata\.mfs\.back: read: input\/output error/);
    expect(await open(await connect(), 1)).toMatchObject({ size: 8 });
  });
});

describe('queries', () => {
  it('are answered on any connection', async () => {
    await start();
    const peer = await connect();
    const name = Buffer.from('DATA_PATH');
    const frames = await peer.ask(
      ANTOAN_GET_VERSION.encode({ variant: 'plain' }),
      ANTOAN_GET_CONFIG.encode({ msgid: 5, name }),
    );
    expect(frames.map(({ payload }) => payload.toString('hex'))).toEqual([
      '000300ea332e302e3131372d31',
      `0000000505${Buffer.from(FOLDER).toString('hex')}`,
    ]);
  });
});

describe('bad input', () => {
  it.each<[string, Buffer[], RegExp]>([
    ['second registration', [FRESH, FRESH], /got register message from registered metalogger/],
    ['registration of version 0', [raw(50, '00000300ea000a')], /wrong version \(0\/1\)/],
    ['registration of a master', [raw(50, '03000300ea000a')], /wrong version \(3\/1\)/],
    ['registration with a byte too many', [raw(50, '01000300ea000a00')], /1 bytes too many/],
    ['empty registration', [raw(50)], /wrong version \(none\/1\)/],
    ['unknown file', [raw(60, '03')], /unknown file 3/],
    ['request without file', [raw(62, '000000000000000000000008')], /file not opened/],
    ['request beyond the end', [raw(60, '01'), raw(62, '000000000000000100000008')], /8 bytes at 1, 7 are there/],
    ['request of 4 GB', [raw(60, '01'), raw(62, '0000000000000000ffffffff')], /4294967295 bytes, at most/],
    ['request of wrong size', [raw(62, '00')], /ANTOMA_DOWNLOAD_REQUEST/],
    ['end with a byte', [raw(64, '00')], /ANTOMA_DOWNLOAD_END: 1 bytes too many/],
    ['version query of 5 bytes', [raw(10, '0000000000')], /ANTOAN_GET_VERSION/],
    ['unknown message', [raw(99)], /got unknown message \(type:99\)/],
    ['garbage', [Buffer.from('GET / HTTP/1.1\r\n\r\n')], /packet too long/],
    ['oversized header', [Buffer.from('00000032ffffffff', 'hex')], /packet too long \(4294967295\/1500000\)/],
  ])('closes that connection only: %s', async (_, bytes, message) => {
    await start();
    await put('metadata.mfs.back', 'MFSM NEW');
    const good = await connect();
    await good.ask(FRESH);
    const bad = await connect();
    await bad.ask(...bytes);
    expect(bad.closed).toBe(true);
    expect(log.lines.join('\n')).toMatch(message);
    make(1);
    await settle();
    expect(good.changes).toEqual(numbers(10, 10));
  });

  it('ignores the messages that are to be ignored, and a timeout that is too small', async () => {
    await start();
    const peer = await connect();
    await peer.ask(raw(1, '00'), raw(2), raw(0), raw(50, '01000300ea0002'));
    expect(peer.closed).toBe(false);
    expect(log.lines.join('\n')).toMatch(/communication timeout too small \(2 seconds/);
    await settle(3500);
    expect(peer.closed).toBe(true);
  });
});

describe('the history', () => {
  it('forgets whole blocks when they are old, or when there is too much', () => {
    let nowMs = 0;
    const history = new ChangeHistory(1, 1000, () => nowMs, 1_000_000);
    const append = (count: number): void => {
      for (let i = 0; i < count; i++) history.append(history.nextVersion, text(history.nextVersion));
    };
    append(5000);
    nowMs = 500;
    append(5000);
    nowMs = 1400;
    append(5000);
    expect(history.oldestVersion).toBe(1);
    nowMs = 1600;
    append(1);
    expect(history.oldestVersion).toBe(5001);
    append(50_000);
    expect(history.oldestVersion).toBeGreaterThan(30_000);
    expect(() => history.append(3, 'x')).toThrow(RangeError);
  });

  it('cuts a text that no metalogger would take', () => {
    const history = new ChangeHistory(2 ** 40, 1000, () => 0);
    history.append(2 ** 40, 'x'.repeat(300_000));
    const { frames } = history.framesFrom(2 ** 40, 1);
    const message = MATOAN_METACHANGES_LOG.decode(frames.subarray(8));
    expect(message).toMatchObject({ variant: 'change', version: 2 ** 40 });
    expect(frames.length).toBe(8 + 9 + 200_000);
  });
});
