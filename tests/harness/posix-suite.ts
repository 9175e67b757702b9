/**
 * What programs expect of a mounted file system. One suite for every mount: run against the reference's, it says that the tests
 * are right; run against ours, that the mount is.
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  appendFile,
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';

import { run } from './processes.js';

const CHUNK = 64 << 20;

/** Defines the tests; `root` gives a directory of the mount that exists when they run. */
export function posixSuite(root: () => string): void {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(root(), 'posix-'));
    await chmod(dir, 0o777);
  });

  const path = (...names: string[]): string => join(dir, ...names);
  const as = (uid: number, groups: string, script: string): Promise<{ code: number | null; stdout: string }> =>
    run('setpriv', [`--reuid=${uid}`, `--regid=${uid}`, ...groups.split(' '), 'sh', '-c', script], {
      check: false,
      cwd: '/',
    });

  it('files are written, read, appended to and cut', async () => {
    const data = randomBytes(300_001);
    await writeFile(path('f'), data);
    expect((await readFile(path('f'))).equals(data)).toBe(true);
    await appendFile(path('f'), 'tail');
    expect((await stat(path('f'))).size).toBe(data.length + 4);
    await truncate(path('f'), 5);
    expect((await readFile(path('f'))).equals(data.subarray(0, 5))).toBe(true);
    await truncate(path('f'), 70_000);
    const grown = await readFile(path('f'));
    expect(grown.subarray(0, 5).equals(data.subarray(0, 5))).toBe(true);
    expect(grown.subarray(5).equals(Buffer.alloc(70_000 - 5))).toBe(true);
    await writeFile(path('f'), 'new'); // O_TRUNC
    expect(await readFile(path('f'), 'utf8')).toBe('new');
  });

  it('overwrites in the middle, across blocks and through two handles', async () => {
    const expected = randomBytes(400_000);
    await writeFile(path('f'), expected);
    const [a, b] = [await open(path('f'), 'r+'), await open(path('f'), 'r+')];
    for (let i = 0; i < 60; i++) {
      const part = randomBytes(1 + ((i * 7919) % 90_000));
      const offset = (i * 104_729) % (expected.length - part.length);
      part.copy(expected, offset);
      await (i % 2 ? a : b).write(part, 0, part.length, offset);
      if (i % 10 === 9) {
        const seen = Buffer.alloc(expected.length);
        await b.read(seen, 0, seen.length, 0);
        expect(seen.equals(expected)).toBe(true);
      }
    }
    await a.sync();
    await a.close();
    await b.close();
    expect((await readFile(path('f'))).equals(expected)).toBe(true);
  });

  it('a file being written has its length at once, and keeps its holes', async () => {
    const file = await open(path('sparse'), 'wx+');
    await file.write('start', 0);
    await file.write(Buffer.from('end'), 0, 3, CHUNK + 100);
    expect((await stat(path('sparse'))).size).toBe(CHUNK + 103);
    expect((await file.stat()).size).toBe(CHUNK + 103);
    const seen = Buffer.alloc(203);
    await file.read(seen, 0, 203, CHUNK - 100);
    expect(seen.subarray(0, 200).equals(Buffer.alloc(200))).toBe(true);
    expect(seen.subarray(200).toString()).toBe('end');
    await file.close();
    expect((await stat(path('sparse'))).size).toBe(CHUNK + 103);
  });

  it('O_EXCL finds the file that exists', async () => {
    await writeFile(path('f'), '1', { flag: 'wx' });
    await expect(writeFile(path('f'), '2', { flag: 'wx' })).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(open(path('f'), constants.O_CREAT | constants.O_EXCL)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await readFile(path('f'), 'utf8')).toBe('1');
  });

  it('renames, also over what exists', async () => {
    await writeFile(path('a'), 'a');
    await writeFile(path('b'), 'b');
    await rename(path('a'), path('b'));
    expect(await readFile(path('b'), 'utf8')).toBe('a');
    await expect(lstat(path('a'))).rejects.toMatchObject({ code: 'ENOENT' });
    await mkdir(path('d', '..', 'd'));
    await mkdir(path('d', 'e'));
    await rename(path('b'), path('d', 'e', 'c'));
    expect(await readFile(path('d', 'e', 'c'), 'utf8')).toBe('a');
    await expect(rename(path('d'), path('d', 'e', 'f'))).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(rename(path('none'), path('x'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('removes, and says why not', async () => {
    await mkdir(path('d'));
    await writeFile(path('d', 'f'), '');
    await expect(rmdir(path('d'))).rejects.toMatchObject({ code: 'ENOTEMPTY' });
    await expect(rmdir(path('d', 'f'))).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(unlink(path('none'))).rejects.toMatchObject({ code: 'ENOENT' });
    await unlink(path('d', 'f'));
    await rmdir(path('d'));
    await expect(readdir(path('d'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(writeFile(path('n'.repeat(256)), '')).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
    await writeFile(path('n'.repeat(255)), '');
  });

  it('a removed file lives as long as it is open', async () => {
    const file = await open(path('f'), 'wx+');
    await file.write('still here');
    await unlink(path('f'));
    expect(await readdir(dir)).toEqual([]);
    const seen = Buffer.alloc(10);
    await file.read(seen, 0, 10, 0);
    expect(seen.toString()).toBe('still here');
    await file.close();
  });

  it('links: hard and symbolic', async () => {
    await writeFile(path('f'), 'data');
    await link(path('f'), path('hard'));
    expect(await stat(path('hard'))).toMatchObject({ nlink: 2, size: 4, ino: (await stat(path('f'))).ino });
    await appendFile(path('hard'), '+');
    expect(await readFile(path('f'), 'utf8')).toBe('data+');
    await unlink(path('f'));
    expect((await stat(path('hard'))).nlink).toBe(1);
    await symlink('hard', path('soft'));
    expect(await readlink(path('soft'))).toBe('hard');
    expect((await lstat(path('soft'))).isSymbolicLink()).toBe(true);
    expect((await lstat(path('soft'))).size).toBe(4);
    expect(await readFile(path('soft'), 'utf8')).toBe('data+');
    await symlink('nowhere', path('broken'));
    await expect(readFile(path('broken'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('attributes are kept', async () => {
    await writeFile(path('f'), 'x');
    await chmod(path('f'), 0o4751);
    await chown(path('f'), 1234, 4321);
    expect(await stat(path('f'))).toMatchObject({ uid: 1234, gid: 4321 });
    await chmod(path('f'), 0o640);
    await utimes(path('f'), 1_000_000_000, 1_100_000_000);
    const { mode, atimeMs, mtimeMs } = await stat(path('f'));
    expect([mode & 0o7777, atimeMs, mtimeMs]).toEqual([0o640, 1_000_000_000_000, 1_100_000_000_000]);
    const before = Date.now();
    await writeFile(path('f'), 'changed');
    expect((await stat(path('f'))).mtimeMs).toBeGreaterThan(before - 3_000);
  });

  it('permissions hold for other users, with their groups and umask', async () => {
    await mkdir(path('private'), { mode: 0o700 });
    await writeFile(path('secret'), 's', { mode: 0o600 });
    await writeFile(path('team'), 't');
    await chown(path('team'), 0, 27);
    await chmod(path('team'), 0o640);
    const denied = await as(
      1000,
      '--clear-groups',
      `ls ${path('private')} || cat ${path('secret')} || cat ${path('team')}`,
    );
    expect(denied.code).not.toBe(0);
    expect(denied.stdout).toBe('');
    expect(await as(1000, '--groups=27', `cat ${path('team')}`)).toMatchObject({ code: 0, stdout: 't' });
    expect(
      await as(1000, '--clear-groups', `umask 027; echo mine > ${path('own')}; mkdir ${path('dir')}`),
    ).toMatchObject({
      code: 0,
    });
    const own = await stat(path('own'));
    expect([own.uid, own.gid, own.mode & 0o7777]).toEqual([1000, 1000, 0o640]);
    expect((await stat(path('dir'))).mode & 0o7777).toBe(0o750);
    expect((await as(1001, '--clear-groups', `rm -f ${path('own')} && test ! -e ${path('own')}`)).code).toBe(0);
    await chmod(dir, 0o1777);
    await writeFile(path('kept'), '');
    expect((await as(1001, '--clear-groups', `rm -f ${path('kept')}`)).code).not.toBe(0);
  });

  it('lists a large directory completely', async () => {
    const names = Array.from({ length: 1200 }, (_, i) => `entry-with-a-rather-long-name-${i}`);
    for (let i = 0; i < names.length; i += 100)
      await Promise.all(names.slice(i, i + 100).map((name) => writeFile(path(name), '')));
    expect((await readdir(dir)).sort()).toEqual([...names].sort());
    const { stdout } = await run('ls', ['-la', dir]);
    expect(stdout.trim().split('\n')).toHaveLength(names.length + 3);
    await rm(dir, { recursive: true });
  });

  it('many appending and writing at once lose nothing', async () => {
    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        const file = await open(path('log'), 'a');
        for (let i = 0; i < 20; i++) await file.write(`${writer}:${String(i).padStart(3, '0')}\n`);
        await file.close();
      }),
    );
    const lines = (await readFile(path('log'), 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(160);
    expect(new Set(lines).size).toBe(160);

    const file = await open(path('parts'), 'wx+');
    const parts = Array.from({ length: 40 }, () => randomBytes(50_000));
    await Promise.all(parts.map((part, i) => file.write(part, 0, part.length, i * part.length)));
    await file.close();
    expect((await readFile(path('parts'))).equals(Buffer.concat(parts))).toBe(true);
  });

  it('can be mapped into memory', async () => {
    const data = randomBytes(200_000);
    await writeFile(path('f'), data);
    const script = [
      'import hashlib, mmap, sys',
      'f = open(sys.argv[1], "r+b")',
      'm = mmap.mmap(f.fileno(), 0)',
      'print(hashlib.md5(m).hexdigest())',
      'm[100000:100005] = b"HELLO"',
      'm.flush()',
      'm.close()',
    ].join('\n');
    const { stdout } = await run('python3', ['-c', script, path('f')]);
    expect(stdout.trim()).toBe(createHash('md5').update(data).digest('hex'));
    data.write('HELLO', 100_000);
    expect((await readFile(path('f'))).equals(data)).toBe(true);
  });

  it('keeps extended attributes and special files', async () => {
    await writeFile(path('f'), '');
    const script = [
      'import os, stat, sys',
      'f = sys.argv[1] + "/f"',
      'os.setxattr(f, "user.colour", b"green")',
      'os.setxattr(f, "user.empty", b"")',
      'print(os.getxattr(f, "user.colour"), sorted(os.listxattr(f)))',
      'os.removexattr(f, "user.empty")',
      'print(os.listxattr(f))',
      'try: os.getxattr(f, "user.empty")',
      'except OSError as e: print(e.errno)',
      'os.mkfifo(sys.argv[1] + "/fifo")',
      'os.mknod(sys.argv[1] + "/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))',
      's = os.stat(sys.argv[1] + "/null")',
      'print(stat.S_ISCHR(s.st_mode), os.major(s.st_rdev), os.minor(s.st_rdev))',
      'print(stat.S_ISFIFO(os.stat(sys.argv[1] + "/fifo").st_mode))',
    ].join('\n');
    const { stdout } = await run('python3', ['-c', script, dir]);
    expect(stdout.trim().split('\n')).toEqual([
      "b'green' ['user.colour', 'user.empty']",
      "['user.colour']",
      '61',
      'True 1 3',
      'True',
    ]);
  });

  it('locks exclude each other', async () => {
    await writeFile(path('f'), '');
    const script = [
      'import fcntl, os, sys',
      'f, g = open(sys.argv[1], "r+"), open(sys.argv[1], "r+")',
      'fcntl.flock(f, fcntl.LOCK_EX)',
      'try: fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB); print("granted")',
      'except BlockingIOError: print("busy")',
      'fcntl.flock(f, fcntl.LOCK_UN)',
      'fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)',
      'print("then granted")',
      'fcntl.lockf(f, fcntl.LOCK_EX, 10, 5)',
      'sys.stdout.flush()',
      'pid = os.fork()',
      'if pid == 0:',
      '  h = open(sys.argv[1], "r+")',
      '  try: fcntl.lockf(h, fcntl.LOCK_EX | fcntl.LOCK_NB, 3, 6); print("granted")',
      '  except BlockingIOError: print("busy")',
      '  fcntl.lockf(h, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 0)',
      '  print("granted beside")',
      '  sys.stdout.flush(); os._exit(0)',
      'os.waitpid(pid, 0)',
    ].join('\n');
    const { stdout } = await run('python3', ['-c', script, path('f')]);
    expect(stdout.trim().split('\n')).toEqual(['busy', 'then granted', 'busy', 'granted beside']);
  });

  it('tells its size', async () => {
    const { bsize, blocks, bavail } = await statfs(dir);
    expect(bsize).toBe(65536);
    expect(blocks).toBeGreaterThan(0);
    expect(bavail).toBeGreaterThan(0);
  });
}
