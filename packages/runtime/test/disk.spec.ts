import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';

import {
  atomicReplace,
  atomicReplaceSync,
  atomicWriteFile,
  type Disk,
  DiskError,
  type DiskOperation,
  MemoryDisk,
  nodeDisk,
  readWholeFile,
  SeededRandom,
} from '../src/index.js';

const contents = async (disk: Disk, path: string): Promise<string | undefined> =>
  (await readWholeFile(disk, path))?.toString();

describe.each(['node', 'memory'])('%s disk', (kind) => {
  let dir: string;
  let disk: Disk;
  beforeEach(async () => {
    dir = kind === 'node' ? mkdtempSync(join(tmpdir(), 'runtime-disk-')) : '/data';
    disk = kind === 'node' ? nodeDisk : new MemoryDisk();
    if (kind === 'memory') await disk.mkdir(dir);
  });
  afterEach(() => {
    if (kind === 'node') rmSync(dir, { recursive: true });
  });
  const failing = async (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'no error',
      (error: unknown) => {
        expect(error).toBeInstanceOf(DiskError);
        return (error as DiskError).code;
      },
    );

  it('writes at positions and in parts, reads, truncates', async () => {
    const path = join(dir, 'file');
    const file = await disk.open(path, 'wx', 0o600);
    await file.write([Buffer.from('hello'), Buffer.alloc(0), Buffer.from(' world')], 0);
    await file.write(Buffer.from('J'), 0);
    await file.write(Buffer.from('end'), 20);
    await file.sync();
    expect(await file.stat()).toMatchObject({ kind: 'file', sizeBytes: 23, mode: 0o600 });
    await file.close();
    expect(await contents(disk, path)).toBe('Jello world\0\0\0\0\0\0\0\0\0end');
    const again = await disk.open(path, 'r+');
    await again.truncate(3);
    await again.truncate(5);
    const buffer = Buffer.alloc(10, 1);
    expect(await again.read(buffer, 1)).toBe(4);
    expect(buffer.subarray(0, 5)).toEqual(Buffer.from([101, 108, 0, 0, 1]));
    expect(await again.read(buffer, 99)).toBe(0);
    await again.close();
  });

  it('writes more parts than one call takes', async () => {
    const path = join(dir, 'many');
    const file = await disk.open(path, 'w');
    const parts = Array.from({ length: 3000 }, (_, i) => Buffer.from(`${i},`));
    await file.write(parts, 0);
    await file.close();
    expect(await contents(disk, path)).toBe(Buffer.concat(parts).toString());
  });

  it('appends', async () => {
    const path = join(dir, 'log');
    for (const text of ['one\n', 'two\n']) {
      const file = await disk.open(path, 'a');
      await file.write([Buffer.from(text)], 0);
      await file.close();
    }
    expect(await contents(disk, path)).toBe('one\ntwo\n');
  });

  it('keeps folders', async () => {
    await disk.mkdir(join(dir, 'a/b'), { recursive: true });
    await disk.mkdir(join(dir, 'a/b'), { recursive: true });
    await atomicWriteFile(disk, join(dir, 'a/z'), Buffer.from('z'));
    await disk.rename(join(dir, 'a/z'), join(dir, 'a/b/y'));
    await disk.rename(join(dir, 'a'), join(dir, 'c'));
    expect(await disk.readdir(join(dir, 'c'))).toEqual(['b']);
    expect(await contents(disk, join(dir, 'c/b/y'))).toBe('z');
    expect(await disk.stat(join(dir, 'a'))).toBeUndefined();
    expect(await disk.stat(join(dir, 'c'))).toMatchObject({ kind: 'directory' });
    expect(await failing(disk.rmdir(join(dir, 'c/b')))).toBe('ENOTEMPTY');
    await disk.unlink(join(dir, 'c/b/y'));
    await disk.rmdir(join(dir, 'c/b'));
    await disk.syncDirectory(dir);
    expect(await disk.readdir(join(dir, 'c'))).toEqual([]);
    const space = await disk.statfs(dir);
    expect(space.totalBytes).toBeGreaterThanOrEqual(space.availableBytes);
    expect(space.availableBytes).toBeGreaterThan(0);
  });

  it('fails with typed errors', async () => {
    const path = join(dir, 'none');
    expect(await failing(disk.open(path, 'r'))).toBe('ENOENT');
    expect(await failing(disk.open(path, 'r+'))).toBe('ENOENT');
    expect(await failing(disk.unlink(path))).toBe('ENOENT');
    expect(await failing(disk.rename(path, join(dir, 'x')))).toBe('ENOENT');
    expect(await failing(disk.readdir(path))).toBe('ENOENT');
    expect(await failing(disk.rmdir(path))).toBe('ENOENT');
    expect(await failing(disk.mkdir(join(path, 'x')))).toBe('ENOENT');
    expect(await failing(disk.mkdir(dir))).toBe('EEXIST');
    expect(await failing(disk.open(dir, 'w'))).toBe('EISDIR');
    const file = await disk.open(path, 'w');
    expect(await failing(file.read(Buffer.alloc(1), 0))).toBe('EBADF');
    await file.close();
    expect(await failing(file.write(Buffer.from('x'), 0))).toBe('EBADF');
    expect(await failing(disk.open(path, 'wx'))).toBe('EEXIST');
    expect(await failing(readWholeFile(disk, path, -1))).toBe('EFBIG');
    expect(await readWholeFile(disk, join(dir, 'nothing'))).toBeUndefined();
    await expect(disk.open(join(dir, 'gone'), 'r')).rejects.toThrow(
      `${join(dir, 'gone')}: open: no such file or directory`,
    );
  });

  it('replaces files as a whole, and leaves the old one when that fails', async () => {
    const path = join(dir, 'file');
    await atomicWriteFile(disk, path, [Buffer.from('old')]);
    expect(await disk.stat(path)).toMatchObject({ mode: 0o640 });
    await atomicWriteFile(disk, path, Buffer.from('new'));
    await expect(
      atomicReplace(disk, path, async (file) => {
        await file.write(Buffer.from('broken'), 0);
        throw new Error('source failed');
      }),
    ).rejects.toThrow('source failed');
    expect(await contents(disk, path)).toBe('new');
    expect(await disk.readdir(dir)).toEqual(['file']);
  });
});

describe('atomicReplaceSync', () => {
  let dir: string;

  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'wapiti-replace-'))));
  afterEach(() => rmSync(dir, { recursive: true }));

  it('replaces a file as a whole', () => {
    const path = join(dir, 'file');
    writeFileSync(path, 'a longer old one');
    atomicReplaceSync(path, [Buffer.from('the '), Buffer.alloc(0), Buffer.from('new one')]);
    expect(readFileSync(path, 'utf8')).toBe('the new one');
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(readdirSync(dir)).toEqual(['file']);
  });

  it('leaves the old file, and nothing beside it, when the contents cannot be made or the file cannot be replaced', () => {
    const path = join(dir, 'file');
    writeFileSync(path, 'old');
    const broken = function* (): Generator<Buffer> {
      yield Buffer.from('new');
      throw new RangeError('source failed');
    };
    expect(() => atomicReplaceSync(path, broken())).toThrow('source failed');
    expect(readFileSync(path, 'utf8')).toBe('old');
    mkdirSync(join(dir, 'folder'));
    expect(() => atomicReplaceSync(join(dir, 'folder'), [Buffer.from('new')])).toThrow(/EISDIR/);
    expect(() => atomicReplaceSync(join(dir, 'nothing', 'file'), [])).toThrow(/ENOENT/);
    expect(readdirSync(dir).sort()).toEqual(['file', 'folder']);
  });
});

describe('MemoryDisk faults', () => {
  it('fails chosen calls on chosen files', async () => {
    const disk = new MemoryDisk();
    disk.fail({ operation: 'write', path: /log$/, code: 'EIO', skip: 1, writtenBytes: 2 });
    const log = await disk.open('/log', 'a');
    const other = await disk.open('/other', 'w');
    await log.write(Buffer.from('one\n'), 0);
    await other.write(Buffer.from('x'), 0);
    await expect(log.write(Buffer.from('two\n'), 0)).rejects.toMatchObject({
      code: 'EIO',
      operation: 'write',
      path: '/log',
    });
    await log.write(Buffer.from('three\n'), 0);
    expect(await contents(disk, '/log')).toBe('one\ntwthree\n');
    disk.fail({ operation: 'fsync', code: 'EIO', times: Infinity });
    await expect(log.sync()).rejects.toMatchObject({ code: 'EIO' });
    await expect(other.sync()).rejects.toMatchObject({ code: 'EIO' });
    disk.repair();
    await log.sync();
    expect(disk.counts.write).toBe(4);
  });

  it('gets full, in the middle of a write', async () => {
    const disk = new MemoryDisk({ capacityBytes: 10 });
    const file = await disk.open('/f', 'w');
    await file.write(Buffer.from('12345678'), 0);
    await expect(file.write(Buffer.from('abcdef'), 8)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await contents(disk, '/f')).toBe('12345678ab');
    expect((await disk.statfs('/')).availableBytes).toBe(0);
    await file.write(Buffer.from('XY'), 0); // overwriting needs no room
    disk.capacityBytes = 20;
    await file.write(Buffer.from('abcdef'), 8);
    expect(await contents(disk, '/f')).toBe('XY345678abcdef');
  });

  it('loses in a crash what was not synced, names included', async () => {
    const disk = new MemoryDisk();
    const a = await disk.open('/a', 'w');
    await a.write(Buffer.from('safe'), 0);
    await a.sync();
    const b = await disk.open('/b', 'w');
    await b.write(Buffer.from('name lost'), 0);
    await b.sync();
    await disk.unlink('/b');
    await disk.syncDirectory('/');
    await a.write(Buffer.from('lost'), 4);
    const c = await disk.open('/c', 'w');
    await c.sync();
    disk.crash();
    expect(await disk.readdir('/')).toEqual(['a']);
    expect(await contents(disk, '/a')).toBe('safe');
    await expect(a.write(Buffer.from('x'), 0)).rejects.toMatchObject({ code: 'EBADF' });
  });

  /** Every operation that atomicWriteFile makes fails in turn, or is the last before the crash. */
  it('atomicWriteFile leaves the old or the new file, whatever fails and wherever the machine stops', async () => {
    const operations: DiskOperation[] = ['open', 'write', 'fsync', 'rename'];
    for (const operation of operations) {
      for (let skip = 0; skip < 2; skip++) {
        for (const writtenBytes of [0, 3]) {
          for (let seed = 0; seed < 20; seed++) {
            const disk = new MemoryDisk();
            await atomicWriteFile(disk, '/f', Buffer.from('the old one'));
            disk.fail({ operation, code: 'EIO', skip, writtenBytes, times: Infinity });
            const outcome = await atomicWriteFile(disk, '/f', Buffer.from('the new one')).then(
              () => 'done',
              (error: DiskError) => error.code,
            );
            disk.repair();
            const live = await contents(disk, '/f');
            disk.crash(seed === 0 ? undefined : new SeededRandom(seed));
            const after = await contents(disk, '/f');
            expect(['the old one', 'the new one']).toContain(live);
            expect(['the old one', 'the new one']).toContain(after);
            if (outcome === 'done') expect(after).toBe('the new one');
          }
        }
      }
    }
  });

  it('behaves as the real disk under random writes', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'runtime-disk-'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({ at: fc.nat(200), bytes: fc.uint8Array({ maxLength: 50 }) }),
            fc.record({ size: fc.nat(250) }),
          ),
          { maxLength: 20 },
        ),
        async (steps) => {
          const disks: [Disk, string][] = [
            [nodeDisk, join(dir, 'f')],
            [new MemoryDisk(), '/f'],
          ];
          const results = [];
          for (const [disk, path] of disks) {
            const file = await disk.open(path, 'w');
            for (const step of steps) {
              if ('size' in step) await file.truncate(step.size);
              else await file.write(Buffer.from(step.bytes), step.at);
            }
            await file.close();
            results.push((await readWholeFile(disk, path))?.toString('hex'));
          }
          expect(results[0]).toBe(results[1]);
        },
      ),
      { numRuns: 50 },
    );
    rmSync(dir, { recursive: true });
  });
});
