#!/usr/bin/env node
// Memory and speed of the metadata store; what they mean for 25 million files.
//   node bench/store.mjs [--files N] [--json FILE]      (N: default 1000000; build first)
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  applyRecord,
  FileOperations,
  formatLine,
  Metadata,
  MetadataStore,
  parseLine,
  readImage,
  takeSnapshot,
  writeImage,
} from '../dist/index.js';

const argument = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
const FILES = Number(argument('--files') ?? 1_000_000);
const TARGET = 25_000_000;
const FILES_PER_DIRECTORY = 500;
const DIRECTORIES_PER_DIRECTORY = 100;
const TYPE_FILE = 1;
const TYPE_DIRECTORY = 2;
const LINES = Math.min(FILES, 200_000);
const MIB = 1 << 20;

const session = { id: 1, rootInode: 1, sesflags: 0, umask: 0, disables: 0 };
const at = (now) => ({ now, session, uid: 1000, gids: [1000], auid: 1000, agid: 1000 });
// CPU time of the process, where that is less than what passed: what the machine does beside is not measured.
const timed = (work) => {
  const start = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: Math.min(Number(process.hrtime.bigint() - start) / 1e9, (user + system) / 1e6), result };
};
const results = {};
const report = (name, value, unit) => {
  results[name] = { value, unit };
  console.log(`${name.padEnd(46)} ${String(value).padStart(12)} ${unit}`);
};
const ok = (answer) => {
  if (answer.status !== 0) throw new Error(`status ${answer.status}`);
  return answer;
};
globalThis.gc?.();
const heapBefore = process.memoryUsage();

// --- files in directories of a realistic shape, each with one chunk -------------------------------------------------

const lines = [];
let journal = () => undefined;
const metadata = new Metadata(MetadataStore.empty(1), (version, change) => journal(version, change));
const { store } = metadata;
const files = new FileOperations(metadata);
const directories = [];
let now = 1_700_000_000;
let middle = 1;
for (let i = 0; i * FILES_PER_DIRECTORY < FILES; i++) {
  if (i % DIRECTORIES_PER_DIRECTORY === 0)
    middle = ok(metadata.mknod(at(now), 1, Buffer.from(`project-${i}`), TYPE_DIRECTORY, 0o777, 0)).inode;
  directories.push(ok(metadata.mknod(at(now), middle, Buffer.from(`folder-${i}`), TYPE_DIRECTORY, 0o777, 0)).inode);
}
const nameOf = (i) => Buffer.from(`document-${i.toString(36)}.txt`);
const directoryOf = (i) => directories[Math.floor(i / FILES_PER_DIRECTORY)];
const inodes = new Uint32Array(FILES);
const created = timed(() => {
  for (let i = 0; i < FILES; i++)
    inodes[i] = ok(metadata.mknod(at(now), directoryOf(i), nameOf(i), TYPE_FILE, 0o644, 0)).inode;
});
report('create, checks and effect', Math.round(FILES / created.seconds), '/s');
const written = timed(() => {
  for (let i = 0; i < FILES; i++) {
    const plan = ok(files.planWrite(at(now), inodes[i], 0, false));
    files.commitWrite(now, plan, true);
    ok(files.writeEnd(at(now), plan.chunkId, inodes[i], 5000));
  }
});
report('first write of a file (3 changes)', Math.round(FILES / written.seconds), '/s');

// --- memory ---------------------------------------------------------------------------------------------------------

globalThis.gc?.();
const heapAfter = process.memoryUsage();
const bytesPerFile = store.memoryBytes / FILES;
const heapPerFile = (heapAfter.heapUsed - heapBefore.heapUsed) / FILES;
report('memory of the store', Math.round(bytesPerFile), 'bytes/file');
report('JavaScript heap', Math.round(heapPerFile * 10) / 10, 'bytes/file');
report('growth of the process', Math.round((heapAfter.rss - heapBefore.rss) / FILES), 'bytes/file');
report(`store at ${TARGET / 1e6} million files`, Math.round((bytesPerFile * TARGET) / MIB), 'MiB');

// --- reading --------------------------------------------------------------------------------------------------------

const LOOKUPS = 1_000_000;
const looked = timed(() => {
  let x = 12345;
  for (let n = 0; n < LOOKUPS; n++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    const i = x % FILES;
    if (ok(metadata.lookup(at(now), directoryOf(i), nameOf(i))).inode !== inodes[i]) throw new Error('wrong inode');
  }
});
report('lookup with attributes, at random', Math.round(LOOKUPS / looked.seconds), '/s');

// --- images ---------------------------------------------------------------------------------------------------------

const hash = (pieces) => {
  const sum = createHash('sha256');
  for (const piece of pieces) sum.update(piece);
  return sum.digest('hex');
};
const wrote = timed(() => Buffer.concat([...writeImage(store)]));
const image = wrote.result;
report('image', Math.round(image.length / FILES), 'bytes/file');
report('image write', Math.round(image.length / MIB / wrote.seconds), 'MiB/s');
const read = timed(() => readImage(image));
report('image read', Math.round(image.length / MIB / read.seconds), 'MiB/s');
const perSecond = (seconds) => Math.round((seconds * TARGET) / FILES);
report(`image of ${TARGET / 1e6} million files: write`, perSecond(wrote.seconds), 's');
report(`image of ${TARGET / 1e6} million files: read`, perSecond(read.seconds), 's');

// --- an image written between changes -------------------------------------------------------------------------------

const frozen = timed(() => takeSnapshot(store));
report('snapshot: stop of service', Math.round(frozen.seconds * 1e5) / 100, 'ms');
const snapshot = frozen.result;
const steps = [];
const sum = createHash('sha256');
const memoryBefore = process.memoryUsage().rss;
let changed = 0;
const pieces = snapshot.write();
for (;;) {
  const step = timed(() => pieces.next());
  steps.push(step.seconds * 1000);
  if (step.result.done) break;
  sum.update(step.result.value);
  for (let n = 0; n < 20; n++) {
    const i = (changed++ * 7919) % FILES;
    metadata.commit({ op: 'AMTIME', ts: ++now, inode: inodes[i], atime: now, mtime: now, ctime: now });
  }
}
snapshot.release();
steps.sort((a, b) => a - b);
if (sum.digest('hex') !== hash([image])) throw new Error('the image is not that of the moment of the snapshot');
report('snapshot: changes while it was written', changed, '');
report('snapshot: one piece, median', Math.round(steps[steps.length >> 1] * 100) / 100, 'ms');
report('snapshot: longest piece', Math.round(steps.at(-1) * 100) / 100, 'ms');
report('snapshot: memory for changed pages', Math.round((process.memoryUsage().rss - memoryBefore) / MIB), 'MiB');

// --- replay ---------------------------------------------------------------------------------------------------------

const copy = readImage(Buffer.concat([...writeImage(store)]));
const startVersion = store.version;
journal = (version, change) => lines.push(formatLine(version, change));
const logged = timed(() => {
  for (let i = 0; lines.length < LINES; i++) {
    const inode = ok(
      metadata.mknod(at(now), directoryOf(i % FILES), Buffer.from(`new-${i}`), TYPE_FILE, 0o644, 0),
    ).inode;
    const plan = ok(files.planWrite(at(now), inode, 0, false));
    files.commitWrite(now, plan, true);
    ok(files.writeEnd(at(now), plan.chunkId, inode, 100));
    if (i % 3 === 0) ok(metadata.unlink(at(now), directoryOf(i % FILES), Buffer.from(`new-${i}`), false));
  }
});
report('changes made and written as lines', Math.round(lines.length / logged.seconds), 'lines/s');
const buffers = lines.map((line) => Buffer.from(line, 'latin1'));
const replayed = timed(() => {
  for (const line of buffers) applyRecord(copy, parseLine(line).change);
});
report('replay', Math.round(buffers.length / replayed.seconds), 'lines/s');
if (copy.version !== startVersion + lines.length) throw new Error('versions differ');
if (hash(writeImage(copy)) !== hash(writeImage(store))) throw new Error('the replayed store differs');

const json = argument('--json');
if (json !== undefined) {
  mkdirSync(dirname(json), { recursive: true });
  writeFileSync(json, `${JSON.stringify({ files: FILES, results }, undefined, 2)}\n`);
}
