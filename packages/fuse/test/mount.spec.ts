import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rename, stat, statfs, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { mountDevFuse, MountError, type Mounted } from '../src/index.js';
import { MemoryFileSystem } from './memory-fs.js';

/**
 * Through the real kernel. Needs root and /dev/fuse. This process serves the file system and uses it: it must hold no
 * open file there while it starts a child, since exec closes the child's copy, which waits for an answer of this process.
 */
describe.each([
  ['by the event loop', undefined],
  ['by a thread', 1],
])('a file system mounted through /dev/fuse, read %s', (_by, readers) => {
  const fs = new MemoryFileSystem();
  let dir: string;
  let mounted: Mounted;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'wapiti-fuse-'));
    // a thread only: the tests use the same pool
    mounted = await mountDevFuse(fs, { mountPoint: dir, source: 'wapiti-test', readers });
  });

  afterAll(async () => {
    await mounted?.unmount();
    rmSync(dir, { recursive: true, force: true });
  });

  it('creates, writes, reads and lists', async () => {
    const data = randomBytes(3_000_017);
    await mkdir(join(dir, 'd'));
    await writeFile(join(dir, 'd', 'file'), data);
    expect((await readFile(join(dir, 'd', 'file'))).equals(data)).toBe(true);
    expect((await stat(join(dir, 'd', 'file'))).size).toBe(data.length);
    expect(await readdir(join(dir, 'd'))).toEqual(['file']);
    expect(await readdir(dir)).toEqual(['d']);
  });

  it('renames, truncates and removes', async () => {
    await writeFile(join(dir, 'a'), 'abcdef');
    await rename(join(dir, 'a'), join(dir, 'b'));
    await truncate(join(dir, 'b'), 3);
    expect(await readFile(join(dir, 'b'), 'utf8')).toBe('abc');
    await unlink(join(dir, 'b'));
    await expect(lstat(join(dir, 'b'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('tells the file system who asks', async () => {
    await promisify(execFile)('setpriv', [
      '--reuid=1234',
      '--regid=4321',
      '--clear-groups',
      'sh',
      '-c',
      `umask 027; echo x > ${dir}/mine`,
    ]);
    expect(fs.callers.at(-1)).toMatchObject({ uid: 1234, gid: 4321 });
    expect((await stat(join(dir, 'mine'))).mode & 0o777).toBe(0o640);
  });

  it('answers what the file system leaves out with ENOSYS, for that call only', async () => {
    await expect(promisify(execFile)('ln', ['-s', 'x', join(dir, 'link')])).rejects.toThrow(/not implemented/i);
    expect(await readdir(join(dir, 'd'))).toEqual(['file']);
  });

  it('reports the size of the file system', async () => {
    expect(await statfs(dir)).toMatchObject({ bsize: 65536, blocks: 100, bfree: 50, bavail: 40 });
  });

  it('a defect of the file system is EIO for that call and is reported', async () => {
    const defects: unknown[] = [];
    const broken = new MemoryFileSystem();
    broken.statfs = () => {
      throw new TypeError('defect');
    };
    const other = mkdtempSync(join(tmpdir(), 'wapiti-fuse-'));
    const mount = await mountDevFuse(broken, {
      mountPoint: other,
      source: 'wapiti-test',
      readers,
      onDefect: (error) => defects.push(error),
    });
    try {
      await expect(statfs(other)).rejects.toMatchObject({ code: 'EIO' });
      expect(defects).toEqual([expect.any(TypeError)]);
      expect(await readdir(other)).toEqual([]);
    } finally {
      await mount.unmount();
      rmSync(other, { recursive: true });
    }
  });

  it('a mount point that does not exist is a MountError naming it', async () => {
    await expect(mountDevFuse(fs, { mountPoint: join(dir, 'nowhere'), source: 'x' })).rejects.toThrow(MountError);
  });
});
