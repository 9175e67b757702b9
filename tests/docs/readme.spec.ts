import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const ROOT = resolve(__dirname, '../..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** Rows of the compatibility matrix: the suite and the title of the test that shows it. */
const rows = [...README.matchAll(/\| `([a-z0-9/-]+)`: (.+) \|$/gm)].map(([, suite, title]) => [suite, title] as const);

test('the matrix has rows', () => expect(rows.length).toBeGreaterThan(15));

test.each(rows)('%s: %s', (suite, title) => {
  const source = readFileSync(join(ROOT, `tests/${suite}.spec.ts`), 'utf8');
  expect(source.includes(`('${title}'`) || source.includes(`(\`${title}\``) || source.includes(`("${title}"`)).toBe(
    true,
  );
});

/** Links to files of the project, in the pages that people read first. */
const pages = ['README.md', 'CONTRIBUTING.md', 'docs/ARCHITECTURE.md', 'configs/two-hosts/README.md'];

test.each(pages)('links of %s lead somewhere', (page) => {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const targets = [...text.matchAll(/\]\(([^)#:]+)\)/g)].map((match) => match[1]);
  expect(targets.filter((target) => !existsSync(join(ROOT, dirname(page), target)))).toEqual([]);
});
