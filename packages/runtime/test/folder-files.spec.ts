import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CHANGELOG_TAIL_BYTES, FolderFiles, NoChangelogError } from '../src/index.js';

let dir: string;
let files: FolderFiles;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'folder-files-'));
  files = new FolderFiles(dir);
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('names, contents and ends of files', () => {
  writeFileSync(join(dir, 'a'), 'head-middle-tail');
  mkdirSync(join(dir, 'folder'));
  expect(files.list()).toEqual(['a']);
  expect(files.read('a').toString()).toBe('head-middle-tail');
  expect(files.read(join(dir, 'a')).toString()).toBe('head-middle-tail');
  const { head, tail } = files.readEnds('a', 4, 4);
  expect([head.toString(), tail.toString()]).toEqual(['head', 'tail']);
  expect(files.readEnds('a', 100, 100).tail.toString()).toBe('head-middle-tail');
  expect([files.exists('a'), files.exists('b')]).toEqual([true, false]);
});

test('an incomplete last line is cut off, whole lines stay', () => {
  writeFileSync(join(dir, 'changelog.0.mfs'), '1: 5|IDLE()\n2: 5|ID');
  expect(files.cutTornLine('changelog.0.mfs')).toBe(7);
  expect(readFileSync(join(dir, 'changelog.0.mfs'), 'utf8')).toBe('1: 5|IDLE()\n');
  expect(files.cutTornLine('changelog.0.mfs')).toBe(0);
  expect(files.cutTornLine('missing')).toBe(0);
});

test('what has no line end near its end is left as it is', () => {
  const garbage = Buffer.alloc(CHANGELOG_TAIL_BYTES + 10, 'x');
  writeFileSync(join(dir, 'changelog.0.mfs'), garbage);
  expect(() => files.cutTornLine('changelog.0.mfs')).toThrow(NoChangelogError);
  expect(readFileSync(join(dir, 'changelog.0.mfs')).equals(garbage)).toBe(true);
});
