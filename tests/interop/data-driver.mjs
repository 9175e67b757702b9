// Our client library as a process of its own, to be run on a host of the lab: commands as JSON lines on standard input, answers as
// JSON lines on standard output, in the order in which commands finish. `node data-driver.mjs MASTER`
import { createCipheriv, createHash } from 'node:crypto';
import { createInterface } from 'node:readline';

import { createDataEngine, MasterSession, MfsClient } from '@wapiti-fs/client';
import { createLogger, systemClock, systemRandom, tcpNetwork } from '@wapiti-fs/runtime';

const caller = { uid: 0, gids: [0] };
const services = {
  clock: systemClock,
  random: systemRandom,
  network: tcpNetwork,
  log: createLogger({ ident: 'data-driver' }),
};
const session = new MasterSession(services, { host: process.argv[2], info: 'data-driver' });
const client = new MfsClient(session);
const engine = createDataEngine(services, client, {});
session.listen({
  connected: () => engine.masterBack(),
  disconnected: () => engine.masterLost(),
  chunkChanged: (change) => engine.chunkChanged(change),
  lengthChanged: (inode, length) => engine.lengthChanged(inode, length),
  serversChanged: () => engine.serversChanged(),
});
await session.start();

/** Any number of bytes that look random; the same in tests/harness/data-driver.ts. */
function contents(seed, size) {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(size));
}

const files = new Map();
const commands = {
  async create({ name }) {
    const { inode } = await client.create(caller, 1, Buffer.from(name), 0o644);
    files.set(name, engine.open(inode, 0));
  },
  async open({ name }) {
    const { inode, attributes } = await client.lookup(caller, 1, Buffer.from(name));
    await client.open(caller, inode, 3);
    files.set(name, engine.open(inode, attributes.length));
    return { length: attributes.length };
  },
  /** Writes `size` bytes of `contents(seed)` in pieces of `step` bytes. */
  async write({ name, offset, seed, size, step = size }) {
    const data = contents(seed, size);
    for (let at = 0; at < size; at += step)
      await files.get(name).write(offset + at, Buffer.from(data.subarray(at, Math.min(size, at + step))));
  },
  flush: ({ name }) => files.get(name).flush(),
  async read({ name, offset, size, step = 131072 }) {
    const hash = createHash('sha256');
    let length = 0;
    for (let at = offset; at < offset + size; at += step) {
      for (const piece of await files.get(name).read(at, Math.min(step, offset + size - at))) {
        hash.update(piece);
        length += piece.length;
      }
    }
    return { length, sha256: hash.digest('hex') };
  },
  async truncate({ name, length }) {
    const file = files.get(name);
    await file.truncate(async () => (await client.truncate(caller, file.inode, length)).attributes.length);
  },
  async close({ name }) {
    const file = files.get(name);
    files.delete(name);
    await file.close();
    client.release(file.inode);
  },
};

console.log(JSON.stringify({ ready: true }));
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  commands[command.do](command).then(
    (result) => console.log(JSON.stringify({ id: command.id, ...result })),
    (error) => console.log(JSON.stringify({ id: command.id, error: error.code ?? 'error', text: error.message })),
  );
}
await engine.stop();
await session.close();
process.exit(0);
