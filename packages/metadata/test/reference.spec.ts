/** The C tools of the reference read what we write: images, and lines of all live operations. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { applyRecord, MetadataStore, parseLine, readImage, writeImage } from '../src/index.js';
import { Driver, type Step } from './support/driver.js';
import { dump } from './support/dump.js';

const START = 1700000000;
// The reference's writer zeroes locks that are over; all of these are.
const LATER = 0xffffffff;
// Three for each process, below those that the kernel gives to connections.
const PORT = 10_000 + (process.pid % 2000) * 3;
const dir = mkdtempSync(join(tmpdir(), 'wapiti-reference-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const encode = (store: MetadataStore): Buffer => Buffer.concat([...writeImage(store, LATER)]);
const step: fc.Arbitrary<Step> = fc.tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000), fc.nat(1000));
const steps = (seed: number, count: number): Step[] => fc.sample(step, { seed, numRuns: count });

function tool(name: string, ...args: string[]): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(`/usr/sbin/${name}`, args, { maxBuffer: 1 << 28 });
  return { status, out: stdout.toString('latin1'), err: stderr.toString('latin1') };
}

/** A data folder with its configuration. */
function folder(
  name: string,
  files: Record<string, Buffer | string>,
): { config: string; path: (file: string) => string } {
  const data = join(dir, name);
  mkdirSync(data);
  for (const [file, content] of Object.entries(files)) writeFileSync(join(data, file), content, 'latin1');
  writeFileSync(join(dir, 'exports'), '* / rw\n');
  const config = join(dir, `${name}.cfg`);
  const lines = [`DATA_PATH = ${data}`, 'WORKING_USER = root', 'WORKING_GROUP = root', 'FILE_UMASK = 022'];
  lines.push(`EXPORTS_FILENAME = ${join(dir, 'exports')}`, 'TOPOLOGY_FILENAME = /nonexistent', 'NICE_LEVEL = 0');
  ['MATOML', 'MATOCS', 'MATOCL'].forEach((listener, i) =>
    lines.push(`${listener}_LISTEN_HOST = 127.0.0.1`, `${listener}_LISTEN_PORT = ${PORT + i}`),
  );
  writeFileSync(config, `${lines.join('\n')}\n`);
  return { config, path: (file) => join(data, file) };
}

/** Lines of a dump with records, as a sorted list without the blanks of columns. */
const records = (lines: readonly string[]): string[] =>
  lines
    .map((line) => line.replace(/ +/g, '').replace('|w:0x0|', '|'))
    .filter((line) => /^[A-Z]+\|/.test(line))
    .sort();

function populated(seed: number, count: number): Driver {
  const driver = new Driver(MetadataStore.empty(START), START, true);
  driver.run(steps(seed, count));
  return driver;
}

test.each([11, 12, 13, 14])('seed %d: mfsmaster restore makes our image of our image and lines', (seed) => {
  const first = populated(seed, 1200);
  const image = encode(first.metadata.store);
  const second = new Driver(readImage(image), first.now, true);
  second.run(steps(seed + 1000, 1200));
  const { config, path } = folder(`restore${seed}`, {
    'metadata.mfs.back': image,
    'changelog.0.mfs': second.lines.join(''),
  });
  const restored = tool('mfsmaster', '-c', config, 'restore');
  expect(restored).toMatchObject({ status: 0 });
  const theirs = readFileSync(path('metadata.mfs'));
  const copy = readImage(image);
  for (const line of second.lines) applyRecord(copy, parseLine(Buffer.from(line, 'latin1')).change);
  if (!theirs.equals(encode(copy))) expect(dump(readImage(theirs))).toEqual(dump(copy));
  expect(theirs.equals(encode(copy))).toBe(true);
});

test('mfsmetadump lists our image as it is; mfsmetadirinfo counts what we count', () => {
  const { store } = populated(21, 2500).metadata;
  const file = join(dir, 'listed.mfs');
  writeFileSync(file, encode(store));
  const { status, out } = tool('mfsmetadump', file);
  expect(status).toBe(0);
  expect(out).not.toContain('unknown file part');
  // Locks that are over are written as 0.
  expect(records(out.split('\n'))).toEqual(records(dump(readImage(encode(store)))));

  const info = tool('mfsmetadirinfo', '-f', 'C', file, '/');
  expect(info.status).toBe(0);
  const [, inodes, files, dirs] = (info.out.trim().split('\n').at(-1) ?? '').split(',').map(Number);
  const sums = store.stats.contribution(1);
  const distinct = (wanted: (inode: number) => boolean): number => {
    const named = [...store.nodes.inodes()].filter((inode) => inode === 1 || store.nodes.nlink.get(inode) > 0);
    return named.filter(wanted).length;
  };
  expect({ inodes, files, dirs }).toEqual({
    inodes: distinct(() => true),
    files: distinct((inode) => store.nodes.isFile(inode)),
    dirs: sums.dirs,
  });
});

test('mfsmaster -a starts from our image and lines, and ends with the same tree', () => {
  const first = populated(31, 1500);
  const image = encode(first.metadata.store);
  const second = new Driver(readImage(image), first.now, true);
  second.run(steps(32, 300));
  const { config, path } = folder('start', { 'metadata.mfs.back': image, 'changelog.0.mfs': second.lines.join('') });
  try {
    expect(tool('mfsmaster', '-a', '-c', config, 'start')).toMatchObject({ status: 0 });
  } finally {
    tool('mfsmaster', '-c', config, 'stop');
  }
  const theirs = readImage(readFileSync(path('metadata.mfs')));
  const names = (store: MetadataStore): string[] => records(dump(store)).filter((line) => /^(NODE|EDGE)/.test(line));
  const { store } = second.metadata;
  expect(theirs.version).toBeGreaterThanOrEqual(store.version);
  // While it serves it may already purge what is due for long.
  const kept = (lines: string[]): string[] => lines.filter((line) => !/^NODE\|k:[TR]|^EDGE\|p:NULL/.test(line));
  expect(kept(names(theirs))).toEqual(kept(names(store)));
});
