import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { ChangelogError, formatChange, formatLine, parseChange, parseLine } from '../src/index.js';

const VECTORS = join(__dirname, '../../../tests/vectors');
const files = readdirSync(VECTORS, { recursive: true, encoding: 'utf8' }).filter((f) => /changelog[^/]*\.mfs$/.test(f));

/** Lines of a file, each with its LF. */
function linesOf(path: string): string[] {
  const text = readFileSync(path, 'latin1');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => `${line}\n`);
}

test('there are vectors of the reference', () => {
  expect(files.length).toBeGreaterThanOrEqual(6);
});

test.each(files)('%s: every line is written back as it was', (file) => {
  for (const line of linesOf(join(VECTORS, file))) {
    const { version, change } = parseLine(Buffer.from(line, 'latin1'));
    expect(formatLine(version, change)).toBe(line);
  }
});

test.each([
  ['1|ATTR(2,493,0,0,5,6)', '1|ATTR(2,493,0,0,5,6,0,493)'],
  ['1|ATTR(2,493,0,0,5,6,4584)', '1|ATTR(2,493,0,0,5,6,0,4584)'],
  ['1|CREATE(1,a,d,511,0,0,0):2', '1|CREATE(1,a,2,511,0,0,0,0):2'],
  ['1|WRITE(2,0):1', '1|WRITE(2,0,1,1):1'],
  ['1|LENGTH(2,5)', '1|LENGTH(2,5,1)'],
  ['1|APPEND(3,2)', '1|APPEND(3,2)'],
  ['1|EMPTYTRASH():1,0', '1|EMPTYTRASH(4294967295):1,0,0'],
  ['1|FREEINODES():4', '1|FREEINODES(86400):4,0,0'],
  ['1|SETGOAL(2,0,3,0):1,0,0', '1|SETSCLASS(2,0,3,3,0):1,0,0'],
  ['1|AQUIRE(1,2)', '1|ACQUIRE(1,2)'],
  ['1|CSADD(5,9)', '1|CSDBOP(0,5,9,0)'],
  ['1|CSDEL(5,9)', '1|CSDBOP(1,5,9,0)'],
  ['1|SNAPSHOT(3,1,s,0,0,0,7,18)', '1|SNAPSHOT(3,1,s,0,0,0,[7],18):0,0,0,0,0,0'],
  ['1|SNAPSHOT(3,1,s,0,0,0,2,%01%00%00%00%02%00%00%00,18):1,0,0,0,0,1', '1|SNAPSHOT(3,1,s,0,0,0,[1,2],18):1,0,0,0,0,1'],
  ['1|SNAPSHOT(3,1,s,0,72,1000,[4,24,1000],18):0,0,0,0,0,8', '1|SNAPSHOT(3,1,s,0,72,1000,[4,24,1000],18):0,0,0,0,0,8'],
  ['1|SCSET(x,1,W0,K0,A0,1,0,0,-):10', '1|SCSET(x,1,W0,K0,A0,1,0,0,-):10'],
  ['1|SETFILECHUNK(2,1,0)', '1|SETFILECHUNK(2,1,0)'],
  ['1|RENUMERATEEDGES():9223372036854775718', '1|RENUMERATEEDGES():9223372036854775718'],
  ['1|IDLE()xyz\r', '1|IDLE()'],
])('%s is read as %s', (line, canonical) => {
  expect(formatChange(parseChange(Buffer.from(line, 'latin1')))).toBe(canonical);
});

test.each([
  ['7:1|IDLE()', 1, "': ' expected"],
  ['7: 1|LINK(2,1,a%2c)', 15, 'hex expected'],
  ['7: 1|LINK(2,1,a', 15, 'text ends before its delimiter'],
  ['7: 1|NOSUCH(1)', 11, 'unknown operation NOSUCH'],
  ['7: 1|LENGTH(2,5,256)', 16, 'number does not fit into 8 bits'],
  ['7: 1|UNLOCK(9007199254740992)', 12, 'number exceeds 2^53-1'],
  ['x', 0, 'change number expected'],
])('%s is refused at position %d', (line, position, reason) => {
  const parse = (): unknown => parseLine(Buffer.from(line, 'latin1'));
  expect(parse).toThrow(ChangelogError);
  expect(parse).toThrow(expect.objectContaining({ position, reason }) as Error);
});

test('damaged lines give only ChangelogError', () => {
  const lines = files.flatMap((file) => linesOf(join(VECTORS, file)));
  fc.assert(
    fc.property(
      fc.constantFrom(...lines),
      fc.nat(),
      fc.integer({ min: 0, max: 255 }),
      fc.boolean(),
      (line, at, byte, cut) => {
        const bytes = Buffer.from(line, 'latin1');
        const position = at % bytes.length;
        bytes[position] = byte;
        try {
          parseLine(cut ? bytes.subarray(0, position) : bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ChangelogError);
        }
      },
    ),
    { numRuns: 2000 },
  );
});
