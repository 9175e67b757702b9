// One load on a mounted file system, timed: `node load.mjs DIR LOAD [NUMBER]`; prints {"seconds":…} as JSON.
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const [dir, load, number] = process.argv.slice(2);
const count = Number(number);
const MIB = 1024 * 1024;
const data = Buffer.allocUnsafe(MIB);
for (let i = 0; i < data.length; i++) data[i] = (7 * i + (i >> 8) + 3) & 255;
const small = data.subarray(0, 1024);
const file = (i) => join(dir, 'small', `${i % 16}`, `f${i}`);

const loads = {
  /** `count` MiB in writes of 1 MiB, fsync at the end. */
  write() {
    const fd = openSync(join(dir, 'large'), 'w');
    for (let i = 0; i < count; i++) writeSync(fd, data);
    fsyncSync(fd);
    closeSync(fd);
  },
  /** The same file in reads of 1 MiB. */
  read() {
    const fd = openSync(join(dir, 'large'), 'r');
    const buffer = Buffer.allocUnsafe(MIB);
    let total = 0;
    for (let got = readSync(fd, buffer); got > 0; got = readSync(fd, buffer)) total += got;
    closeSync(fd);
    if (total !== count * MIB || !buffer.equals(data))
      throw new Error(`read ${total} bytes, or others than were written`);
  },
  /** `count` files of 1 KiB made, written and closed. */
  create() {
    for (let i = 0; i < count; i++) writeFileSync(file(i), small);
  },
  /** Those files opened, read and closed. */
  open() {
    for (let i = 0; i < count; i++)
      if (readFileSync(file(i)).length !== small.length) throw new Error(`${file(i)}: short`);
  },
  /** `count` times 4 KiB appended and fdatasync'ed. */
  append() {
    append(join(dir, 'log'), count);
  },
};

function append(path, times) {
  const fd = openSync(path, 'w');
  for (let i = 0; i < times; i++) {
    writeSync(fd, data, 0, 4096);
    fdatasyncSync(fd);
  }
  closeSync(fd);
}

// The client's process is as new as the mount: what it does for the first time (compiling, connecting) is not measured.
const WARM_UP = 300;
const warmUps = {
  create() {
    mkdirSync(join(dir, 'small'));
    for (let i = 0; i < 16; i++) mkdirSync(join(dir, 'small', `${i}`));
    for (let i = count; i < count + WARM_UP; i++) writeFileSync(file(i), small);
  },
  open() {
    for (let i = count; i < count + WARM_UP; i++) readFileSync(file(i));
  },
  append: () => append(join(dir, 'warm'), WARM_UP),
};

warmUps[load]?.();
const start = performance.now();
loads[load]();
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000 }));
