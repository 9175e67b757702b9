import {
  CLTOMA_FUSE_TRUNCATE,
  MATOCL_FUSE_TRUNCATE,
  MFS_ERROR_CSNOTPRESENT,
  MFS_ERROR_EACCES,
  MFS_ERROR_EAGAIN,
  MFS_ERROR_LOCKED,
  MFS_ERROR_NOSPACE,
  MFS_ERROR_NOTDONE,
  TYPE_FILE,
} from '@wapiti-fs/protocol';
import { FakeClock, memoryLogger, MemoryNetwork, SeededRandom } from '@wapiti-fs/runtime';

import { MasterSession, MfsClient } from '../src/index.js';
import { FakeMaster } from './support/fake-master.js';

const root = { uid: 0, gids: [0] };
const times = { atime: 0, mtime: 0, ctime: 0 };

describe('truncation', () => {
  let clock: FakeClock;
  let client: MfsClient;
  /** Statuses of the next answers; then 0 with the attributes. */
  let refusals: number[];
  let asked: number;

  beforeEach(async () => {
    clock = new FakeClock();
    const network = new MemoryNetwork(clock);
    refusals = [];
    asked = 0;
    const master = new FakeMaster(network, 'master');
    master.on(CLTOMA_FUSE_TRUNCATE, ({ msgid, length }) => {
      asked++;
      const status = refusals.shift() ?? 0;
      if (status !== 0) return MATOCL_FUSE_TRUNCATE.encode({ variant: 'status', msgid, status });
      const owner = { uid: 0, gid: 0, nlink: 1, rdev: 0, winattr: 0 };
      const attributes = { flags: 0, type: TYPE_FILE, mode: 0o644, ...owner, ...times, length };
      return MATOCL_FUSE_TRUNCATE.encode({ variant: 'ok', msgid, prevLength: 9, attributes });
    });
    await master.listen();
    const services = { clock, random: new SeededRandom(1), network: network.host('client'), log: memoryLogger() };
    const session = new MasterSession(services, { host: 'master' });
    await within(session.start());
    client = new MfsClient(session);
  });

  afterEach(() => client.session.abandon());

  /** Lets time pass until the promise settles. */
  async function within<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => void (settled = true);
    promise.then(done, done);
    for (let passedMs = 0; passedMs < 300_000 && !settled; passedMs += 10) await clock.advanceAsync(10);
    return promise;
  }

  it('waits for locks and for chunkservers that are away', async () => {
    const passing = [MFS_ERROR_EAGAIN, MFS_ERROR_NOTDONE, MFS_ERROR_NOSPACE, MFS_ERROR_CSNOTPRESENT];
    refusals = [...Array.from({ length: 50 }, () => MFS_ERROR_LOCKED), ...passing.slice(0, 1)];
    expect((await within(client.truncate(root, 5, 1234))).attributes.length).toBe(1234);
    refusals = passing;
    expect((await within(client.truncate(root, 5, 77))).attributes.length).toBe(77);
    expect(asked).toBe(52 + 5);
  });

  it('gives up in the end, and at once where waiting does not help', async () => {
    const always = (status: number): number[] => Array.from({ length: 100 }, () => status);
    for (const [status, code, tries] of [
      [MFS_ERROR_EACCES, 'EACCES', 1],
      [MFS_ERROR_NOSPACE, 'ENOSPC', 10],
      [MFS_ERROR_CSNOTPRESENT, 'ENXIO', 30],
    ] as const) {
      refusals = always(status);
      asked = 0;
      await expect(within(client.truncate(root, 5, 1))).rejects.toMatchObject({ code, status });
      expect(asked).toBe(tries);
    }
  });

  it('can be given up while it waits', async () => {
    refusals = Array.from({ length: 1000 }, () => MFS_ERROR_LOCKED);
    const controller = new AbortController();
    const waiting = client.truncate({ ...root, signal: controller.signal }, 5, 1);
    waiting.catch(() => undefined);
    await clock.advanceAsync(100);
    controller.abort(new Error('enough'));
    await expect(within(waiting)).rejects.toThrow('enough');
  });
});
