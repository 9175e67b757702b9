// The tidy check: conventions that neither compiler, linter nor formatter sees.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const MAX_LINES = 400;
// Tables and catalogues: one idea each, long by nature.
const CATALOGUES =
  /(\/messages\/|constants\.ts$|status\.ts$|records\.ts$|vectors|config-keys|\/config\.ts$|\.spec\.ts$|scripts\/)/;
const problems = [];
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  .split('\n')
  .filter(Boolean);
const complain = (file, line, text) => problems.push(`${file}${line ? `:${line}` : ''}: ${text}`);

for (const file of files) {
  if (!/\.(ts|mjs|json|md|ya?ml|sh|cfg)$/.test(file) && !file.startsWith('scripts/')) continue;
  if (file === 'pnpm-lock.yaml' || file === 'scripts/tidy.mjs' || file.startsWith('tests/vectors/')) continue;
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    continue; // deleted in the working tree
  }
  const lines = text.split('\n');
  if (file.endsWith('.ts') && !CATALOGUES.test(file) && lines.length > MAX_LINES)
    complain(file, 0, `${lines.length} lines (limit ${MAX_LINES})`);
  lines.forEach((line, index) => {
    if (/\/(work|root|home)\/[a-z]/.test(line)) complain(file, index + 1, 'path of a machine');
    if (/\b(TODO|FIXME|XXX|HACK)\b/.test(line))
      complain(file, index + 1, 'unfinished: do it, or write it into the limits of the README');
    if (/\.spec\.ts$/.test(file) && /\b(it|test|describe)\.(only|skip|todo)\b|\bx(it|describe)\(/.test(line))
      complain(file, index + 1, 'focused or skipped test');
    if (/@ts-ignore|@ts-nocheck/.test(line)) complain(file, index + 1, 'compiler silenced');
  });
}

// Every dependency is justified.
const documented = readFileSync('docs/DEPENDENCIES.md', 'utf8');
for (const file of files.filter((one) => /(^|\/)package\.json$/.test(one))) {
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    if (name.startsWith('@wapiti-fs/')) continue;
    if (!documented.includes(`\`${name}\``)) complain(file, 0, `dependency ${name} is not in docs/DEPENDENCIES.md`);
    if (!/^\d/.test(version)) complain(file, 0, `dependency ${name} is not pinned: ${version}`);
  }
}

// Packages declare what their sources import, and nothing else.
const sources = files.filter((one) => /^(packages|apps)\/[^/]+\/src\/.*\.ts$/.test(one));
for (const file of files.filter((one) => /^(packages|apps)\/[^/]+\/package\.json$/.test(one))) {
  const folder = file.replace('package.json', 'src/');
  const imported = new Set();
  for (const source of sources.filter((one) => one.startsWith(folder)))
    for (const [, name] of readFileSync(source, 'utf8').matchAll(/'((?:@[a-z-]+\/)?[a-z][a-z0-9-]*)(?:\/[^']*)?'/g))
      imported.add(name);
  for (const name of Object.keys(JSON.parse(readFileSync(file, 'utf8')).dependencies ?? {}))
    if (!imported.has(name)) complain(file, 0, `dependency ${name} is not used`);
}

for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? `tidy: ${files.length} files` : `tidy: ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
