/**
 * The demo without root: `wapiti dev` (the whole cluster in one process on loopback) holds real files, is killed with -9,
 * and has everything again when it is started anew. Started by scripts/demo.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { binary } from '../harness/lab.js';
import { type Background, background, run } from '../harness/processes.js';
import { demoOptions } from './options.js';
import { detail, heading, say, speed } from './output.js';
import { checksumOf, findFiles, type SourceFile } from './tree.js';

/** Five ports, below those that the kernel gives to connections. */
const PORT_BASE = 27_000 + (process.pid % 1000) * 5;
/** Ctrl-C: what runs is ended, nothing is left behind. */
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
const [node, wapiti] = binary('wapiti', 'wapiti') as [string, string];

function start(data: string): Promise<Background> {
  const cluster = background('wapiti dev', node, [wapiti, 'dev', '--data', data, '--port-base', String(PORT_BASE)]);
  return cluster.waitFor(/The cluster is ready/).then(() => cluster);
}

async function client(command: string, ...args: string[]): Promise<string> {
  const master = ['-H', `127.0.0.1:${PORT_BASE + 2}`];
  return (await run(node, [wapiti, command, ...master, ...args], { signal: interrupted.signal })).stdout;
}

/** The files under one folder, as links: `put` follows them. */
function gather(files: readonly SourceFile[], folder: string): void {
  for (const { path, name } of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    symlinkSync(path, join(folder, name));
  }
}

async function compare(files: readonly SourceFile[], folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  await client('get', '-q', '-r', '/tree', folder);
  for (const { path, name } of files)
    if (checksumOf(path) !== checksumOf(join(folder, name))) throw new Error(`${name} differs from what was stored`);
  say(`${files.length} files read back: all checksums equal`);
}

async function show(folder: string): Promise<void> {
  heading('1. wapiti dev: master, chunkservers and metalogger in one process');
  let cluster = await start(join(folder, 'data'));
  try {
    say(`the cluster is ready, master at 127.0.0.1:${PORT_BASE + 2}`);
    heading('2. real data through the client library');
    const files = findFiles(demoOptions().files);
    gather(files, join(folder, 'tree'));
    const since = Date.now();
    await client('put', '-q', '-r', join(folder, 'tree'), '/');
    say(
      `${files.length} files of this machine stored: ${speed(
        files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        since,
      )}`,
    );
    await compare(files, join(folder, 'back'));
    heading('3. the whole process is killed');
    await cluster.kill();
    say('kill -9');
    cluster = await start(join(folder, 'data'));
    say('started again on the same data: metadata restored from image and changelogs');
    await compare(files, join(folder, 'back'));
  } finally {
    await cluster.stop();
  }
  say('stopped cleanly');
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'wapiti-demo-'));
  try {
    await show(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  heading('what root would add');
  detail(
    'four hosts in network namespaces, files written through a mount (/dev/fuse), the master killed in the middle:',
  );
  detail(
    'the backup takes over the virtual address by VRRP, the writer goes on without an error, the old master comes',
  );
  detail('back as backup and takes over again, with a timeline and the proof that nothing acknowledged was lost.');
}

main().then(
  () => say('everything held'),
  (error: Error) => {
    say(interrupted.signal.aborted ? 'interrupted: all is removed' : `FAILED: ${error.message}`);
    process.exitCode = 1;
  },
);
