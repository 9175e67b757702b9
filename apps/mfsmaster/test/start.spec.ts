import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { writeImage } from '@wapiti-fs/metadata';
import { CLTOMA_FUSE_WRITE_CHUNK, MATOCL_FUSE_WRITE_CHUNK } from '@wapiti-fs/protocol';

import { newFolder, TestMaster, type TestMasterOptions } from './peers.js';

const masters: TestMaster[] = [];
const folders: string[] = [];

async function start(options: TestMasterOptions = {}): Promise<TestMaster> {
  const master = await TestMaster.start(options);
  masters.push(master);
  return master;
}

/** Everything but the hourly counters of sessions, which are not recorded. */
function image(master: TestMaster): Buffer {
  const { sessions, metadata } = master.role.context;
  sessions.rotateCounters();
  sessions.rotateCounters();
  return Buffer.concat([...writeImage(metadata.store, 0)]);
}
const changelog = (folder: string): string => join(folder, 'changelog.0.mfs');

/** What a killed process leaves: the files as they are now. */
function leftovers(master: TestMaster): string {
  const folder = mkdtempSync(join(tmpdir(), 'wapiti-left-'));
  folders.push(folder);
  cpSync(master.folder, folder, { recursive: true });
  return folder;
}

/** Leftovers of a master that has made some directories and files. */
async function worked(): Promise<{ master: TestMaster; folder: string }> {
  // an image that was stored: the times of the root of a new file system are those of each start
  const folder = newFolder();
  folders.push(folder);
  await (await TestMaster.start({ folder })).stop();
  const master = await start({ folder });
  const mount = await master.mounted();
  const parent = await mount.mkdir('directory');
  for (let i = 0; i < 20; i++) expect(await mount.create(`file-${i}`, parent)).toBeGreaterThan(0);
  return { master, folder: leftovers(master) };
}

afterEach(async () => {
  for (const master of masters.splice(0)) await master.destroy();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

describe('start of the master', () => {
  it('gives a new file system its identity and moves the image away while it runs', async () => {
    const master = await start();
    expect(master.role.context.metadata.store.metaid).not.toBe(0n);
    expect(readFileSync(changelog(master.folder), 'latin1')).toMatch(/^1: \d+\|SETMETAID\(\d+\)\n$/);
    const names = readdirSync(master.folder);
    expect(names).toContain('metadata.mfs.back');
    expect(names).not.toContain('metadata.mfs');
  });

  it('goes on after an orderly stop with the image alone', async () => {
    const first = await start();
    const mount = await first.mounted();
    const inode = await mount.create('file');
    await first.stop();
    expect(readdirSync(first.folder)).toContain('metadata.mfs');
    expect(readdirSync(first.folder)).not.toContain('metadata.mfs.back');
    const second = await start({ folder: first.folder });
    const { store } = second.role.context.metadata;
    expect(store.edges.child(store.edges.find(1, Buffer.from('file')))).toBe(inode);
  });

  it('with -a has everything that was acknowledged before it was killed', async () => {
    const { master, folder } = await worked();
    const restored = await start({ folder, restore: true });
    expect(image(restored)).toEqual(image(master));
    // and goes on with the numbers
    const mount = await restored.mounted();
    await mount.create('later');
    const numbers = readFileSync(changelog(folder), 'latin1')
      .trimEnd()
      .split('\n')
      .map((line) => Number(line.split(':')[0]));
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
  });

  it('releases the locks of writers of before', async () => {
    const master = await start();
    for (const port of [9422, 9423]) await master.chunkserver(port);
    const mount = await master.mounted();
    const inode = await mount.create('file');
    const write = { inode, chunkIndex: 0, flags: 4 };
    expect(await mount.ask(CLTOMA_FUSE_WRITE_CHUNK, write, MATOCL_FUSE_WRITE_CHUNK)).toMatchObject({ chunkId: 1 });
    const restored = await start({ folder: leftovers(master), restore: true });
    for (const port of [9422, 9423]) await restored.chunkserver(port, [{ chunkId: 1, version: 1 }]);
    const again = await restored.mounted();
    const granted = await again.ask(CLTOMA_FUSE_WRITE_CHUNK, write, MATOCL_FUSE_WRITE_CHUNK);
    // a newer version: the writer of before cannot go on beside this one
    expect(granted).toMatchObject({ variant: 'ok', chunkId: 1, version: 2 });
  });

  it('cuts and reports a torn last line', async () => {
    const { master, folder } = await worked();
    writeFileSync(changelog(folder), '999: 12345|CREA', { flag: 'a' });
    const restored = await start({ folder, restore: true });
    expect(restored.log.lines.join('\n')).toMatch(/incomplete last line of 15 bytes cut off/);
    expect(image(restored)).toEqual(image(master));
    expect(readFileSync(changelog(folder), 'latin1')).not.toContain('999:');
  });

  it('refuses a gap in the changelogs, and changes nothing', async () => {
    const { folder } = await worked();
    const lines = readFileSync(changelog(folder), 'latin1').split('\n');
    lines.splice(5, 1);
    writeFileSync(changelog(folder), lines.join('\n'));
    const before = readdirSync(folder).sort();
    await expect(start({ folder, restore: true })).rejects.toThrow(
      /changelog\.0\.mfs: hole in change files \(entries 6 to 6/,
    );
    expect(readdirSync(folder).sort()).toEqual(before);
  });

  it('without -a refuses what a killed master left', async () => {
    const { folder } = await worked();
    await expect(start({ folder })).rejects.toThrow(/can't find .*metadata\.mfs - try using option '-a'/);
    cpSync(join(folder, 'metadata.mfs.back'), join(folder, 'metadata.mfs'));
    await expect(start({ folder })).rejects.toThrow(
      /changelog\.0\.mfs holds changes up to \d+, but metadata\.mfs is of version 2/,
    );
  });

  it.each([
    ['half-written', (path: string) => truncateSync(path, 300), /metadata\.mfs: .*ending.*try using option '-a'/],
    [
      'overwritten',
      (path: string) => writeFileSync(path, 'garbage'.repeat(100)),
      /metadata\.mfs: .*try using option '-a'/,
    ],
    ['empty', (path: string) => truncateSync(path, 0), /metadata\.mfs: .*try using option '-a'/],
  ])('refuses an image that is %s', async (_, damage, message) => {
    const first = await start();
    const mount = await first.mounted();
    for (let i = 0; i < 20; i++) await mount.create(`file-${i}`);
    await first.stop();
    damage(join(first.folder, 'metadata.mfs'));
    const before = readdirSync(first.folder).sort();
    await expect(start({ folder: first.folder })).rejects.toThrow(message);
    expect(readdirSync(first.folder).sort()).toEqual(before);
  });

  it('refuses an image with a broken section inside', async () => {
    const first = await start();
    const mount = await first.mounted();
    await mount.create('file');
    await first.stop();
    const path = join(first.folder, 'metadata.mfs');
    const bytes = readFileSync(path);
    bytes.write('XXXX', bytes.indexOf('NODE'), 'latin1');
    writeFileSync(path, bytes);
    await expect(start({ folder: first.folder })).rejects.toThrow(/error loading .*metadata\.mfs: .*XXXX/);
  });

  it('refuses to start without exports', async () => {
    await expect(start({ exports: '# nothing\n' })).rejects.toThrow(/no exports defined/);
    await expect(start({ config: { EXPORTS_FILENAME: '/nonexistent/exports.cfg' } })).rejects.toThrow(
      /no exports defined: .*nonexistent/,
    );
  });

  it('leaves the folder in order when a port is in use', async () => {
    const other = await start();
    const folder = newFolder();
    folders.push(folder);
    await expect(start({ folder, clientPort: other.clientPort })).rejects.toThrow(/EADDRINUSE|in use/);
    expect(readdirSync(folder)).toContain('metadata.mfs');
    const master = await start({ folder });
    expect(master.role.context.metadata.store.version).toBe(2);
  });

  it('refuses a folder without any image', async () => {
    const folder = newFolder();
    folders.push(folder);
    unlinkSync(join(folder, 'metadata.mfs'));
    await expect(start({ folder })).rejects.toThrow(/can't find .*metadata\.mfs/);
    await expect(start({ folder, restore: true })).rejects.toThrow(/can't find valid metadata file/);
  });
});
