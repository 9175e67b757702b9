#!/usr/bin/env node
// Frames per second and MB/s of parsing, decoding and encoding: node bench/frames.mjs [--json FILE] [--seconds N]
// Small frames are what master and clients exchange; large ones are blocks of chunks.
import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';

const require = createRequire(import.meta.url);
const protocol = require('../dist/main.js');
const argument = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
const seconds = Number(argument('--seconds') ?? 1);

const attributes = {
  flags: 12,
  type: protocol.TYPE_FILE,
  mode: 0o644,
  uid: 1000,
  gid: 1000,
  atime: 1_800_000_000,
  mtime: 1_800_000_000,
  ctime: 1_800_000_000,
  nlink: 1,
  rdev: 0,
  length: 123_456,
  winattr: 0,
};
const block = Buffer.alloc(65536, 7);
const cases = [
  {
    name: 'LOOKUP request',
    message: protocol.CLTOMA_FUSE_LOOKUP,
    value: { msgid: 7, parent: 1, name: Buffer.from('some-file.txt'), uid: 1000, gids: [1000, 4, 27] },
  },
  {
    name: 'GETATTR answer',
    message: protocol.MATOCL_FUSE_GETATTR,
    value: { variant: 'ok', msgid: 7, attributes },
  },
  {
    name: 'WRITE_DATA 64 KiB',
    message: protocol.CLTOCS_WRITE_DATA,
    value: { chunkId: 1, writeId: 2, blocknum: 3, offset: 0, size: block.length, crc: 4, data: block },
  },
];

/** Runs `work`, which handles `frames` frames a call, for the given time; frames per second of the best of three rounds. */
function rate(frames, work) {
  let best = 0;
  for (let round = 0; round < 3; round++) {
    const start = process.hrtime.bigint();
    let calls = 0;
    let elapsedS = 0;
    while (elapsedS < seconds / 3) {
      for (let i = 0; i < 20; i++) work();
      calls += 20;
      elapsedS = Number(process.hrtime.bigint() - start) / 1e9;
    }
    best = Math.max(best, (calls * frames) / elapsedS);
  }
  return best;
}

const rows = [];
for (const { name, message, value } of cases) {
  const frame = message.encode(value);
  const count = Math.max(1, Math.floor(65536 / frame.length));
  const chunk = Buffer.concat(Array.from({ length: count }, () => frame));
  const payload = frame.subarray(8);
  const row = (operation, frames, work) => {
    const framesPerS = rate(frames, work);
    rows.push({ frame: name, bytes: frame.length, operation, framesPerS, mbPerS: (framesPerS * frame.length) / 1e6 });
  };
  const whole = new protocol.FrameParser(1_000_000);
  row('parse, arrives whole', count, () => {
    for (const one of whole.push(chunk)) if (one.payload.length === 0) throw new Error('empty');
  });
  const split = new protocol.FrameParser(1_000_000);
  const cut = Math.floor(chunk.length / 3);
  row('parse, in three pieces', count, () => {
    let got = 0;
    for (const part of [chunk.subarray(0, cut), chunk.subarray(cut, 2 * cut), chunk.subarray(2 * cut)])
      for (const one of split.push(part)) got += one.payload.length;
    if (got === 0) throw new Error('nothing');
  });
  row('decode', 1, () => message.decode(payload));
  row('encode', 1, () => message.encodeParts(value));
}

console.table(
  rows.map(({ frame, bytes, operation, framesPerS, mbPerS }) => ({
    frame,
    bytes,
    operation,
    'frames/s': Math.round(framesPerS),
    'MB/s': Number(mbPerS.toFixed(1)),
  })),
);
const figures = rows.flatMap(({ frame, operation, framesPerS, mbPerS }) => [
  { name: `${frame}: ${operation}, frames/s`, ours: framesPerS },
  { name: `${frame}: ${operation}, MB/s`, ours: mbPerS },
]);
const file = argument('--json');
const json = JSON.stringify({ benchmark: 'protocol', rows: figures }, undefined, 2);
if (file === undefined) console.log(json);
else writeFileSync(file, `${json}\n`);
