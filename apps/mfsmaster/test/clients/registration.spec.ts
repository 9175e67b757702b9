import { createHash } from 'node:crypto';

import {
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_TIME_SYNC,
  FUSE_REGISTER_BLOB_ACL as blob,
  MATOCL_FUSE_GETATTR,
  MATOCL_FUSE_TIME_SYNC,
  MFS_ERROR_BADPASSWORD,
  MFS_ERROR_BADSESSIONID,
  MFS_ERROR_EACCES,
  MFS_ERROR_ENOENT,
  MFS_ERROR_NOPASSWORD,
  VERSION,
} from '@wapiti-fs/protocol';

import { TestMaster } from '../peers.js';

const EXPORTS = `127.0.0.1 / rw,maproot=0:0,password=secret
127.0.0.1 /sub ro
127.0.0.1 . rw
`;

describe('registration', () => {
  let master: TestMaster;
  beforeAll(async () => (master = await TestMaster.start({ exports: EXPORTS })));
  afterAll(() => master.destroy());

  const request = (path: string, passcode?: Buffer) => ({
    variant: 'newSession' as const,
    blob,
    kind: 2 as const,
    version: VERSION,
    info: Buffer.from('/mnt\0'),
    path: Buffer.from(path),
    tail: passcode === undefined ? {} : { passcode },
  });

  async function passcode(mount: Awaited<ReturnType<TestMaster['mount']>>, password: string): Promise<Buffer> {
    const answer = await mount.register({ variant: 'getRandom', blob, kind: 1 });
    if (answer.variant !== 'random') throw new Error(answer.variant);
    const digest = createHash('md5').update(password).digest();
    const { random } = answer;
    return createHash('md5').update(random.subarray(0, 16)).update(digest).update(random.subarray(16)).digest();
  }

  it('asks for the password, refuses a wrong one on an open connection, and takes the right one', async () => {
    const mount = await master.mount();
    expect(await mount.register(request('/'))).toEqual({ variant: 'status', status: MFS_ERROR_NOPASSWORD });
    const wrong = await passcode(mount, 'guess');
    expect(await mount.register(request('/', wrong))).toEqual({ variant: 'status', status: MFS_ERROR_BADPASSWORD });
    const right = await passcode(mount, 'secret');
    expect(await mount.register(request('/', right))).toMatchObject({ variant: 'session', version: VERSION });
  });

  it('refuses what is not exported or not there', async () => {
    const mount = await master.mount();
    expect(await mount.register(request('/elsewhere'))).toEqual({ variant: 'status', status: MFS_ERROR_EACCES });
    expect(await mount.register(request('/sub'))).toEqual({ variant: 'status', status: MFS_ERROR_ENOENT });
  });

  it('lets a mount reconnect to its session and take it over anew, and ends it in order', async () => {
    const first = await master.mount();
    const opened = await first.register(request('/', await passcode(first, 'secret')));
    if (opened.variant !== 'session') throw new Error(opened.variant);
    const { sessionId, metaid } = opened;
    first.destroy();

    const second = await master.mount();
    const again = { variant: 'reconnect' as const, blob, kind: 3 as const, version: VERSION, sessionId };
    const foreign = await second.register({ ...again, metaid: metaid + 1n });
    expect(foreign).toEqual({ variant: 'reconnected', version: VERSION, status: MFS_ERROR_BADSESSIONID });
    const unknown = await second.register({ ...again, sessionId: 9999, metaid });
    expect(unknown).toMatchObject({ status: MFS_ERROR_BADSESSIONID });
    expect(await second.register({ ...again, metaid })).toMatchObject({ status: 0 });

    const third = await master.mount();
    const code = await passcode(third, 'secret');
    const taken = await third.register({ ...request('/', code), tail: { sessionId, metaid, passcode: code } });
    expect(taken).toMatchObject({ variant: 'session', sessionId });

    third.destroy();
    const close = { variant: 'closeSession' as const, blob, kind: 6 as const, sessionId, metaid };
    expect(await second.register(close)).toEqual({ variant: 'status', status: 0 });
    await second.untilClosed();
  });

  it('gives meta mounts a session without the tree', async () => {
    const meta = await master.mount();
    const answer = await meta.register({
      variant: 'newMetaSession',
      blob,
      kind: 5,
      version: VERSION,
      info: Buffer.from('/meta\0'),
      tail: {},
    });
    expect(answer).toMatchObject({ variant: 'metaSession' });
    const root = { variant: 'full' as const, inode: 1, opened: 0, uid: 0, gid: 0 };
    expect(await meta.ask(CLTOMA_FUSE_GETATTR, root, MATOCL_FUSE_GETATTR)).toMatchObject({ status: MFS_ERROR_ENOENT });
  });

  it('tells the time', async () => {
    const mount = await master.mount();
    await mount.register(request('/', await passcode(mount, 'secret')));
    const before = Date.now();
    const answer = await mount.ask(CLTOMA_FUSE_TIME_SYNC, { variant: 'msgid' }, MATOCL_FUSE_TIME_SYNC);
    expect(answer.timeUs / 1000).toBeGreaterThanOrEqual(before - 1);
    expect(answer.timeUs / 1000).toBeLessThanOrEqual(Date.now() + 1);
  });
});
