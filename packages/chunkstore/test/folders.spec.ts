import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';

import { lockWholeFile } from '@wapiti-fs/runtime';

import { chunkFileName, FolderError, nodeStoreFs, StoreStatus } from '../src/index.js';
import { encodeNewFile } from '../src/format.js';
import { Bench, fault, faultyFs } from './helpers.js';

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(() => bench.close());

function put(folder: string, subfolder: string, id: number, version: number): void {
  mkdirSync(folder + subfolder, { recursive: true });
  writeFileSync(`${folder}${subfolder}/${chunkFileName(id, version)}`, encodeNewFile(id, version));
}

describe('taking a folder', () => {
  it('makes subfolders, finds chunks wherever they lie, ignores the rest, moves the oldest layout', async () => {
    const folder = bench.folder('a');
    put(folder, '7F', 1, 1);
    put(folder, 'B', 0x1ff, 2);
    writeFileSync(`${folder}7F/notes.txt`, 'x');
    const store = await bench.open(bench.lines(folder));
    expect(bench.files(folder).sort()).toEqual(
      [`7F/${chunkFileName(1, 1)}`, '7F/notes.txt', `FF/${chunkFileName(0x1ff, 2)}`].sort(),
    );
    expect(bench.events.take().sort()).toEqual(['new 1 1', 'new 511 2']);
    expect(existsSync(`${folder}B`)).toBe(false);
    expect(store.space().normal.chunks).toBe(2);
  });

  it('refuses a folder of another file system and leaves it as it is', async () => {
    const folder = bench.folder('a');
    writeFileSync(`${folder}.metaid`, Buffer.from('0102030405060708', 'hex'));
    put(folder, '00', 1, 1);
    writeFileSync(`${folder}.chunkdb`, 'x');
    await expect(bench.open(bench.lines(folder), { metaid: 5n })).rejects.toThrow(/wrong meta id/);
    expect(existsSync(`${folder}.chunkdb`)).toBe(true);
    expect(existsSync(`${folder}.lock`)).toBe(false);
    const store = await bench.open(bench.lines(folder), { metaid: 5n, allowUnusable: true });
    expect(store.unusableFolders.map((line) => line.path)).toEqual([folder]);
  });

  it('learns the id from the first folder and compares the next', async () => {
    const [a, b] = [bench.folder('a'), bench.folder('b')];
    writeFileSync(`${a}.metaid`, Buffer.from('0000000000000009', 'hex'));
    writeFileSync(`${b}.metaid`, Buffer.from('0000000000000008', 'hex'));
    await expect(bench.open(bench.lines(a, b))).rejects.toBeInstanceOf(FolderError);
    const store = await bench.open(bench.lines(a));
    expect(store.metaid).toBe(9n);
  });

  it('refuses a missing folder, one that is locked, and the same one twice', async () => {
    const folder = bench.folder('a');
    symlinkSync(folder, `${bench.dir}/link`);
    await expect(bench.open(bench.lines(`${bench.dir}/nothing`))).rejects.toBeInstanceOf(FolderError);
    await expect(bench.open(bench.lines(folder, `${bench.dir}/link`))).rejects.toThrow(/twice/);
    const lockFile = (): void => {
      throw fault('EAGAIN');
    };
    await expect(bench.open(bench.lines(folder), { lockFile })).rejects.toThrow(/cannot lock/);
  });

  it('refuses a folder that another process has locked', async () => {
    const folder = bench.folder('a');
    const script = `
      const koffi = require(${JSON.stringify(require.resolve('koffi', { paths: [`${__dirname}/../../runtime`] }))});
      const fd = require('fs').openSync(${JSON.stringify(`${folder}.lock`)}, 'w');
      if (koffi.load('libc.so.6').func('int lockf(int, int, int64_t)')(fd, 2, 0) === 0) console.log('locked');
      setInterval(() => undefined, 1000);`;
    const holder = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(holder.stdout, 'data');
      await expect(bench.open(bench.lines(folder), { lockFile: lockWholeFile })).rejects.toThrow(
        /already locked by another process/,
      );
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    await bench.open(bench.lines(folder), { lockFile: lockWholeFile });
  });

  it('writes the confirmed id into every folder', async () => {
    const folder = bench.folder('a');
    const store = await bench.open(bench.lines(folder));
    await store.setMetaid(0x6b028b2318516653n);
    expect(readFileSync(`${folder}.metaid`).toString('hex')).toBe('6b028b2318516653');
  });
});

describe('two files of one chunk', () => {
  it('keeps the newer, removes the loser (never the winner) when its time has come', async () => {
    const [a, b] = [bench.folder('a'), bench.folder('b')];
    put(a, '00', 1, 1);
    put(a, '01', 1, 3);
    put(a, '02', 1, 2);
    put(b, '00', 2, 2);
    put(a, '05', 2, 1);
    const store = await bench.open(bench.lines(a, b), { rules: { keepDuplicatesMs: 3_600_000 } });
    expect([store.index.get(1)?.version, store.index.get(2)?.version]).toEqual([3, 2]);
    expect(bench.files(a).length).toBe(4);
    bench.clock.ms += 3_600_000;
    for (const tick of bench.clock.periodic) tick();
    for (let i = 0; i < 200 && bench.files(a).length > 1; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(bench.files(a)).toEqual([`01/${chunkFileName(1, 3)}`]);
    expect(bench.files(b)).toEqual([`00/${chunkFileName(2, 2)}`]);
  });
});

describe('.chunkdb', () => {
  it('is written at the end, used and removed at the next start', async () => {
    const folder = bench.folder('a');
    let store = await bench.open(bench.lines(folder));
    for (let id = 1; id <= 20; id++) await store.create(id, 1);
    await store.close();
    expect(existsSync(`${folder}.chunkdb`)).toBe(true);
    // Only the index knows it now: proof that no folder was listed.
    const hidden = `${folder}00/${chunkFileName(5, 1)}`;
    const times = new Date(0);
    renameSync(hidden, `${bench.dir}/hidden`);
    utimesSync(`${folder}00`, times, times);
    bench.events.take();
    store = await bench.open(bench.lines(folder));
    expect(store.index.size).toBe(20);
    expect(existsSync(`${folder}.chunkdb`)).toBe(false);
  });

  it('is not used when a subfolder changed after it', async () => {
    const folder = bench.folder('a');
    let store = await bench.open(bench.lines(folder));
    await store.create(1, 1);
    await store.close();
    unlinkSync(`${folder}00/${chunkFileName(1, 1)}`);
    const future = new Date(Date.now() + 10_000);
    utimesSync(`${folder}00`, future, future);
    store = await bench.open(bench.lines(folder));
    expect(store.index.size).toBe(0);
  });
});

describe('reload', () => {
  it('releases, takes and marks folders, and tells what changed', async () => {
    const [a, b, c] = [bench.folder('a'), bench.folder('b'), bench.folder('c')];
    put(a, '00', 1, 1);
    put(b, '00', 2, 1);
    put(c, '00', 3, 1);
    const store = await bench.open(bench.lines(a, b));
    bench.events.take();
    await store.reload(bench.lines(`*${b}`, c));
    await store.scansDone();
    expect(bench.events.take().sort()).toEqual(['lost 1', 'new 2 80000001', 'new 3 1']);
    expect(existsSync(`${a}.chunkdb`)).toBe(true);
    expect(store.space().marked.chunks).toBe(1);
    await store.reload(bench.lines(b, c));
    expect(bench.events.take()).toEqual(['new 2 1']);
    await expect(store.open(1, 1)).rejects.toMatchObject({ status: StoreStatus.NOCHUNK });
  });
});

describe('space', () => {
  const volume = { bsize: 4096, blocks: 1_000_000, bfree: 600_000, bavail: 500_000, files: 0, ffree: 0 };
  const io = faultyFs({ statfs: () => Promise.resolve({ ...volume }) });

  it('counts what users can reach, less what is to be left free', async () => {
    const folder = bench.folder('a');
    const store = await bench.open(bench.lines(folder), { io, rules: { leaveFreeBytes: 1_000_000 } });
    expect(store.space().normal).toEqual({
      totalBytes: 4096 * 900_000,
      usedBytes: 4096 * 400_000 + 1_000_000,
      chunks: 0,
    });
  });

  it('obeys a limit by the sizes of its chunks', async () => {
    const folder = bench.folder('a');
    put(folder, '00', 1, 1);
    put(folder, '00', 2, 1);
    const store = await bench.open(bench.lines(`${folder} 1000000`), { io });
    bench.clock.ms += 61_000;
    for (const tick of bench.clock.periodic) tick();
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(store.space().normal).toEqual({ totalBytes: 1_000_000, usedBytes: 2 * 8192, chunks: 2 });
  });

  it('creates nothing on a full, marked or emptied folder', async () => {
    const full = bench.folder('a');
    const store = await bench.open(bench.lines(full), { io, rules: { leaveFreeBytes: 4096 * 500_000 } });
    await expect(store.create(1, 1)).rejects.toMatchObject({ status: StoreStatus.NOSPACE });
    const other = await bench.open(bench.lines(`*${bench.folder('b')}`, `<${bench.folder('c')}`), { io });
    await expect(other.create(1, 1)).rejects.toMatchObject({ status: StoreStatus.NOSPACE });
  });

  it('spreads new chunks by size of the folders', async () => {
    const [a, b] = [bench.folder('a'), bench.folder('b')];
    const sized = faultyFs({
      statfs: (path) => Promise.resolve({ ...volume, blocks: path === a ? 1_000_000 : 3_100_000, bavail: 600_000 }),
    });
    const store = await bench.open(bench.lines(a, b), { io: sized });
    for (let id = 1; id <= 41; id++) await store.create(id, 1);
    const [inA, inB] = [bench.files(a).length, bench.files(b).length];
    expect(inA + inB).toBe(41);
    expect(inB / inA).toBeGreaterThan(2.4);
    expect(inB / inA).toBeLessThan(4);
  });
});

describe('a broken disk', () => {
  it('is given up after too many errors; its chunks are lost, the others go on', async () => {
    const [a, b] = [bench.folder('a'), bench.folder('b')];
    for (let id = 1; id <= 5; id++) put(a, '00', id, 1);
    put(b, '00', 10, 1);
    let broken = false;
    const io = faultyFs({
      open: (path, flags, mode) =>
        broken && path.startsWith(`${a}00`) ? Promise.reject(fault('EIO')) : nodeStoreFs.open(path, flags, mode),
    });
    const store = await bench.open(bench.lines(a, b), { io });
    broken = true;
    bench.events.take();
    for (let id = 1; id <= 3; id++) await expect(store.open(id, 1)).rejects.toMatchObject({ status: StoreStatus.IO });
    expect(bench.events.take().filter((line) => line.startsWith('lost')).length).toBe(5);
    expect(store.folders[0]?.state).toBe('damaged');
    await store.release(await store.open(10, 1));
    broken = false;
    await store.reload(bench.lines(a, b));
    await store.scansDone();
    expect(store.index.size).toBe(6);
  });

  it('is given up when its volume changes size', async () => {
    const folder = bench.folder('a');
    let blocks = 1000;
    const io = faultyFs({
      statfs: () => Promise.resolve({ bsize: 4096, blocks, bfree: 900, bavail: 900, files: 0, ffree: 0 }),
    });
    const store = await bench.open(bench.lines(folder), { io });
    blocks = 100;
    bench.clock.ms += 61_000;
    for (const tick of bench.clock.periodic) tick();
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(store.folders[0]?.state).toBe('damaged');
  });
});

it('closes with an unreadable subfolder reported as damage, not as a crash', async () => {
  const folder = bench.folder('a');
  const io = faultyFs({
    readdir: (path) => (path.endsWith('/3C') ? Promise.reject(fault('EIO')) : nodeStoreFs.readdir(path)),
  });
  const store = await bench.open(bench.lines(folder), { io });
  expect(store.folders[0]?.state).toBe('damaged');
});
