/**
 * Program: copies the files named on standard input (`source<TAB>destination` lines) one after the other, over and over
 * into numbered folders when `--repeat` is given, until SIGTERM. Reports `destination size time` of every copy. Any I/O
 * error ends it with code 1.
 */
import { copyFileSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const repeat = process.argv.includes('--repeat');
const pairs = readFileSync(0, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => line.split('\t') as [string, string]);
const made = new Set<string>();
let stopped = false;
process.on('SIGTERM', () => (stopped = true));
process.on('uncaughtException', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});

function step(index: number): void {
  if (stopped || (index >= pairs.length && !repeat) || pairs.length === 0) return;
  const [source, plain] = pairs[index % pairs.length] as [string, string];
  const round = Math.floor(index / pairs.length);
  const destination = repeat ? plain.replace('ROUND', `round-${round}`) : plain;
  const folder = dirname(destination);
  if (!made.has(folder)) {
    mkdirSync(folder, { recursive: true });
    made.add(folder);
  }
  copyFileSync(source, destination);
  process.stdout.write(`${destination}\t${statSync(source).size}\t${Date.now()}\n`);
  setImmediate(step, index + 1);
}

step(0);
