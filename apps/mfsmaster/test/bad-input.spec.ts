import {
  ANTOAN_GET_VERSION,
  ANTOAN_VERSION,
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_LOOKUP,
  CLTOMA_FUSE_REGISTER,
  CSTOMA_REGISTER,
  CSTOMA_SPACE,
  FUSE_REGISTER_BLOB_ACL,
  MATOCL_FUSE_GETATTR,
  VERSION,
} from '@wapiti-fs/protocol';

import { TestMaster, type Mount } from './peers.js';

const root = { variant: 'full' as const, inode: 1, opened: 0, uid: 0, gid: 0 };

const header = (type: number, length: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(type, 0);
  bytes.writeUInt32BE(length, 4);
  return bytes;
};
const registration = CLTOMA_FUSE_REGISTER.encode({
  variant: 'newSession',
  blob: FUSE_REGISTER_BLOB_ACL,
  kind: 2,
  version: VERSION,
  info: Buffer.from('/mnt\0'),
  path: Buffer.from('/'),
  tail: {},
});
const withPayload = (frame: Buffer, change: (payload: Buffer) => Buffer): Buffer => {
  const payload = change(Buffer.from(frame.subarray(8)));
  return Buffer.concat([header(frame.readUInt32BE(0), payload.length), payload]);
};

describe('bad input', () => {
  let master: TestMaster;
  /** Must go on as if nothing had happened. */
  let bystander: Mount;

  beforeAll(async () => {
    master = await TestMaster.start();
    bystander = await master.mounted();
  });
  afterAll(() => master.destroy());

  afterEach(async () => {
    expect(await bystander.ask(CLTOMA_FUSE_GETATTR, root, MATOCL_FUSE_GETATTR)).toMatchObject({ variant: 'ok' });
  });

  const lookup = CLTOMA_FUSE_LOOKUP.encode({ msgid: 1, parent: 1, name: Buffer.from('x'), uid: 0, gids: [0] });

  it.each<[string, Buffer]>([
    ['random bytes', Buffer.alloc(4096, 'rubbish')],
    ['a length above the limit', header(400, 0xffffffff)],
    ['an unknown message', header(31337, 0)],
    ['a request before registration', lookup],
    ['a registration with a wrong blob', withPayload(registration, (p) => (p.fill(0x41, 0, 64), p))],
    ['a registration of an unknown kind', withPayload(registration, (p) => (p.writeUInt8(9, 64), p))],
    ['a registration cut short', withPayload(registration, (p) => p.subarray(0, 70))],
    ['a path without end', withPayload(registration, (p) => (p.writeUInt8(0x41, p.length - 1), p))],
    ['bytes behind a registration', withPayload(registration, (p) => Buffer.concat([p, Buffer.alloc(7)]))],
  ])('closes a client connection that sends %s', async (_, bytes) => {
    const peer = await master.peer(master.clientPort);
    peer.send(bytes);
    await peer.untilClosed();
  });

  it.each<[string, Buffer]>([
    ['random bytes', Buffer.alloc(4096, 'rubbish')],
    ['a second registration', registration],
    ['a request cut short', withPayload(lookup, (p) => p.subarray(0, p.length - 3))],
    ['a request with bytes too many', withPayload(lookup, (p) => Buffer.concat([p, Buffer.alloc(1)]))],
    ['a name longer than the packet', withPayload(lookup, (p) => (p.writeUInt8(255, 8), p))],
    ['more groups than the packet has', withPayload(lookup, (p) => (p.writeUInt32BE(0x3fffffff, 14), p))],
  ])('closes a mount that sends %s, and keeps its session', async (_, bytes) => {
    const mount = await master.mounted();
    mount.send(bytes);
    await mount.untilClosed();
    expect(master.role.context.sessions.get(mount.sessionId)).toBeDefined();
    expect(master.log.lines.join('\n')).toMatch(/client sent a bad packet|client disconnected/);
  });

  it('tolerates requests in pieces', async () => {
    const mount = await master.mounted();
    const frame = CLTOMA_FUSE_GETATTR.encode({ ...root, msgid: 77 });
    for (const byte of frame) {
      mount.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await mount.nextOf(MATOCL_FUSE_GETATTR)).toMatchObject({ msgid: 77, variant: 'ok' });
  });

  it.each<[string, Buffer]>([
    ['random bytes', Buffer.alloc(4096, 'rubbish')],
    ['a length above the limit', header(100, 0xfffffff0)],
    ['an unknown message', header(31337, 0)],
    ['a report before registration', Buffer.concat([header(CSTOMA_SPACE.type, 40), Buffer.alloc(40)])],
    ['chunks before the begin', CSTOMA_REGISTER.encode({ variant: 'chunks', rver: 61, chunkList: [] })],
    ['a registration of an old version', Buffer.concat([header(100, 5), Buffer.from([1, 0, 0, 0, 0])])],
  ])('closes a chunkserver connection that sends %s', async (_, bytes) => {
    const peer = await master.peer(master.role.context.chunkservers.port);
    peer.send(bytes);
    await peer.untilClosed();
    expect(master.role.context.chunkservers.manager.servers.count).toBe(0);
  });

  it('closes a registered chunkserver that sends rubbish, and goes on without it', async () => {
    const server = await master.chunkserver(9422);
    server.send(Buffer.concat([header(CSTOMA_SPACE.type, 3), Buffer.alloc(3)]));
    await server.untilClosed();
    expect(master.role.context.chunkservers.manager.servers.count).toBe(0);
  });

  it('tells its version to anybody', async () => {
    const peer = await master.peer(master.clientPort);
    peer.send(ANTOAN_GET_VERSION.encode({ variant: 'plain' }));
    expect(await peer.nextOf(ANTOAN_VERSION)).toMatchObject({ version: VERSION });
  });
});
