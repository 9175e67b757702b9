import {
  type AttributeRecord,
  CHUNKOPFLAG_CONTINUEOP,
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_LOOKUP,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_READLINK,
  CLTOMA_FUSE_SYMLINK,
  CLTOMA_FUSE_UNLINK,
  CLTOMA_FUSE_WRITE_CHUNK,
  CLTOMA_LIST_OPEN_FILES,
  MATOCL_FUSE_CHUNK_HAS_CHANGED,
  MATOCL_FUSE_CREATE,
  MATOCL_FUSE_FLENG_HAS_CHANGED,
  MATOCL_FUSE_GETATTR,
  MATOCL_FUSE_INVALIDATE_CHUNK_CACHE,
  MATOCL_FUSE_LOOKUP,
  MATOCL_FUSE_MKDIR,
  MATOCL_FUSE_READLINK,
  MATOCL_FUSE_SYMLINK,
  MATOCL_FUSE_UNLINK,
  MATOCL_FUSE_WRITE_CHUNK,
  MATOCL_LIST_OPEN_FILES,
  MFS_ERROR_EACCES,
  MFS_ERROR_EEXIST,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  NOP_CLIENT_FRAME,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SYMLINK,
} from '@wapiti-fs/protocol';
import { FakeClock, MemoryNetwork, memoryLogger, SeededRandom } from '@wapiti-fs/runtime';

import { MasterSession, MfsClient, MfsError, type SessionListener, type SessionOptions } from '../src/index.js';
import { FakeMaster } from './support/fake-master.js';

const VIP = '10.0.0.100';
const root = { uid: 0, gids: [0] };
const user = { uid: 1000, gids: [1000, 20] };
const name = Buffer.from('name');

describe('the session with the master', () => {
  let clock: FakeClock;
  let network: MemoryNetwork;
  let a: FakeMaster;
  let log: ReturnType<typeof memoryLogger>;
  const open: MasterSession[] = [];

  function attributes(more: Partial<AttributeRecord> = {}): AttributeRecord {
    const nowS = Math.floor(clock.nowMs() / 1000);
    const times = { atime: nowS, mtime: nowS, ctime: nowS };
    return {
      flags: 8,
      type: TYPE_FILE,
      mode: 0o644,
      uid: 0,
      gid: 0,
      nlink: 1,
      length: 0,
      rdev: 0,
      winattr: 0,
      ...times,
      ...more,
    };
  }

  const getattrAnswer = (msgid: number, more: Partial<AttributeRecord> = {}): Buffer =>
    MATOCL_FUSE_GETATTR.encode({ variant: 'ok', msgid, attributes: attributes(more) });

  function session(options: Partial<SessionOptions> = {}): MasterSession {
    const services = { clock, random: new SeededRandom(1), network: network.host('client', '10.0.0.1'), log };
    const made = new MasterSession(services, { host: VIP, ...options });
    open.push(made);
    return made;
  }

  /** Lets time pass in small steps until the promise settles. */
  async function during<T>(promise: Promise<T>, limitMs = 60_000, stepMs = 10): Promise<T> {
    let settled = false;
    void promise.then(
      () => (settled = true),
      () => (settled = true),
    );
    for (let passedMs = 0; passedMs <= limitMs; passedMs += stepMs) {
      await clock.advanceAsync(stepMs);
      if (settled) return promise;
    }
    throw new Error(`not settled within ${limitMs} ms`);
  }

  async function started(options: Partial<SessionOptions> = {}): Promise<MasterSession> {
    const made = session(options);
    await during(made.start());
    return made;
  }

  /** A master on another host, serving the same file system and sessions. */
  async function takeover(host = 'b', more: (master: FakeMaster) => void = () => undefined): Promise<FakeMaster> {
    const master = new FakeMaster(network, host);
    for (const id of a.sessions) master.sessions.add(id);
    master.nextSession = 100;
    more(master);
    await master.listen();
    network.assign(VIP, host);
    return master;
  }

  beforeEach(async () => {
    clock = new FakeClock();
    network = new MemoryNetwork(clock, { delayMs: 1 });
    log = memoryLogger();
    a = await new FakeMaster(network, 'a').listen();
    network.assign(VIP, 'a');
  });

  afterEach(async () => {
    for (const one of open.splice(0)) one.abandon();
    await clock.advanceAsync(0);
  });

  describe('registers', () => {
    it('as a new session, and closes it in order', async () => {
      const made = await started();
      expect(made.info).toMatchObject({ sessionId: 7, metaid: a.metaid, mapallUid: 999 });
      await clock.advanceAsync(10);
      expect(a.received).toEqual(['REGISTER 2', 'CLTOMA_FUSE_TIME_SYNC']);
      expect(made.masterNowS()).toBe(Math.floor(clock.nowMs() / 1000));
      made.openInodes.acquire(5);
      await during(made.close());
      expect(a.received.slice(2)).toEqual(['CLTOMA_FUSE_SUSTAINED_INODES', 'REGISTER 6']);
      expect(a.sustained).toEqual([[]]);
      expect(a.sessions.size).toBe(0);
      await expect(new MfsClient(made).getattr(root, 1)).rejects.toMatchObject({ code: 'EIO' });
      expect(clock.pendingTimers).toBe(0);
    });

    it('with a password', async () => {
      a.password = 'secret';
      await started({ password: 'secret' });
      expect(a.received.slice(0, 2)).toEqual(['REGISTER 1', 'REGISTER 2']);
    });

    it.each([
      [{ password: 'wrong' }, 'Incorrect password'],
      [{}, 'Password is needed'],
    ])('not with %j', async (options, text) => {
      a.password = 'secret';
      const promise = session(options).start();
      await expect(during(promise)).rejects.toMatchObject({ code: 'EACCES' });
      await expect(promise).rejects.toThrow(text);
    });

    it('not where it is refused, and says so at once', async () => {
      a.refuse = MFS_ERROR_EACCES;
      const made = session({ path: '/sub' });
      await expect(during(made.start(), 100)).rejects.toThrow("refuses '/sub': Permission denied");
      await clock.advanceAsync(60_000);
      expect(a.received).toEqual(['REGISTER 2']);
    });

    it('not at all when nobody answers', async () => {
      network.release(VIP);
      const made = session({ startLimitMs: 5000 });
      await expect(during(made.start())).rejects.toMatchObject({ code: 'ETIMEDOUT', name: 'MfsError' });
      expect(clock.pendingTimers).toBe(0);
    });

    it('only once for a new session, however slow the answer is', async () => {
      network.delay('client', 'a', 400);
      await started();
      expect(a.nextSession).toBe(8);
    });
  });

  it('matches answers by msgid, in whatever order they come', async () => {
    const client = new MfsClient(await started());
    const waiting: [number, number][] = [];
    a.on(CLTOMA_FUSE_GETATTR, ({ msgid, inode }, connection) => {
      waiting.push([msgid, inode]);
      if (waiting.length === 3)
        for (const [id, of] of waiting.reverse()) connection.send(getattrAnswer(id, { length: of }));
      return undefined;
    });
    const answers = await during(Promise.all([11, 12, 13].map((inode) => client.getattr(user, inode))));
    expect(answers.map((one) => one.length)).toEqual([11, 12, 13]);
  });

  it('turns a status into an error that names operation and place', async () => {
    const client = new MfsClient(await started());
    a.on(CLTOMA_FUSE_LOOKUP, ({ msgid }) =>
      MATOCL_FUSE_LOOKUP.encode({ variant: 'status', msgid, status: MFS_ERROR_ENOENT }),
    );
    const error = await during(client.lookup(user, 1, name).catch((caught: MfsError) => caught));
    expect(error).toMatchObject({ code: 'ENOENT', status: MFS_ERROR_ENOENT, operation: 'lookup', inode: 1 });
    expect((error as MfsError).message).toBe("ENOENT: No such file or directory, lookup 'name'");
  });

  it('hands on what the master tells unasked, in order', async () => {
    const made = await started();
    const seen: unknown[] = [];
    const listener: SessionListener = {
      chunkChanged: (change) => seen.push(change),
      lengthChanged: (inode, length) => seen.push([inode, length]),
      serversChanged: () => seen.push('706'),
    };
    made.listen(listener);
    const change = { inode: 3, chunkIndex: 1, chunkId: 9, version: 2, length: 70_000_000, truncateFlag: 1 };
    a.tell(MATOCL_FUSE_CHUNK_HAS_CHANGED.encode({ msgid: 0, ...change }));
    a.tell(MATOCL_FUSE_FLENG_HAS_CHANGED.encode({ msgid: 0, inode: 3, length: 5 }));
    a.tell(MATOCL_FUSE_INVALIDATE_CHUNK_CACHE.encode({ msgid: 0 }));
    await clock.advanceAsync(10);
    expect(seen).toEqual([{ msgid: 0, ...change }, [3, 5], '706']);
  });

  describe('after a lost connection', () => {
    it('comes back to its session and sends again what has no answer', async () => {
      const made = await started();
      const client = new MfsClient(made);
      const events: unknown[] = [];
      made.listen({ connected: (_info, fresh) => events.push(fresh), disconnected: () => events.push('lost') });
      a.on(CLTOMA_FUSE_GETATTR, () => undefined);
      const answers = Promise.all([client.getattr(root, 1), client.getattr(root, 2)]);
      await clock.advanceAsync(10);
      network.crash('a');
      await clock.advanceAsync(10);
      const later = client.getattr(root, 3);
      await clock.advanceAsync(1000);
      const order: number[] = [];
      const b = await takeover('b', (master) =>
        master.on(CLTOMA_FUSE_GETATTR, ({ msgid, inode }) => {
          order.push(inode);
          return getattrAnswer(msgid, { length: inode });
        }),
      );
      const since = clock.monotonicMs();
      expect((await during(Promise.all([answers, later]))).flat().map((one) => one.length)).toEqual([1, 2, 3]);
      expect(clock.monotonicMs() - since).toBeLessThan(250);
      expect(order).toEqual([1, 2, 3]);
      expect(events).toEqual(['lost', false]);
      expect(b.received[0]).toBe('REGISTER 3');
      expect(b.received).not.toContain('REGISTER 2');
    });

    it('finds a moved address that did not answer before, well under a second', async () => {
      const client = new MfsClient(await started());
      a.on(CLTOMA_FUSE_GETATTR, ({ msgid }) => getattrAnswer(msgid));
      network.release(VIP);
      network.partition('a');
      const answer = client.getattr(root, 1);
      await clock.advanceAsync(4000);
      await takeover('b', (master) => master.on(CLTOMA_FUSE_GETATTR, ({ msgid }) => getattrAnswer(msgid)));
      const since = clock.monotonicMs();
      await during(answer);
      expect(clock.monotonicMs() - since).toBeLessThan(400);
      expect(log.lines.join('\n')).toContain('the silent connection to the master was replaced');
    });

    it('finds a moved address though the old host still accepts connections and hangs', async () => {
      const client = new MfsClient(await started());
      for (const connection of a.connections) connection.setKeepalive({});
      a.silent = true;
      const answer = client.getattr(root, 1);
      await clock.advanceAsync(9000);
      await takeover('b', (master) => master.on(CLTOMA_FUSE_GETATTR, ({ msgid }) => getattrAnswer(msgid)));
      const since = clock.monotonicMs();
      await during(answer);
      expect(clock.monotonicMs() - since).toBeLessThan(700);
    });

    it('notices an idle connection that died, without any request', async () => {
      const made = await started();
      network.release(VIP);
      network.partition('a');
      await clock.advanceAsync(100);
      const b = await takeover();
      await clock.advanceAsync(4000);
      expect(b.received).toContain('REGISTER 3');
      expect(made.connected).toBe(true);
    });

    it('keeps the connection of a master that was only busy', async () => {
      const client = new MfsClient(await started());
      const held: (() => void)[] = [];
      a.on(CLTOMA_FUSE_GETATTR, ({ msgid }, connection) => {
        held.push(() => connection.send(getattrAnswer(msgid)));
        return undefined;
      });
      a.silent = false;
      const answer = client.getattr(root, 1);
      await clock.advanceAsync(5);
      for (const connection of a.connections) connection.setKeepalive({});
      a.silent = true;
      await clock.advanceAsync(6000);
      expect(a.connections.size).toBeGreaterThan(1);
      held[0]?.();
      await during(answer, 100);
      await clock.advanceAsync(100);
      expect(a.connections.size).toBe(1);
      expect(a.received.filter((one) => one === 'REGISTER 3')).toEqual([]);
      expect(held.length).toBe(1);
    });

    it('takes the session over when exports have changed', async () => {
      const made = await started();
      a.reconnectStatus = MFS_ERROR_EPERM;
      network.cut('client');
      await clock.advanceAsync(500);
      expect(a.received.filter((one) => one.startsWith('REGISTER'))).toEqual([
        'REGISTER 2',
        'REGISTER 3',
        'REGISTER 2',
      ]);
      expect(made.info.sessionId).toBe(7);
    });

    it('makes a new session where the old one is forgotten, and tells what is open', async () => {
      const made = await started();
      made.openInodes.acquire(12);
      made.openInodes.acquire(4);
      const fresh: boolean[] = [];
      made.listen({ connected: (_info, one) => fresh.push(one) });
      a.sessions.clear();
      network.cut('client');
      await clock.advanceAsync(500);
      expect(made.info.sessionId).toBe(8);
      expect(fresh).toEqual([true]);
      expect(a.sustained).toEqual([[4, 12]]);
    });

    it('refuses a master of another file system, and goes on with the right one', async () => {
      const made = await started();
      const client = new MfsClient(made);
      network.crash('a');
      const foreign = await takeover('b', (master) => (master.metaid = 5n));
      const waiting = client.getattr(root, 1);
      await expect(during(waiting)).rejects.toThrow(/serves another file system \(metaid 0000000000000005/);
      await expect(client.getattr(root, 1)).rejects.toMatchObject({ code: 'EIO' });
      expect(foreign.received).not.toContain('REGISTER 2');
      await takeover('c', (master) => master.on(CLTOMA_FUSE_GETATTR, ({ msgid }) => getattrAnswer(msgid)));
      await clock.advanceAsync(5000);
      await during(client.getattr(root, 1), 100);
      expect(made.info.sessionId).toBe(7);
    });

    it('lets requests fail after the limit only, and works again afterwards', async () => {
      const client = new MfsClient(await started({ outageLimitMs: 30_000 }));
      network.crash('a');
      const waiting = client.getattr(root, 1);
      await clock.advanceAsync(29_000);
      await expect(during(waiting, 2000)).rejects.toMatchObject({ code: 'EIO', operation: 'getattr' });
      await takeover('b', (master) => master.on(CLTOMA_FUSE_GETATTR, ({ msgid }) => getattrAnswer(msgid)));
      await clock.advanceAsync(1000);
      await during(client.getattr(root, 1), 100);
    });

    it('waits for ever by default', async () => {
      const client = new MfsClient(await started());
      network.crash('a');
      const answer = client.getattr(root, 1);
      await clock.advanceAsync(3_600_000);
      await takeover('b', (master) => master.on(CLTOMA_FUSE_GETATTR, ({ msgid }) => getattrAnswer(msgid)));
      await during(answer, 1000);
    });

    it('gives a hung master, which accepts and says nothing, more time from try to try', async () => {
      const made = await started();
      a.silent = true;
      network.cut('client');
      await clock.advanceAsync(20_000);
      expect(a.connections.size).toBeLessThanOrEqual(8);
      a.silent = false;
      await clock.advanceAsync(1000);
      expect(made.connected).toBe(true);
    });
  });

  describe('sent twice', () => {
    /** The first master executes and dies before it answers; the second one runs `again`. */
    async function lostAnswer(
      prepare: (first: FakeMaster) => void,
      again: (second: FakeMaster) => void,
    ): Promise<void> {
      prepare(a);
      await clock.advanceAsync(20);
      network.crash('a');
      await takeover('b', again);
    }

    it('mkdir finds its own directory', async () => {
      const client = new MfsClient(await started());
      a.on(CLTOMA_FUSE_MKDIR, () => undefined);
      const made = client.mkdir(user, 1, name, 0o755);
      const found = { inode: 9, attributes: attributes({ type: TYPE_DIRECTORY, uid: 1000 }), lflags: 0 };
      await lostAnswer(
        () => undefined,
        (b) => {
          b.on(CLTOMA_FUSE_MKDIR, ({ msgid }) =>
            MATOCL_FUSE_MKDIR.encode({ variant: 'status', msgid, status: MFS_ERROR_EEXIST }),
          );
          b.on(CLTOMA_FUSE_LOOKUP, ({ msgid }) => MATOCL_FUSE_LOOKUP.encode({ variant: 'ok', msgid, ...found }));
        },
      );
      expect(await during(made)).toMatchObject({ inode: 9 });
    });

    const exists = (b: FakeMaster): void =>
      void b.on(CLTOMA_FUSE_MKDIR, ({ msgid }) =>
        MATOCL_FUSE_MKDIR.encode({ variant: 'status', msgid, status: MFS_ERROR_EEXIST }),
      );

    it.each([
      ['of somebody else', { uid: 5 }],
      ['that is older', { ctime: 1_500_000_000 }],
      ['of another type', { type: TYPE_SYMLINK }],
    ])('mkdir reports something %s', async (_text, more) => {
      const client = new MfsClient(await started());
      a.on(CLTOMA_FUSE_MKDIR, () => undefined);
      const made = client.mkdir(user, 1, name, 0o755);
      const found = { inode: 9, attributes: attributes({ type: TYPE_DIRECTORY, uid: 1000, ...more }), lflags: 0 };
      await lostAnswer(
        () => undefined,
        (b) => {
          exists(b);
          b.on(CLTOMA_FUSE_LOOKUP, ({ msgid }) => MATOCL_FUSE_LOOKUP.encode({ variant: 'ok', msgid, ...found }));
        },
      );
      await expect(during(made)).rejects.toMatchObject({ code: 'EEXIST' });
    });

    it.each([
      ['finds its own file', [3, 9], false, undefined],
      ['reports a file that another session made', [3], false, 'EEXIST'],
      ['reports a file that it had open before', [3, 9], true, 'EEXIST'],
    ])('create %s', async (_text, openAtMaster, openHere, code) => {
      const session = await started();
      const client = new MfsClient(session);
      if (openHere) session.openInodes.acquire(9);
      a.on(CLTOMA_FUSE_CREATE, () => undefined);
      const made = client.create(user, 1, name, 0o644);
      const found = { inode: 9, attributes: attributes({ uid: 1000 }), lflags: 0 };
      await lostAnswer(
        () => undefined,
        (b) => {
          b.on(CLTOMA_FUSE_CREATE, ({ msgid }) =>
            MATOCL_FUSE_CREATE.encode({ variant: 'status', msgid, status: MFS_ERROR_EEXIST }),
          );
          b.on(CLTOMA_FUSE_LOOKUP, ({ msgid }) => MATOCL_FUSE_LOOKUP.encode({ variant: 'ok', msgid, ...found }));
          b.on(CLTOMA_LIST_OPEN_FILES, (request) => {
            expect(request).toMatchObject({ variant: 'msgid', sessionId: 7 });
            const msgid = request.variant === 'msgid' ? request.msgid : 0;
            return MATOCL_LIST_OPEN_FILES.encode({ numbers: [msgid, ...openAtMaster] });
          });
        },
      );
      if (code !== undefined) return void (await expect(during(made)).rejects.toMatchObject({ code }));
      expect(await during(made)).toMatchObject({ inode: 9 });
      expect(session.openInodes.has(9)).toBe(true);
    });

    it('symlink compares the target', async () => {
      const client = new MfsClient(await started());
      a.on(CLTOMA_FUSE_SYMLINK, () => undefined);
      const made = client.symlink(user, 1, name, Buffer.from('there'));
      const found = { inode: 9, attributes: attributes({ type: TYPE_SYMLINK, uid: 1000 }), lflags: 0 };
      await lostAnswer(
        () => undefined,
        (b) => {
          b.on(CLTOMA_FUSE_SYMLINK, ({ msgid }) =>
            MATOCL_FUSE_SYMLINK.encode({ variant: 'status', msgid, status: MFS_ERROR_EEXIST }),
          );
          b.on(CLTOMA_FUSE_LOOKUP, ({ msgid }) => MATOCL_FUSE_LOOKUP.encode({ variant: 'ok', msgid, ...found }));
          b.on(CLTOMA_FUSE_READLINK, ({ msgid }) =>
            MATOCL_FUSE_READLINK.encode({ variant: 'ok', msgid, target: Buffer.from('elsewhere') }),
          );
        },
      );
      await expect(during(made)).rejects.toMatchObject({ code: 'EEXIST' });
    });

    it('unlink is content with the name being gone', async () => {
      const client = new MfsClient(await started());
      a.on(CLTOMA_FUSE_UNLINK, () => undefined);
      const removed = client.unlink(user, 1, name);
      const gone = (b: FakeMaster): void =>
        void b.on(CLTOMA_FUSE_UNLINK, ({ msgid }) =>
          MATOCL_FUSE_UNLINK.encode({ variant: 'status', msgid, status: MFS_ERROR_ENOENT }),
        );
      await lostAnswer(() => undefined, gone);
      expect(await during(removed)).toBe(0);
      // Asked once, the same answer is an error.
      await expect(during(client.unlink(user, 1, name))).rejects.toMatchObject({ code: 'ENOENT' });
    });

    it('write chunk goes on with the lock it may have got', async () => {
      const client = new MfsClient(await started());
      const flags: number[] = [];
      a.on(CLTOMA_FUSE_WRITE_CHUNK, (request) => void flags.push(request.flags) as undefined);
      let sentAgain = 0;
      const written = client.writeChunk(3, 0, 4, () => sentAgain++);
      await lostAnswer(
        () => undefined,
        (b) =>
          b.on(CLTOMA_FUSE_WRITE_CHUNK, (request) => {
            flags.push(request.flags);
            const chunk = { protocol: 2 as const, length: 0, chunkId: 8, version: 1, locations: [] };
            return MATOCL_FUSE_WRITE_CHUNK.encode({ variant: 'ok', msgid: request.msgid, ...chunk });
          }),
      );
      expect(await during(written)).toMatchObject({ chunkId: 8, servers: [] });
      expect(flags).toEqual([4, 4 | CHUNKOPFLAG_CONTINUEOP]);
      expect(sentAgain).toBe(1);
    });
  });

  it.each([1, 2, 3, 4, 5])('shows no error, whenever connections break (seed %d)', async (seed) => {
    const random = new SeededRandom(seed);
    const names = new Map<string, number>();
    let inodes = 1;
    let executed = 0;
    /** Executes, and loses the connection before, after, or on the way of the answer. */
    const perhaps = (answer: Buffer): Buffer | undefined => {
      executed++;
      const dice = random.below(6);
      if (dice < 2) clock.after(dice, () => network.cut('client'));
      return dice === 2 ? void network.cut('client') : answer;
    };
    a.on(CLTOMA_FUSE_MKDIR, ({ msgid, name: bytes }) => {
      if (names.has(bytes.toString()))
        return perhaps(MATOCL_FUSE_MKDIR.encode({ variant: 'status', msgid, status: MFS_ERROR_EEXIST }));
      names.set(bytes.toString(), ++inodes);
      const made = { inode: inodes, attributes: attributes({ type: TYPE_DIRECTORY, uid: 1000 }) };
      return perhaps(MATOCL_FUSE_MKDIR.encode({ variant: 'ok', msgid, ...made }));
    })
      .on(CLTOMA_FUSE_LOOKUP, ({ msgid, name: bytes }) => {
        const inode = names.get(bytes.toString());
        if (inode === undefined)
          return perhaps(MATOCL_FUSE_LOOKUP.encode({ variant: 'status', msgid, status: MFS_ERROR_ENOENT }));
        const found = { inode, attributes: attributes({ type: TYPE_DIRECTORY, uid: 1000 }), lflags: 0 };
        return perhaps(MATOCL_FUSE_LOOKUP.encode({ variant: 'ok', msgid, ...found }));
      })
      .on(CLTOMA_FUSE_UNLINK, ({ msgid, name: bytes }) => {
        const inode = names.get(bytes.toString());
        names.delete(bytes.toString());
        return perhaps(
          inode === undefined
            ? MATOCL_FUSE_UNLINK.encode({ variant: 'status', msgid, status: MFS_ERROR_ENOENT })
            : MATOCL_FUSE_UNLINK.encode({ variant: 'ok', msgid, inode }),
        );
      });
    const client = new MfsClient(await started());
    const worker = async (id: number): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        const one = Buffer.from(`${id}-${i}`);
        const { inode } = await client.mkdir(user, 1, one, 0o755);
        expect(inode).toBe(names.get(one.toString()));
        if (i % 2 === 0) await client.unlink(user, 1, one);
      }
    };
    await during(Promise.all([worker(0), worker(1), worker(2)]), 600_000, 100);
    expect([...names.keys()].every((one) => Number(one.split('-')[1]) % 2 === 1)).toBe(true);
    expect(names.size).toBe(60);
    expect(executed).toBeGreaterThan(180); // some were executed twice
    expect(client.session.info.sessionId).toBe(7);
  });

  describe('is not harmed by', () => {
    it.each([
      ['an answer nobody asked for', getattrFrame(999)],
      ['a truncated answer', Buffer.from('0000019900000002abcd', 'hex')],
      ['an unknown unsolicited message', Buffer.from('000003e70000000400000000', 'hex')],
      ['a notification of wrong length', Buffer.from('000002be000000050000000001', 'hex')],
      ['an oversized packet', Buffer.from('00000199ffffffff', 'hex')],
    ])('%s: connects again', async (_text, frame) => {
      const made = await started();
      a.on(CLTOMA_FUSE_GETATTR, ({ msgid }) => getattrAnswer(msgid));
      a.tell(frame);
      await clock.advanceAsync(500);
      expect(a.received.filter((one) => one === 'REGISTER 3').length).toBe(1);
      expect(made.connected).toBe(true);
      await during(new MfsClient(made).getattr(root, 1), 100);
    });

    it('an answer of the wrong kind: asks again, three times', async () => {
      const client = new MfsClient(await started());
      let asked = 0;
      a.on(CLTOMA_FUSE_GETATTR, ({ msgid }) => {
        asked++;
        return MATOCL_FUSE_UNLINK.encode({ variant: 'ok', msgid, inode: 1 });
      });
      await expect(during(client.getattr(root, 1))).rejects.toMatchObject({ code: 'EIO' });
      expect(asked).toBe(3);
    });

    it('an answer that cannot be read: that operation fails', async () => {
      const made = await started();
      const client = new MfsClient(made);
      a.on(CLTOMA_FUSE_GETATTR, ({ msgid }) =>
        Buffer.concat([getattrAnswer(msgid).subarray(0, 20), Buffer.alloc(32, 255)]),
      );
      await expect(during(client.getattr(root, 1))).rejects.toThrow(/MATOCL_FUSE_GETATTR|makes no sense/);
      a.on(CLTOMA_FUSE_GETATTR, ({ msgid }) => getattrAnswer(msgid));
      await during(client.getattr(root, 1), 1000);
    });

    it('a caller that gives up', async () => {
      const made = await started();
      const client = new MfsClient(made);
      const late: (() => void)[] = [];
      a.on(CLTOMA_FUSE_GETATTR, ({ msgid, inode }, connection) => {
        if (inode === 2) return getattrAnswer(msgid);
        late.push(() => connection.send(getattrAnswer(msgid)));
        return undefined;
      });
      const abort = new AbortController();
      const added = jest.spyOn(abort.signal, 'addEventListener');
      const removed = jest.spyOn(abort.signal, 'removeEventListener');
      const caller = { ...root, signal: abort.signal };
      const given = Promise.allSettled(Array.from({ length: 20 }, () => client.getattr(caller, 1)));
      await during(client.getattr(caller, 2), 100);
      abort.abort();
      const reasons = (await during(given)).map((one) => (one as PromiseRejectedResult).reason as Error);
      expect(reasons.map((one) => one.name)).toEqual(new Array(20).fill('AbortError'));
      expect([added.mock.calls.length, removed.mock.calls.length]).toEqual([1, 1]);
      await expect(client.getattr(caller, 2)).rejects.toMatchObject({ name: 'AbortError' });
      for (const answer of late) answer();
      await during(client.getattr(root, 2), 100);
      expect(a.received.filter((one) => one.startsWith('REGISTER'))).toEqual(['REGISTER 2']);
    });
  });

  describe('reports', () => {
    it('open inodes each minute, and released ones for ten more reports', async () => {
      const made = await started();
      made.openInodes.acquire(3);
      made.openInodes.acquire(3);
      made.openInodes.acquire(2);
      await clock.advanceAsync(61_000);
      made.openInodes.release(3);
      made.openInodes.release(2);
      await clock.advanceAsync(11 * 60_500);
      expect(a.sustained.slice(0, 2)).toEqual([
        [2, 3],
        [2, 3],
      ]);
      expect(a.sustained.filter((one) => one.includes(2)).length).toBe(11);
      expect(a.sustained.at(-1)).toEqual([3]);
    });

    it('not while a create has no answer', async () => {
      const made = await started();
      const client = new MfsClient(made);
      let answer: (() => void) | undefined;
      a.on(CLTOMA_FUSE_CREATE, ({ msgid }, connection) => {
        answer = () =>
          connection.send(
            MATOCL_FUSE_CREATE.encode({ variant: 'ok', msgid, oflags: 0, inode: 5, attributes: attributes() }),
          );
        return undefined;
      });
      const created = client.create(root, 1, name, 0o644);
      await clock.advanceAsync(120_000);
      expect(a.sustained).toEqual([]);
      answer?.();
      await during(created);
      await clock.advanceAsync(1000);
      expect(a.sustained).toEqual([[5]]);
    });

    it('times of files twice, unless they were set meanwhile', async () => {
      const made = await started();
      made.times.modified(3, 1000);
      made.times.accessed(4, 2000);
      made.times.modified(9, 1);
      made.times.forget(9);
      await clock.advanceAsync(5000);
      const report = [
        { inode: 3, atime: 0, mtime: 1000 },
        { inode: 4, atime: 2000, mtime: 0 },
      ];
      expect(a.times).toEqual([report, report]);
    });

    it('that it is alive', async () => {
      await started();
      let nops = 0;
      for (const connection of a.connections) {
        const { send } = connection;
        connection.send = (...parts) => {
          if (parts[0]?.equals(NOP_CLIENT_FRAME)) nops++;
          return send.apply(connection, parts);
        };
      }
      await clock.advanceAsync(120_000);
      expect(nops).toBeGreaterThan(50);
      expect(a.received.filter((one) => one.startsWith('REGISTER'))).toEqual(['REGISTER 2']);
      expect(a.received.filter((one) => one === 'CLTOMA_FUSE_TIME_SYNC').length).toBeGreaterThanOrEqual(2);
    });
  });
});

function getattrFrame(msgid: number): Buffer {
  const nothing = { uid: 0, gid: 0, atime: 0, mtime: 0, ctime: 0, nlink: 0, length: 0, rdev: 0, winattr: 0 };
  return MATOCL_FUSE_GETATTR.encode({
    variant: 'ok',
    msgid,
    attributes: { flags: 0, type: TYPE_FILE, mode: 0, ...nothing },
  });
}
