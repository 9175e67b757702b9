import type { DataEngine, InodeData } from '@wapiti-fs/client';
import { type Caller, fuseConstants, type FuseError, type OpenReply } from '@wapiti-fs/fuse';
import {
  type AttributeRecord,
  LOOKUP_ACCESS_MODE_R,
  LOOKUP_ACCESS_MODE_RW,
  LOOKUP_APPENDONLY,
  LOOKUP_IMMUTABLE,
  LOOKUP_KEEPCACHE,
  LOOKUP_RO_FILESYSTEM,
  MATTR_NOACACHE,
  MATTR_NOECACHE,
  OPEN_CACHE_CLEARED,
  OPEN_DIRECTMODE,
  OPEN_KEEPCACHE,
  OPEN_READ,
  TYPE_DIRECTORY,
  TYPE_FILE,
} from '@wapiti-fs/protocol';
import { FakeClock, memoryLogger } from '@wapiti-fs/runtime';

import type { InodeClient } from '../src/fs/context.js';
import { GroupsCache } from '../src/fs/groups.js';
import { MountFileSystem, parseMountCommand } from '../src/index.js';

const caller: Caller = { uid: 1000, gid: 100, pid: 7, unique: 1n };
const name = (text: string): Buffer => Buffer.from(text);
const O_WRONLY = 1;
const O_RDWR = 2;
const O_APPEND = 0o2000;

function record(changes: Partial<AttributeRecord> = {}): AttributeRecord {
  return {
    flags: 0,
    type: TYPE_FILE,
    mode: 0o644,
    uid: 0,
    gid: 0,
    atime: 10,
    mtime: 20,
    ctime: 30,
    nlink: 1,
    length: 100,
    rdev: 0,
    winattr: 0,
    ...changes,
  };
}

function refusal(code: string, status: number): Error {
  return Object.assign(new Error(code), { code, status });
}

interface Answer {
  resolve: (opened: unknown) => void;
  reject: (error: Error) => void;
}

/** Contents of a file without a cluster. */
class FakeData implements InodeData {
  dirty = false;
  readonly writes: [number, number][] = [];
  flushes = 0;
  failure: Error | undefined;
  closed: () => void = () => undefined;

  constructor(
    readonly inode: number,
    public length: number,
  ) {}

  reads = 0;

  read(): Promise<Buffer[]> {
    this.reads += 1;
    return Promise.resolve([Buffer.from('ab'), Buffer.from('c')]);
  }

  write(offset: number, data: Buffer): Promise<void> {
    this.writes.push([offset, data.length]);
    this.length = Math.max(this.length, offset + data.length);
    this.dirty = true;
    return Promise.resolve();
  }

  flush(): Promise<void> {
    this.flushes += 1;
    this.dirty = false;
    return this.failure === undefined ? Promise.resolve() : Promise.reject(this.failure);
  }

  async truncate(perform: () => Promise<number>): Promise<void> {
    await this.flush();
    this.length = await perform();
  }

  setLength(length: number): void {
    this.length = length;
  }

  readonly invalidate = jest.fn();

  close(): Promise<void> {
    return new Promise((resolve) => (this.closed = resolve));
  }
}

function setUp(options = ''): {
  fs: MountFileSystem;
  clock: FakeClock;
  client: { -readonly [Name in keyof InodeClient]: jest.Mock };
  files: Map<number, FakeData>;
} {
  const parsed = parseMountCommand(['/mnt', ...(options === '' ? [] : ['-o', options])], {
    programName: 'mfsmount',
    readFile: () => undefined,
  });
  if (parsed.kind !== 'mount') throw new Error(parsed.kind);
  const clock = new FakeClock();
  const files = new Map<number, FakeData>();
  const data = {
    open: (inode: number, length: number) => {
      const file = files.get(inode) ?? new FakeData(inode, length);
      files.set(inode, file);
      return file;
    },
    find: (inode: number) => files.get(inode),
  } as unknown as DataEngine;
  const method = (): jest.Mock => jest.fn(() => Promise.resolve(undefined));
  const client = {
    session: {
      info: { sessionId: 5, masterVersion: 0x000300ea },
      masterAddress: { address: '10.1.1.105', port: 9421 },
      masterNowS: () => 1000,
      times: { accessed: jest.fn(), modified: jest.fn(), pending: () => undefined },
    },
    directories: { readPlusOrPlain: method() },
    xattrs: { get: method(), set: method(), remove: method(), getAcl: method(), setAcl: method(), list: method() },
    locks: { posix: method(), flock: method() },
    lookup: jest.fn(() => Promise.resolve({ inode: 9, attributes: record(), lflags: 0 })),
    open: jest.fn(() => Promise.resolve({ oflags: 0, attributes: record() })),
    openAhead: jest.fn(() => Promise.resolve({ oflags: OPEN_KEEPCACHE, attributes: record() })),
    create: jest.fn(() => Promise.resolve({ inode: 9, oflags: 0, attributes: record({ length: 0 }) })),
    truncate: jest.fn(() => Promise.resolve({ prevLength: 500, attributes: record({ length: 50 }) })),
    unlink: jest.fn(() => Promise.resolve(9)),
    getattr: jest.fn(() => Promise.resolve(record())),
    setattr: jest.fn(() => Promise.resolve(record())),
    release: jest.fn(),
  } as unknown as { -readonly [Name in keyof InodeClient]: jest.Mock };
  const fs = new MountFileSystem({
    client: client as unknown as InodeClient,
    data,
    settings: parsed.settings,
    clock,
    log: memoryLogger(),
    groups: new GroupsCache(clock, parsed.settings.groupsCacheMs, () => 'Name:\tx\nGroups:\t100 27 4 \n'),
  });
  return { fs, clock, client, files };
}

describe('the mounted file system', () => {
  it('asks with the groups of the caller, read once', async () => {
    const { fs, client } = setUp();
    await fs.lookup(caller, 1, name('f'));
    expect(client.lookup).toHaveBeenLastCalledWith({ uid: 1000, gids: [100, 27, 4] }, 1, name('f'));
    const { fs: without, client: other } = setUp('mfsgroupscacheto=0');
    await without.lookup(caller, 1, name('f'));
    expect(other.lookup).toHaveBeenLastCalledWith({ uid: 1000, gids: [100] }, 1, name('f'));
  });

  it('lets the kernel keep names and attributes as long as options and master allow', async () => {
    const { fs, client } = setUp('mfsentrycacheto=3');
    const found = async (attributes: AttributeRecord): Promise<number[]> => {
      client.lookup.mockResolvedValueOnce({ inode: 9, attributes, lflags: 0 });
      const { entryTimeoutMs, attributesTimeoutMs } = await fs.lookup(caller, 1, name('f'));
      return [entryTimeoutMs, attributesTimeoutMs];
    };
    expect(await found(record())).toEqual([3000, 1000]);
    expect(await found(record({ type: TYPE_DIRECTORY }))).toEqual([1000, 1000]);
    expect(await found(record({ flags: MATTR_NOECACHE | MATTR_NOACACHE }))).toEqual([0, 0]);
  });

  it('shows the length of what was written here, and never a shorter one while it is on its way', async () => {
    const { fs, files, clock } = setUp();
    const { handle } = await fs.open(caller, 9, O_RDWR);
    await fs.write(caller, 9, handle, 1000, Buffer.alloc(24));
    expect((await fs.lookup(caller, 1, name('f'))).attributes.sizeBytes).toBe(1024);
    expect((await fs.getattr(caller, 9)).attributes.sizeBytes).toBe(1024);
    await fs.flush(caller, 9, handle, 1n);
    // an answer may still have been made before
    expect((await fs.getattr(caller, 9)).attributes.sizeBytes).toBe(1024);
    await clock.advanceAsync(3000);
    // nothing under way any more: another client may have cut it
    expect((await fs.getattr(caller, 9)).attributes.sizeBytes).toBe(100);
    expect(files.get(9)?.length).toBe(100);
  });

  it('close(2) tells that data did not arrive; a reader does not wait', async () => {
    const { fs, files } = setUp();
    const writer = await fs.open(caller, 9, O_WRONLY);
    const reader = await fs.open(caller, 9, 0);
    await fs.write(caller, 9, writer.handle, 0, Buffer.alloc(1));
    const file = files.get(9) as FakeData;
    file.failure = refusal('ENOSPC', 21);
    await fs.flush(caller, 9, reader.handle, 1n);
    expect(file.flushes).toBe(0);
    await expect(fs.flush(caller, 9, writer.handle, 1n)).rejects.toMatchObject({ code: 'ENOSPC' });
  });

  it('appends where the master says, after telling it what was written otherwise', async () => {
    const { fs, client, files } = setUp();
    const appender = await fs.open(caller, 9, O_WRONLY | O_APPEND);
    expect(appender.flags).toBe(fuseConstants.FOPEN_DIRECT_IO);
    await fs.write(caller, 9, appender.handle, 0, Buffer.alloc(10));
    const file = files.get(9) as FakeData;
    expect(client.truncate).toHaveBeenLastCalledWith({ uid: 0, gids: [0] }, 9, 10, 0x0b);
    expect([file.writes, file.flushes]).toEqual([[[500, 10]], 0]);
    const plain = await fs.open(caller, 9, O_WRONLY);
    await fs.write(caller, 9, plain.handle, 900, Buffer.alloc(10));
    await fs.write(caller, 9, appender.handle, 0, Buffer.alloc(10));
    expect(file.flushes).toBe(1);
  });

  it('says what the kernel may keep of the contents', async () => {
    const flags = async (options: string, oflags: number): Promise<number> => {
      const { fs, client } = setUp(options);
      client.open.mockResolvedValueOnce({ oflags, attributes: record() });
      return (await fs.open(caller, 9, 0)).flags;
    };
    expect(await flags('', 0)).toBe(0);
    expect(await flags('', OPEN_KEEPCACHE)).toBe(fuseConstants.FOPEN_KEEP_CACHE);
    expect(await flags('', OPEN_DIRECTMODE)).toBe(fuseConstants.FOPEN_DIRECT_IO);
    expect(await flags('mfscachemode=no', OPEN_KEEPCACHE)).toBe(0);
    expect(await flags('mfscachemode=yes', 0)).toBe(fuseConstants.FOPEN_KEEP_CACHE);
    expect(await flags('mfscachemode=direct', 0)).toBe(fuseConstants.FOPEN_DIRECT_IO);
  });

  it('does not keep pages of a file that was appended to past them', async () => {
    const { fs, client } = setUp();
    client.open.mockResolvedValue({ oflags: OPEN_KEEPCACHE, attributes: record() });
    const appender = await fs.open(caller, 9, O_WRONLY | O_APPEND);
    const flags = async (): Promise<number> => (await fs.open(caller, 9, 0)).flags;
    expect(await flags()).toBe(fuseConstants.FOPEN_KEEP_CACHE);
    await fs.write(caller, 9, appender.handle, 0, Buffer.alloc(10));
    expect(await flags()).toBe(0);
    expect(await flags()).toBe(fuseConstants.FOPEN_KEEP_CACHE);
  });

  it('gives an inode back to the master only when its data are written', async () => {
    const { fs, client, files } = setUp();
    const { handle } = await fs.open(caller, 9, O_WRONLY);
    await fs.release(caller, 9, handle, 0, undefined);
    expect(client.release).not.toHaveBeenCalled();
    files.get(9)?.closed();
    await fs.drained();
    expect(client.release).toHaveBeenCalledWith(9);
    await expect(fs.release(caller, 9, handle, 0, undefined)).rejects.toMatchObject({ errno: 9 });
  });

  it('forgets what was read when the master was away, once for each open file', async () => {
    const { fs, files } = setUp();
    expect(fs.forgetContents()).toEqual([]);
    await fs.open(caller, 9, 0);
    await fs.open(caller, 9, O_RDWR);
    expect(fs.forgetContents()).toEqual([9]);
    expect(files.get(9)?.invalidate).toHaveBeenCalledTimes(1);
  });

  it('answers the reader of a directory from its listing, until something changes', async () => {
    const { fs, client, clock } = setUp();
    const attributes = record({ length: 77 });
    client.directories = {
      readPlusOrPlain: jest.fn(() => Promise.resolve([{ name: name('f'), inode: 9, type: TYPE_FILE, attributes }])),
    } as unknown as jest.Mock;
    const other = { ...caller, pid: 8 };
    await fs.opendir(caller, 1);
    expect((await fs.lookup(caller, 1, name('f'))).attributes.sizeBytes).toBe(77);
    expect((await fs.getattr(caller, 9)).attributes.sizeBytes).toBe(77);
    expect(client.lookup).not.toHaveBeenCalled();
    expect((await fs.lookup(other, 1, name('f'))).attributes.sizeBytes).toBe(100);
    await fs.setattr(other, 9, { mode: 0o600 });
    expect((await fs.getattr(caller, 9)).attributes.sizeBytes).toBe(100);
    const { handle } = await fs.opendir(caller, 1);
    await fs.unlink(other, 1, name('f'));
    expect((await fs.lookup(caller, 1, name('f'))).attributes.sizeBytes).toBe(100);
    fs.releasedir(caller, 1, handle);
    await fs.opendir(caller, 1);
    await clock.advanceAsync(5000);
    expect((await fs.lookup(caller, 1, name('f'))).attributes.sizeBytes).toBe(100);
  });

  it('remembers what does not exist only if told to, until it is made', async () => {
    const { fs, client } = setUp('mfsnegentrycacheto=5');
    client.lookup.mockRejectedValue(refusal('ENOENT', 3));
    await expect(fs.lookup(caller, 1, name('f'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(() => fs.lookup(caller, 1, name('f'))).toThrow('errno 2');
    expect(client.lookup).toHaveBeenCalledTimes(1);
    await fs.create(caller, 1, name('f'), 0o644, O_WRONLY, 0o022);
    await expect(fs.lookup(caller, 1, name('f'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(client.lookup).toHaveBeenCalledTimes(2);
  });

  it('knows that a new file has no capabilities: the kernel asks before every write', async () => {
    const { fs, client } = setUp();
    await fs.create(caller, 1, name('f'), 0o644, O_WRONLY, 0o022);
    expect(() => fs.getxattr(caller, 9, name('security.capability'))).toThrow('errno 61');
    client.xattrs = { get: jest.fn(() => Promise.resolve(name('v'))) } as unknown as jest.Mock;
    expect(await fs.getxattr(caller, 9, name('user.a'))).toEqual(name('v'));
    expect(await fs.getxattr(caller, 9, name('user.a'))).toEqual(name('v'));
    expect((client.xattrs as unknown as { get: jest.Mock }).get).toHaveBeenCalledTimes(1);
  });

  describe('opening what was just looked up', () => {
    const R = LOOKUP_ACCESS_MODE_R;
    const RW = LOOKUP_ACCESS_MODE_RW;

    async function lookedUp(lflags: number): Promise<ReturnType<typeof setUp> & { readonly answer: Answer }> {
      const parts = setUp();
      const answer: Answer = { resolve: () => undefined, reject: () => undefined };
      parts.client.lookup.mockResolvedValue({ inode: 9, attributes: record(), lflags });
      parts.client.openAhead.mockImplementation(
        () => new Promise((resolve, reject) => Object.assign(answer, { resolve, reject })),
      );
      await parts.fs.lookup(caller, 1, name('f'));
      return { ...parts, answer };
    }

    it('is answered at once; reads wait for the master, but are under way already', async () => {
      const { fs, client, files, answer } = await lookedUp(R);
      const { handle, flags } = fs.open(caller, 9, 0) as OpenReply;
      expect(flags).toBe(0);
      expect(client.openAhead).toHaveBeenCalledWith(expect.anything(), 9, OPEN_READ | OPEN_CACHE_CLEARED);
      const read = jest.fn();
      const reading = Promise.resolve(fs.read(caller, 9, handle, 0, 3)).then(read);
      await new Promise(setImmediate);
      expect([files.get(9)?.reads, read.mock.calls.length]).toEqual([1, 0]);
      answer.resolve({ oflags: OPEN_KEEPCACHE, attributes: record() });
      await reading;
      await fs.read(caller, 9, handle, 0, 3);
      expect(files.get(9)?.reads).toBe(2);
      expect(files.get(9)?.invalidate).not.toHaveBeenCalled();
    });

    it('keeps the pages of the kernel if the master said so, and says nothing of dropped ones then', async () => {
      const { fs, client } = await lookedUp(R | LOOKUP_KEEPCACHE);
      expect((fs.open(caller, 9, 0) as OpenReply).flags).toBe(fuseConstants.FOPEN_KEEP_CACHE);
      expect(client.openAhead).toHaveBeenCalledWith(expect.anything(), 9, OPEN_READ);
    });

    it.each([
      ['others changed it', { oflags: 0, attributes: record() }],
      ['it is longer', { oflags: OPEN_KEEPCACHE, attributes: record({ length: 200 }) }],
    ])('reads again when %s meanwhile', async (_why, opened) => {
      const { fs, files, answer } = await lookedUp(R | LOOKUP_KEEPCACHE);
      const forgotten = jest.fn();
      fs.context.forgetPages = forgotten;
      const { handle } = fs.open(caller, 9, 0) as OpenReply;
      const reading = fs.read(caller, 9, handle, 0, 3);
      answer.resolve(opened);
      await reading;
      const file = files.get(9) as FakeData;
      expect([file.reads, file.length]).toEqual([2, opened.attributes.length]);
      expect(file.invalidate).toHaveBeenCalledTimes(1);
      expect(forgotten).toHaveBeenCalledWith(9);
    });

    it('a refusal of the master reaches whatever uses the file, and is not released twice', async () => {
      const { fs, client, files, answer } = await lookedUp(RW);
      const { handle } = fs.open(caller, 9, O_RDWR) as OpenReply;
      const uses = [
        fs.read(caller, 9, handle, 0, 3),
        fs.write(caller, 9, handle, 0, Buffer.alloc(1)),
        fs.fsync(caller, 9, handle),
        fs.setattr(caller, 9, { sizeBytes: 1, handle }),
        fs.flock(caller, 9, handle, 1n, 'write', false),
      ].map((use) => expect(Promise.resolve(use)).rejects.toMatchObject({ code: 'ENOENT' }));
      answer.reject(refusal('ENOENT', 3));
      await Promise.all(uses);
      await expect(fs.flush(caller, 9, handle, 1n)).rejects.toMatchObject({ code: 'ENOENT' });
      await fs.release(caller, 9, handle, 0, undefined);
      await new Promise(setImmediate);
      files.get(9)?.closed();
      await fs.drained();
      expect(files.get(9)?.writes).toEqual([]);
      expect(client.release).not.toHaveBeenCalled();
    });

    it('what the lookup does not allow is refused without the master', async () => {
      const attempt = async (lflags: number, flags: number): Promise<unknown> => {
        const { fs } = await lookedUp(lflags);
        try {
          return (fs.open(caller, 9, flags) as OpenReply).flags;
        } catch (error) {
          return (error as FuseError).errno;
        }
      };
      expect(await attempt(R, O_WRONLY)).toBe(13);
      expect(await attempt(R, O_RDWR)).toBe(13);
      expect(await attempt(RW, O_RDWR)).toBe(0);
      expect(await attempt(RW | LOOKUP_RO_FILESYSTEM, O_RDWR)).toBe(30);
      expect(await attempt(RW | LOOKUP_IMMUTABLE, O_RDWR)).toBe(1);
      expect(await attempt(R | LOOKUP_IMMUTABLE, 0)).toBe(0);
      expect(await attempt(RW | LOOKUP_APPENDONLY, O_RDWR)).toBe(fuseConstants.FOPEN_DIRECT_IO);
    });

    it.each([
      ['another thread', { ...caller, pid: 8 }, 9, 0, 0],
      ['another user', { ...caller, uid: 5 }, 9, 0, 0],
      ['another file', caller, 10, 0, 0],
      ['a later call', caller, 9, 0, 1000],
      ['a truncation', caller, 9, O_WRONLY | 0o1000, 0],
    ])('%s waits for the master', async (_who, who, inode, flags, laterMs) => {
      const { fs, client, clock } = await lookedUp(RW);
      await clock.advanceAsync(laterMs);
      await fs.open(who, inode, flags);
      expect(client.open).toHaveBeenCalledTimes(1);
      expect(client.openAhead).not.toHaveBeenCalled();
    });

    it('serves one open only', async () => {
      const { fs, client } = await lookedUp(R);
      void fs.open(caller, 9, 0);
      await fs.open(caller, 9, 0);
      expect([client.openAhead.mock.calls.length, client.open.mock.calls.length]).toEqual([1, 1]);
    });
  });

  it('has special files in its root', async () => {
    const { fs } = setUp();
    const info = await fs.lookup(caller, 1, name('.masterinfo'));
    expect(info).toMatchObject({ inode: 0x7fffffff, attributes: { sizeBytes: 14, mode: 0o100444 } });
    const { handle } = await fs.open(caller, info.inode, 0);
    expect(await fs.read(caller, info.inode, handle, 0, 4096)).toEqual(
      Buffer.from('0a01016924cd00000005000300ea', 'hex'),
    );
    expect(() => fs.mkdir(caller, 1, name('.stats'), 0o755, 0)).toThrow('errno 13');
    expect(() => fs.open(caller, 0x7ffffff5, 0)).toThrow('errno 13'); // .params: for root only
    expect(() => fs.setxattr(caller, 0x7fffffff, name('user.a'), name('v'), 0)).toThrow('errno 1');
    const stats = await fs.lookup(caller, 1, name('.stats'));
    const opened = await fs.open(caller, stats.inode, 0);
    const text = String(await fs.read(caller, stats.inode, opened.handle, 0, 65536));
    expect(text).toContain('fuse_ops.lookup.internal: 2\n');
    expect(text).toContain('fuse_ops.lookup: 2\n');
  });
});
