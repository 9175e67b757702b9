#!/usr/bin/env node
// Write and read throughput of one chunkserver: ours and the C one, one after the other, under the same load generator.
//   node bench/throughput.mjs [--json FILE] [--rounds N]
// Needs root (a network namespace of its own: the C chunkserver refuses masters on loopback), iproute2, moosefs-chunkserver.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';

const SELF = fileURLToPath(import.meta.url);
const ADDRESS = '10.99.99.1';
const BLOCK = 65536;
const BLOCKS = 1024;
const CHUNK_MIB = 64;
const WINDOW = 64;
const data = Buffer.allocUnsafe(BLOCK);
for (let i = 0; i < BLOCK; i++) data[i] = (7 * i + (i >> 8) + 3) & 255;
const argument = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
const rounds = Number(argument('--rounds') ?? 3);

if (!process.argv.includes('--inside')) {
  const namespace = `wapiti-bench-${process.pid}`;
  const ip = (...args) => {
    const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
  };
  ip('netns', 'add', namespace);
  try {
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    ip('-n', namespace, 'addr', 'add', `${ADDRESS}/32`, 'dev', 'lo');
    const args = ['netns', 'exec', namespace, process.execPath, SELF, '--inside', ...process.argv.slice(2)];
    process.exitCode = spawnSync('ip', args, { stdio: 'inherit' }).status ?? 1;
  } finally {
    ip('netns', 'del', namespace);
  }
} else {
  await main();
  process.exit();
}

/** Frames with their type, payload as a view. */
function* frames(state, bytes) {
  state.rest = state.rest.length > 0 ? Buffer.concat([state.rest, bytes]) : bytes;
  while (state.rest.length >= 8 && state.rest.length >= 8 + state.rest.readUInt32BE(4)) {
    const end = 8 + state.rest.readUInt32BE(4);
    yield { type: state.rest.readUInt32BE(0), payload: state.rest.subarray(8, end) };
    state.rest = state.rest.subarray(end);
  }
}

function frame(type, ...fields) {
  const size = fields.reduce((sum, [bytes]) => sum + bytes, 0);
  const buffer = Buffer.alloc(8 + size);
  buffer.writeUInt32BE(type, 0);
  buffer.writeUInt32BE(size, 4);
  let at = 8;
  for (const [bytes, value] of fields) {
    if (bytes === 8) buffer.writeBigUInt64BE(BigInt(value), at);
    else buffer.writeUIntBE(value, at, bytes);
    at += bytes;
  }
  return buffer;
}

/** A master as far as one chunkserver needs it. */
async function fakeMaster() {
  const waiting = new Map();
  let link;
  let registered;
  const ready = new Promise((resolve) => (registered = resolve));
  const server = createServer((socket) => {
    link = socket;
    const state = { rest: Buffer.alloc(0) };
    const nop = setInterval(() => socket.write(frame(0)), 1000);
    nop.unref();
    let acknowledged = false;
    socket.on('error', () => undefined);
    socket.on('close', () => clearInterval(nop));
    let total = 0n;
    socket.on('data', (bytes) => {
      for (const { type, payload } of frames(state, bytes)) {
        if (type === 100 && payload[0] === 60) {
          socket.write(frame(104, [1, 0], [4, 0x300ea], [2, 10], [2, 1], [8, 0x1234567890n]));
          acknowledged = true;
        } else if (type === 100 && payload[0] === 61) socket.write(frame(104, [1, 0]));
        else if (type === 101) {
          total = payload.readBigUInt64BE(8);
          if (acknowledged && total > 0n) registered();
        } else if (type === 111) waiting.get(payload.readBigUInt64BE(0))?.(payload[8]);
      }
    });
  });
  await new Promise((resolve) => server.listen(9420, ADDRESS, resolve));
  return {
    ready,
    create: (id) =>
      new Promise((resolve, reject) => {
        waiting.set(BigInt(id), (status) => (status === 0 ? resolve() : reject(new Error(`create: ${status}`))));
        link.write(frame(110, [8, id], [4, 1]));
      }),
    close: () => {
      link?.destroy();
      server.close();
    },
  };
}

function open() {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: ADDRESS, port: 9422, noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => resolve(socket));
  });
}

/** Writes `count` packets of `size` bytes one after the other into a chunk, with a window, and ends the session. */
async function write(id, size, count) {
  const socket = await open();
  const part = data.subarray(0, size);
  const crc = crc32(part);
  await new Promise((resolve, reject) => {
    const state = { rest: Buffer.alloc(0) };
    let sent = 0;
    let confirmed = 0;
    const pump = () => {
      socket.cork();
      while (sent < count && sent - confirmed < WINDOW) {
        const at = sent * size;
        const head = frame(212, [8, id], [4, sent + 1], [2, at / BLOCK], [2, at % BLOCK], [4, size], [4, crc]);
        head.writeUInt32BE(24 + size, 4);
        socket.write(head);
        socket.write(part);
        sent++;
      }
      socket.uncork();
    };
    socket.on('data', (bytes) => {
      for (const { type, payload } of frames(state, bytes)) {
        if (type !== 211) continue;
        if (payload[12] !== 0) return reject(new Error(`write status ${payload[12]}`));
        if (payload.readUInt32BE(8) > 0) confirmed++;
      }
      if (confirmed === count) resolve();
      else pump();
    });
    socket.on('close', () => reject(new Error('closed while writing')));
    socket.write(frame(210, [1, 1], [8, id], [4, 1]));
    pump();
  });
  socket.removeAllListeners('close');
  socket.end(frame(213, [8, id], [4, 1]));
}

/** `count` reads of `size` bytes, each after the one before has ended. */
async function read(id, size, count, offsetOf) {
  const socket = await open();
  await new Promise((resolve, reject) => {
    let done = 0;
    let expected = 0;
    const next = () => {
      const offset = offsetOf(done);
      const blocks = Math.floor((offset + size - 1) / BLOCK) - Math.floor(offset / BLOCK) + 1;
      expected = blocks * 28 + size + 17;
      socket.write(frame(200, [1, 1], [8, id], [4, 1], [4, offset], [4, size]));
    };
    socket.on('data', (bytes) => {
      expected -= bytes.length;
      if (expected > 0) return;
      if (bytes[bytes.length - 1] !== 0) return reject(new Error(`read status ${bytes[bytes.length - 1]}`));
      if (++done === count) resolve();
      else next();
    });
    socket.on('close', () => reject(new Error('closed while reading')));
    next();
  });
  socket.removeAllListeners('close');
  socket.destroy();
}

async function timed(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function serverCommand(implementation, config) {
  const options = ['-f', '-c', config, 'start'];
  if (implementation === 'c') return ['/usr/sbin/mfschunkserver', options];
  return [process.execPath, [join(dirname(SELF), '../dist/main.js'), ...options]];
}

/** Median figures of one implementation. */
async function measure(implementation, dir) {
  const base = join(dir, implementation);
  mkdirSync(join(base, 'hdd'), { recursive: true });
  writeFileSync(join(base, 'hdd.cfg'), `${base}/hdd\n`);
  const lines = {
    WORKING_USER: 'root',
    WORKING_GROUP: 'root',
    DATA_PATH: base,
    HDD_CONF_FILENAME: `${base}/hdd.cfg`,
    HDD_LEAVE_SPACE_DEFAULT: '0',
    HDD_TEST_SPEED: '0',
    MASTER_HOST: ADDRESS,
    MASTER_RECONNECTION_DELAY: '1',
  };
  writeFileSync(
    join(base, 'cs.cfg'),
    Object.entries(lines)
      .map(([key, value]) => `${key} = ${value}\n`)
      .join(''),
  );
  const master = await fakeMaster();
  const [command, args] = serverCommand(implementation, join(base, 'cs.cfg'));
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (bytes) => (output += bytes));
  child.once('exit', (code) => code && console.error(`${implementation}: exit code ${code}\n${output}`));
  await master.ready;
  const results = {};
  const add = (name, value) => (results[name] ??= []).push(value);
  let id = 1;
  for (let round = 0; round < rounds; round++) {
    const one = id++;
    await master.create(one);
    add('write, 1 stream, MiB/s', CHUNK_MIB / (await timed(() => write(one, BLOCK, BLOCKS))));
    const four = [id++, id++, id++, id++];
    for (const chunk of four) await master.create(chunk);
    add(
      'write, 4 streams, MiB/s',
      (4 * CHUNK_MIB) / (await timed(() => Promise.all(four.map((chunk) => write(chunk, BLOCK, BLOCKS))))),
    );
    add('read, 1 stream, MiB/s', CHUNK_MIB / (await timed(() => read(one, CHUNK_MIB << 20, 1, () => 0))));
    add(
      'read, 4 streams, MiB/s',
      (4 * CHUNK_MIB) / (await timed(() => Promise.all(four.map((chunk) => read(chunk, CHUNK_MIB << 20, 1, () => 0))))),
    );
    const small = id++;
    await master.create(small);
    add('write of 4 KiB, packets/s', 4096 / (await timed(() => write(small, 4096, 4096))));
    add(
      'read of 4 KiB, requests/s',
      2000 / (await timed(() => read(one, 4096, 2000, (i) => ((i * 7919) % 16384) * 4096))),
    );
  }
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('exit', resolve));
  master.close();
  rmSync(base, { recursive: true, force: true });
  const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
  return Object.fromEntries(Object.entries(results).map(([name, values]) => [name, median(values)]));
}

async function main() {
  const dir = mkdtempSync(join(argument('--dir') ?? tmpdir(), 'wapiti-bench-'));
  try {
    const c = await measure('c', dir);
    const ours = await measure('wapiti', dir);
    const rows = Object.keys(c).map((name) => ({
      name,
      c: Math.round(c[name]),
      ours: Math.round(ours[name]),
      ratio: Number((ours[name] / c[name]).toFixed(2)),
    }));
    console.log('| one chunkserver | C 3.0.117 | ours | ours / C |');
    console.log('|---|---:|---:|---:|');
    for (const row of rows) console.log(`| ${row.name} | ${row.c} | ${row.ours} | ${row.ratio} |`);
    const json = JSON.stringify({ benchmark: 'chunkserver', rounds, rows }, undefined, 2);
    const file = argument('--json');
    if (file) writeFileSync(file, `${json}\n`);
    else console.log(json);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
