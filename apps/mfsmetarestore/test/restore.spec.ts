import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { MetadataStore, readImage, writeImage } from '@wapiti-fs/metadata';
import type * as Runtime from '@wapiti-fs/runtime';

import { runRestore } from '../src/index.js';

/** A master of this machine that could not save into its folder leaves an image in `/`: it is none of these tests' business. */
jest.mock('@wapiti-fs/runtime', () => ({
  ...jest.requireActual<typeof Runtime>('@wapiti-fs/runtime'),
  emergencyImages: () => [],
}));

let folder: string;
let out: string;
let err: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wapiti-restore-'));
  out = err = '';
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true));
  jest.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true));
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const image = (version: number, metaid = 7n): Buffer => {
  const store = MetadataStore.empty(5);
  store.version = version;
  store.metaid = metaid;
  return Buffer.concat([...writeImage(store)]);
};
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}: 9|ACCESS(1)\n`).join('');
const put = (files: Record<string, Buffer | string>): void => {
  for (const [name, contents] of Object.entries(files)) writeFileSync(join(folder, name), contents);
};
const at = (name: string): string => join(folder, name);
const restore = (...options: string[]): Promise<number> => runRestore(['-a', '-d', folder, ...options]);
const versionOf = (name: string): number => readImage(readFileSync(at(name))).version;

describe('automatic', () => {
  it('stores the newest state of a metalogger as metadata.mfs and leaves all else', async () => {
    const files = {
      'metadata_ml.mfs.back': image(4),
      'metadata_ml.mfs.back.1': image(2),
      'changelog_ml.0.mfs': lines(5, 9),
      'changelog_ml_back.0.mfs': lines(3, 6),
      'changelog_ml_back.1.mfs': '',
    };
    put(files);
    mkdirSync(at('metadata_of_last_year'));
    expect(await restore()).toBe(0);
    expect(out).toBe('6 changes applied to metadata_ml.mfs.back (version 4), metadata version 10 stored\n');
    expect(versionOf('metadata.mfs')).toBe(10);
    for (const [name, contents] of Object.entries(files))
      expect(readFileSync(at(name)).equals(Buffer.from(contents))).toBe(true);
    expect(err).toBe('');
  });

  it('leaves a torn last line out, reports it, and cuts it where the next master appends', async () => {
    put({ 'metadata.mfs.back': image(1), 'changelog.0.mfs': `${lines(1, 3)}4: 9|ACC` });
    expect(await restore()).toBe(0);
    expect(err).toMatch(/changelog\.0\.mfs: incomplete last line of 8 bytes left out/);
    expect(readFileSync(at('changelog.0.mfs'), 'utf8')).toBe(lines(1, 3));
    expect(versionOf('metadata.mfs')).toBe(4);
  });

  it('shows files and progress with -x', async () => {
    put({ 'metadata.mfs': image(1), 'changelog.0.mfs': lines(1, 6000) });
    expect(await restore('-x')).toBe(0);
    expect(err).toMatch(/using changelog file: changelog\.0\.mfs \(changes: 1 - 6000\)/);
    expect(err).toMatch(/progress: current change: 2497 \(first:1 - last:6000 - 41% - ETA:\d+s\)/);
  });

  it.each<[string, Record<string, Buffer | string>, RegExp]>([
    ['nothing is there', {}, /can't find valid metadata file/],
    ['two file systems are mixed', { 'metadata.mfs': image(3), 'metadata_ml.mfs.back': image(4, 8n) }, /different id/],
    ['changes are missing', { 'metadata.mfs': image(1), 'changelog.0.mfs': lines(3, 4) }, /hole .*entries 1 to 2/],
    [
      'a newer image is damaged and nothing leads up to it',
      {
        'metadata.mfs.back.1': image(3),
        'changelog.1.mfs': lines(3, 5),
        'metadata.mfs.back': image(9).subarray(0, -4),
      },
      /metadata\.mfs\.back: is damaged but of version 9, and only 6 can be restored/,
    ],
    [
      'changelogs contradict each other',
      { 'metadata.mfs': image(1), 'changelog.0.mfs': lines(1, 3), 'changelog_ml.0.mfs': '2: 8|ACCESS(1)\n' },
      /change 2 differs from that in changelog\.0\.mfs: changelogs of different histories/,
    ],
  ])('refuses and writes nothing when %s', async (_, files, message) => {
    put(files);
    const before = existsSync(at('metadata.mfs')) ? readFileSync(at('metadata.mfs')) : undefined;
    expect(await restore()).toBe(1);
    expect(err).toMatch(message);
    expect(err).toMatch(/metadata restore failed !!!\n$/);
    expect(existsSync(at('metadata.mfs')) ? readFileSync(at('metadata.mfs')) : undefined).toEqual(before);
  });

  it('uses an older image when the changelogs lead up to a damaged newer one', async () => {
    put({ 'metadata.mfs.back.1': image(3), 'changelog.1.mfs': lines(3, 8), 'changelog.0.mfs': lines(9, 10) });
    put({ 'metadata.mfs.back': image(9).subarray(0, -4) });
    expect(await restore()).toBe(0);
    expect(versionOf('metadata.mfs')).toBe(11);
  });

  it('goes on with -i, as far as it can', async () => {
    put({ 'metadata.mfs.back': image(1), 'changelog.0.mfs': lines(1, 2), 'changelog.1.mfs': lines(5, 6) });
    expect(await restore('-i')).toBe(0);
    expect(err).toMatch(/entries 3 to 4 are missing.* - ignoring \(using best possible metadata version\)/);
    expect(versionOf('metadata.mfs')).toBe(3);
  });

  it('does not work under a running master', async () => {
    put({ 'metadata.mfs.back': image(1), '.mfsmaster.lock': '1\n' });
    const holder: ChildProcess = spawn('python3', [
      '-c',
      `import fcntl,sys\nf=open(sys.argv[1],'r+')\nfcntl.lockf(f,fcntl.LOCK_EX)\nprint('held',flush=True)\nsys.stdin.read()`,
      at('.mfsmaster.lock'),
    ]);
    await once(holder.stdout as NodeJS.ReadableStream, 'data');
    expect(await restore()).toBe(1);
    expect(err).toMatch(new RegExp(`a master \\(pid:${holder.pid}\\) runs in`));
    holder.stdin?.end();
    await once(holder, 'exit');
    expect(await restore()).toBe(0);
  });
});

describe('with named files', () => {
  it('applies just those, and creates the output', async () => {
    put({ 'metadata.mfs.back': image(2), 'changelog.1.mfs': lines(1, 3), 'changelog.0.mfs': lines(4, 7) });
    const files = ['changelog.0.mfs', 'changelog.1.mfs'].map(at);
    expect(await runRestore(['-m', at('metadata.mfs.back'), '-o', at('result'), ...files])).toBe(0);
    expect(versionOf('result')).toBe(8);
  });

  it('does not put an old state in the place of a newer one, or of another file system', async () => {
    put({ old: image(2), newer: image(9), other: image(1, 99n), 'changelog.0.mfs': lines(2, 3) });
    for (const name of ['newer', 'other']) {
      const before = readFileSync(at(name));
      expect(await runRestore(['-m', at('old'), '-o', at(name), at('changelog.0.mfs')])).toBe(1);
      expect(readFileSync(at(name)).equals(before)).toBe(true);
    }
    expect(err).toMatch(/newer is of version 9, newer than the restored 4: kept/);
    expect(err).toMatch(/other is of another file system \(id 63\): kept/);
  });

  it.each([['missing'], ['unreadable']])('says which file is %s', async (which) => {
    put({ 'metadata.mfs.back': image(2) });
    if (which === 'unreadable') mkdirSync(at('changelog.0.mfs'));
    expect(await runRestore(['-m', at('metadata.mfs.back'), '-o', at('result'), at('changelog.0.mfs')])).toBe(1);
    expect(err).toMatch(which === 'missing' ? /no such file.*changelog\.0\.mfs/ : /EISDIR/);
    expect(existsSync(at('result'))).toBe(false);
  });
});

it.each([[[]], [['-a', '-m', 'x']], [['-m', 'x']], [['-d', '.']], [['-q']], [['-a', 'changelog.0.mfs']]])(
  'shows its usage for %j',
  async (argv) => {
    expect(await runRestore(argv)).toBe(1);
    expect(err).toMatch(/usage: mfsmetarestore -a/);
  },
);

it('tells its version', async () => {
  expect(await runRestore(['-v'])).toBe(0);
  expect(out).toBe('version: 3.0.117-1\n');
});
