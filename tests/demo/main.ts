/**
 * The main job, shown on this machine: files are being written through a mount, the master is killed, the backup takes
 * over the virtual address, and the writer goes on without an error. Started by scripts/demo, as root.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { HOSTS, Lab, VIRTUAL_IP } from '../harness/lab.js';
import { eventually } from '../harness/processes.js';
import { type MasterHost, TwoHosts } from '../harness/two-hosts.js';
import { demoOptions } from './options.js';
import { detail, elapsedS, heading, MIB, say, speed } from './output.js';
import { addressSetMs, type Moment, takeoverMoments } from './timeline.js';
import { checksumOf, findFiles } from './tree.js';
import { Copier, Writer } from './workload.js';

const NAMES: Record<string, string> = { m1: 'main master', m2: 'backup', c1: 'storage', cl: 'client' };
const TIME_GOAL_S = 180;
const CHUNKSERVER_BACK = /connected to master/i;

const options = demoOptions();

function writeBigFile(path: string, mib: number): void {
  const fd = openSync(path, 'w');
  for (let i = 0; i < mib; i++) writeSync(fd, randomBytes(MIB));
  fsyncSync(fd);
  closeSync(fd);
}

interface Cluster {
  readonly lab: Lab;
  readonly hosts: TwoHosts;
  readonly writer: Writer;
  readonly copier: Copier;
}

/** Kills the master of `old` and shows what happens until the client works again through `next`. */
async function failOver({ lab, hosts, writer, copier }: Cluster, old: MasterHost, next: MasterHost): Promise<number> {
  await writer.more(100);
  const pid = hosts.pid(old, 'mfsmaster');
  if (pid === undefined) throw new Error(`no master runs on ${old}`);
  const logs = lab.chunkserverLogs();
  const before = logs.map((one) => one.output.length);
  const killedAtMs = Date.now();
  process.kill(pid, 'SIGKILL');
  say(`kill -9 ${pid}: the master process on the ${NAMES[old]}, while files are written`);
  await hosts.waitServing(next);
  const others: Moment[] = [];
  await eventually(
    'all chunkservers are back',
    () => {
      logs.forEach((log, index) => {
        const text = NAMES[log.label.split(' ').at(-1) ?? ''] ?? log.label;
        const known = others.some((one) => one.text.includes(`(${text})`));
        if (!known && CHUNKSERVER_BACK.test(log.output.slice(before[index])))
          others.push({ atMs: Date.now(), text: `chunkserver back (${text})` });
      });
      return others.length === logs.length;
    },
    60_000,
    10,
  );
  const setMs = await eventually('address set', () => addressSetMs(hosts.agent(next), killedAtMs));
  const first = await eventually('first operation of the client', () => writer.firstAfter(setMs), 60_000, 10);
  others.push({ atMs: first.timeMs, text: 'client: first record written and fsynced through the new master' });
  await copier.more(1);
  const moments = takeoverMoments({
    killedAtMs,
    old: { name: NAMES[old] ?? old, agent: hosts.agent(old) },
    next: { name: NAMES[next] ?? next, agent: hosts.agent(next) },
    others,
  });
  say('timeline, seconds after the kill:');
  for (const { atMs, text } of moments) detail(`${((atMs - killedAtMs) / 1000).toFixed(3).padStart(7)}  ${text}`);
  const stall = writer.stallMs(killedAtMs - 1000);
  say(
    `total stall seen by the writer: ${(stall / 1000).toFixed(2)} s (copier: ${(copier.stallMs(killedAtMs - 1000) / 1000).toFixed(2)} s)`,
  );
  return stall;
}

async function main(): Promise<void> {
  const lab = await Lab.create();
  const stop = (): void => {
    lab.destroySync();
    process.exit(1);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const hosts = new TwoHosts(lab, {
    set: options.set,
    implementations: options.implementations,
    chunkservers: ['m2', 'c1'],
  });
  try {
    await show(hosts);
  } catch (error) {
    process.stdout.write(`\nlogs of the daemons:\n${lab.logs(40)}\n`);
    throw error;
  } finally {
    heading('7. cleaning up');
    await hosts.destroy();
    say('processes, mounts, namespaces and files are gone');
  }
}

async function show(hosts: TwoHosts): Promise<void> {
  const { lab } = hosts;
  const foreign = Object.keys(options.implementations);
  say(
    `four hosts in network namespaces, configuration configs/${options.set}${foreign.length > 0 ? `; C programs in place of ${foreign.join(', ')}` : ''}`,
  );
  for (const [host, address] of Object.entries(HOSTS)) detail(`${address.padEnd(12)} ${NAMES[host]}`);
  detail(`${VIRTUAL_IP.padEnd(12)} virtual address, follows the serving master`);
  heading('1. start');
  await Promise.all([hosts.startAgent('m1'), hosts.startAgent('m2'), hosts.startChunkservers()]);
  await hosts.waitServing('m1');
  say(`the ${NAMES.m1} serves, the virtual address is there`);
  const mount = await hosts.mount('cl');
  await eventually('space', () => statSync(mount.dir).isDirectory());
  await eventually('the chunkservers are registered', () =>
    lab.chunkserverLogs().every((one) => CHUNKSERVER_BACK.test(one.output)),
  );
  say('two chunkservers are connected, the client has mounted');

  heading('2. real data');
  const sources = findFiles(options.files);
  let since = Date.now();
  const tree = new Copier(sources, join(mount.dir, 'tree'), false);
  await tree.finish();
  say(`${tree.operations.length} files of this machine copied: ${speed(tree.bytes, since)}`);
  const local = lab.path('big');
  writeBigFile(local, options.bigMib);
  since = Date.now();
  const big = new Copier(
    [{ path: local, name: 'big', sizeBytes: options.bigMib * MIB }],
    join(mount.dir, 'large'),
    false,
  );
  await big.finish();
  say(`one file of ${options.bigMib} MiB copied: ${speed(big.bytes, since)}`);

  heading('3. the master is killed');
  mkdirSync(join(mount.dir, 'records'));
  const cluster = {
    lab,
    hosts,
    writer: new Writer(join(mount.dir, 'records')),
    copier: new Copier(sources, join(mount.dir, 'copies'), true),
  };
  const { writer, copier } = cluster;
  const stalls: number[] = [];
  try {
    await hosts.waitFollowing('m2');
    say('a writer (every record fsynced) and a copier are running; the backup follows');
    stalls.push(await failOver(cluster, 'm1', 'm2'));
    say(`so far ${writer.operations.length} records acknowledged, ${copier.operations.length} files copied, no error`);

    heading('4. the old master comes back as backup');
    await hosts.waitFollowing('m1');
    const status = await hosts.status('m1');
    for (const { name, tookMs } of status.steps) detail(`${NAMES.m1}: ${name} (${tookMs} ms)`);
    say(`the ${NAMES.m1} follows the ${NAMES.m2}; its own metadata is set aside`);

    heading('5. and takes over again');
    stalls.push(await failOver(cluster, 'm2', 'm1'));
    await writer.stop();
    await copier.stop();
  } catch (error) {
    writer.kill();
    copier.kill();
    throw error;
  }

  heading('6. proof');
  const { records, files } = writer.prove();
  say(`${records} records acknowledged by fsync in ${files} files: all there, in order, undamaged`);
  for (const { source, copy } of [...tree.copies(), ...big.copies(), ...copier.copies()])
    if (checksumOf(source) !== checksumOf(copy)) throw new Error(`${copy} differs from ${source}`);
  say(`${tree.operations.length + copier.operations.length + 1} copied files read back: all checksums equal`);
  say('no program saw an I/O error');
  rmSync(local);
  say(`stalls of the two takeovers: ${stalls.map((one) => `${(one / 1000).toFixed(2)} s`).join(', ')}`);
}

main().then(
  () => {
    say(`everything held${elapsedS() > TIME_GOAL_S ? `, but it took more than ${TIME_GOAL_S} s` : ''}`);
  },
  (error: Error) => {
    say(`FAILED: ${error.message}`);
    process.exitCode = 1;
  },
);
