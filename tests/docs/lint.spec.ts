import { resolve } from 'node:path';

import { run } from '../harness/processes.js';

const ROOT = resolve(__dirname, '../..');

/** Each of these would break the direction of imports, or the purity of a core (docs/ARCHITECTURE.md). */
const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['packages/metadata', "export * from '@wapiti-fs/runtime';", /metadata may import only: protocol/],
  ['packages/metadata', "import { a } from '../../runtime/src/link.js'; a();", /imported by their names/],
  ['packages/placement', "export const a = import('@wapiti-fs/runtime');", /placement may import only: protocol/],
  ['packages/protocol', "export type A = import('@wapiti-fs/metadata').MetadataStore;", /may import only: nothing/],
  ['packages/protocol', "import { readFileSync } from 'node:fs'; readFileSync('a');", /is pure/],
  ['packages/protocol', "export const a = import('node:fs/promises');", /may import only: nothing/],
  ['packages/metadata', "import { randomBytes } from 'node:crypto'; randomBytes(4);", /is pure/],
  ['packages/metadata', 'export const a = Date.now();', /take the time as an argument/],
  ['packages/metadata', 'export const a = new Date();', /take the time as an argument/],
  ['packages/placement', 'export const a = Math.random();', /randomness/],
  ['packages/placement', 'setTimeout(() => undefined, 1);', /pure package/],
  ['packages/client', "import { ChunkStore } from '@wapiti-fs/chunkstore'; new ChunkStore();", /protocol, runtime/],
  ['packages/runtime', "export * from '@wapiti-fs/mfsmaster';", /must not import apps/],
  ['apps/mfsmaster', "export * from '@wapiti-fs/mfsmetalogger';", /apps must not import apps/],
  ['apps/mfsmaster', "export * from '../../../packages/runtime/src/link.js';", /imported by their names/],
];
const ALLOWED: readonly (readonly [string, string])[] = [
  ['packages/metadata', "export * from '@wapiti-fs/protocol'; export const at = new Date(5);"],
  ['packages/client', "export const a = import('@wapiti-fs/runtime'); export { readFileSync } from 'node:fs';"],
  ['apps/mfsmaster', "export * from '@wapiti-fs/placement';"],
  ['apps/wapiti', "export * from '@wapiti-fs/mfsmaster';"],
];

const LINT_ALL = `
import { ESLint } from 'eslint';
const eslint = new ESLint();
const lint = async ([folder, code]) =>
  (await eslint.lintText(code, { filePath: folder + '/src/probe.ts' })).flatMap(({ messages }) => messages.map((m) => m.message));
console.log(JSON.stringify(await Promise.all(JSON.parse(process.argv[1]).map(lint))));
`;

test('the lint rules refuse imports against their direction, in every form, and impure cores', async () => {
  const cases = JSON.stringify([...REFUSED, ...ALLOWED]);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', LINT_ALL, cases], { cwd: ROOT });
  const found = JSON.parse(stdout) as string[][];
  REFUSED.forEach(([, , reason], i) => expect(found[i]?.join('; ')).toMatch(reason));
  ALLOWED.forEach((one, i) => expect([one, found[REFUSED.length + i]]).toEqual([one, []]));
});
