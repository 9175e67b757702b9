/**
 * Program: appends records to files of a folder, each one written and fsynced, until SIGTERM. Every acknowledged record is
 * reported on standard output: `file number time`. Any I/O error ends it with code 1.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { recordLine } from './records.js';

const FILES = 3;
const PAUSE_MS = 10;

const folder = process.argv[2] as string;
let stopped = false;
process.on('SIGTERM', () => (stopped = true));

const files = Array.from({ length: FILES }, (_, i) => ({
  name: `records.${i}`,
  fd: openSync(join(folder, `records.${i}`), 'a'),
  next: 1,
}));

function turn(at: number): void {
  if (stopped) {
    for (const { fd } of files) closeSync(fd);
    return;
  }
  const file = files[at % FILES] as (typeof files)[number];
  writeSync(file.fd, recordLine(file.next, Date.now()));
  fsyncSync(file.fd);
  process.stdout.write(`${file.name} ${file.next} ${Date.now()}\n`);
  file.next += 1;
  setTimeout(turn, PAUSE_MS, at + 1);
}

try {
  turn(0);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}
process.on('uncaughtException', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
