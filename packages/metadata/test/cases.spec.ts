import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { statusText } from '@wapiti-fs/protocol';
import { readImage, restoreMetadata, writeImage } from '../src/index.js';
import { dump } from './support/dump.js';

const VECTORS = join(__dirname, '../../../tests/vectors/changelog');
const image = readFileSync(join(VECTORS, 'metadata.v386.mfs'));
// The reference's restore ran at a later time: its image shows no chunk lock of 120 s (spec 08 §5.6).
const LATER = 1795332000;

interface Case {
  readonly name: string;
  readonly lines: string;
  readonly result: string;
  readonly diff: string[];
}

const cases = readFileSync(join(VECTORS, 'cases.md'), 'latin1')
  .split(/^### /m)
  .slice(1)
  .map((text): Case => {
    const [name = ''] = text.split('\n', 1);
    const blocks = [...text.matchAll(/```(?:diff)?\n([^]*?)```/g)].map((match) => match[1] ?? '');
    const result = /^result: (.*)$/m.exec(text)?.[1] ?? '';
    return { name, lines: blocks[0] ?? '', result, diff: (blocks[1] ?? '').split('\n').filter(Boolean) };
  });

/** Where we differ on purpose: lines that a real master writes although its own restore refuses them (spec 08 §8). */
const ACCEPTED: Readonly<Record<string, string>> = {
  'unlock-unknown-chunk': '§8.2 UNLOCK',
  'repair-version': '§8.2 REPAIR',
  'archchg-immutable-file': '§8.2 ARCHCHG',
  'setsclass-admin-only-class-as-logged-by-a-non-admin-session': '§8.2 SETSCLASS',
  'chunkdel-locked': '§8.1 locks of replications',
  'release-with-flock-still-held': '§8.2 RELEASE',
  'flock-unlock-unknown-owner': '§8.2 FLOCK',
  'sesdel-with-locks-not-released': '§8.2 SESDEL',
  'sesdel-unknown': '§8.1 closed sessions',
};
/** A torn last line costs only itself, the reference leaves out the whole file (spec 08 §4.1). */
const TORN = 'torn-last-line';
/** The reference reads [1000] as 0 (spec 08 §6.6). */
const GROUPS = 'snapshot-gid-defect';

function run(lines: string): { version: number; lines: string[] } {
  const files: Record<string, Buffer> = {
    'metadata.mfs': image,
    'changelog.0.mfs': Buffer.from(lines.replace('<no LF>\n', ''), 'latin1'),
  };
  const read = (name: string): Buffer => files[name] ?? Buffer.alloc(0);
  const access = {
    list: () => Object.keys(files),
    read,
    readEnds: (name: string, head: number, tail: number) => ({
      head: read(name).subarray(0, head),
      tail: read(name).subarray(-tail),
    }),
  };
  const { store } = restoreMetadata(access, () => undefined, { now: 5 });
  return { version: store.version, lines: dumpOf(Buffer.concat([...writeImage(store, LATER)])) };
}
const dumpOf = (bytes: Buffer): string[] => dump(readImage(bytes)).map((line) => line.replace(/ +/g, ''));
const before = dumpOf(image);

/** `-` and `+` lines; those on both sides and the order are left out. */
function difference(after: readonly string[]): string[] {
  const count = new Map<string, number>();
  for (const line of after) count.set(line, (count.get(line) ?? 0) + 1);
  for (const line of before) count.set(line, (count.get(line) ?? 0) - 1);
  return [...count].filter(([, n]) => n !== 0).map(([line, n]) => `${n > 0 ? '+' : '-'}${line}`);
}
const normalised = (diff: readonly string[]): string[] => {
  const lines = diff.map((line) => line.replace(/ +/g, ''));
  // A record that only moved stands on both sides.
  const other = (line: string): string => `${line.startsWith('+') ? '-' : '+'}${line.slice(1)}`;
  return lines.filter((line) => !lines.includes(other(line))).sort();
};

test('there are the 188 cases', () => {
  expect(cases).toHaveLength(188);
});

test.each(cases.filter(({ name }) => name !== TORN && name !== GROUPS))('$name: as the reference', (one) => {
  const status = /error ([0-9]+)/.exec(one.result)?.[1];
  const version = /^ok, version ([0-9]+)/.exec(one.result)?.[1];
  if (version !== undefined) {
    const { lines, version: reached } = run(one.lines);
    expect(reached).toBe(Number(version));
    expect(normalised(difference(lines))).toEqual(normalised(one.diff));
  } else if (one.name in ACCEPTED) {
    expect(run(one.lines).version).toBeGreaterThan(386);
  } else {
    const refused = status === undefined ? /hole|are missing/ : statusText(Number(status));
    const reason = one.name === 'unknown-operation' ? /unknown operation FOOBAR/ : refused;
    expect(() => run(one.lines)).toThrow(reason);
  }
});

test(`${TORN}: the lines before it are used`, () => {
  expect(run(cases.find(({ name }) => name === TORN)?.lines ?? '').version).toBe(388);
});

test(`${GROUPS}: the group is the caller's`, () => {
  const { lines } = run(cases.find(({ name }) => name === GROUPS)?.lines ?? '');
  expect(difference(lines).filter((line) => /^\+NODE\|k:-.*\|u:1000\|g:1000\|/.test(line))).toHaveLength(1);
});

test('a POSIX lock granted before the line that ends its holder is accepted (§8.2)', () => {
  const session = '#1,1,8,0000,0,0,999,999,1,9,0,4294967295,0x00000000,167838063,/m';
  const changes = [`SESADD(${session}):4`, 'ACQUIRE(4,85)', 'POSIXLOCK(85,4,9,W,0,10,14364)', 'RELEASE(1,85)'];
  const { version, lines } = run(changes.map((change, i) => `${386 + i}: 1795331200|${change}\n`).join(''));
  expect(version).toBe(390);
  const locks = lines.filter((line) => line.startsWith('POSIXLOCK'));
  expect(locks).toEqual(['POSIXLOCK|i:85|s:4|o:0x0000000000000009|p:14364|r:<0,10)|t:W']);
});

test('a shared lock beside an exclusive one that was converted without a line is accepted (§8.1)', () => {
  const owner = '16105260410070721563';
  const { version, lines } = run(
    `386: 1795331200|FLOCK(85,1,${owner},U)\n387: 1795331200|FLOCK(85,1,${owner},W)\n388: 1795331200|FLOCK(85,1,77,R)\n`,
  );
  expect(version).toBe(389);
  expect(lines.filter((line) => line.startsWith('FLOCK')).map((line) => line.slice(-1))).toEqual(['R', 'R']);
});
