// The client library as an application uses it, run on a host of the lab: `node client-api.mjs MASTER WHAT …`
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { setTimeout } from 'node:timers/promises';

import { WapitiFs } from '@wapiti-fs/client';
import protocol from '@wapiti-fs/protocol';
import { tcpNetwork } from '@wapiti-fs/runtime';

const [master, what, ...args] = process.argv.slice(2);
/** Answers that are thrown away, each together with the connection it came on. */
const lost = new Set();
const network = {
  ...tcpNetwork,
  async connect(options) {
    const connection = await tcpNetwork.connect(options);
    const { setHandlers } = connection;
    connection.setHandlers = (handlers) =>
      setHandlers.call(connection, {
        ...handlers,
        frame: (frame) => (lost.delete(frame.type) ? connection.destroy() : handlers.frame(frame)),
      });
    return connection;
  },
};
const fs = await WapitiFs.connect({
  master,
  password: process.env.WAPITI_PASSWORD,
  info: `client-api ${what}`,
  services: { network },
});
const MIB = 1024 * 1024;
const fails = (promise, code) => assert.rejects(promise, (error) => error.code === code || assert.fail(String(error)));

const scripts = {
  async space() {
    while ((await fs.statfs()).bavail === 0) await setTimeout(100);
    console.log('space available');
  },

  async operations() {
    // Directories and names
    assert.equal(await fs.mkdir('/d/e/f', { recursive: true }), '/d');
    assert.equal(await fs.mkdir('/d/e', { recursive: true }), undefined);
    await fails(fs.mkdir('/d'), 'EEXIST');
    await fails(fs.mkdir('/no/parent'), 'ENOENT');
    await fs.writeFile('/d/a', 'hello');
    await fs.appendFile('/d/a', ' world');
    assert.equal(await fs.readFile('/d/a', 'utf8'), 'hello world');
    await fails(fs.writeFile('/d/a', '', { flag: 'wx' }), 'EEXIST');
    await fs.symlink('a', '/d/link');
    await fs.symlink('/d/../d/link', '/d/e/far');
    await fs.symlink('loop', '/d/loop');
    assert.equal(await fs.readlink('/d/e/far'), '/d/../d/link');
    assert.equal(await fs.readFile('/d/e/far', 'utf8'), 'hello world');
    await fails(fs.stat('/d/loop'), 'ELOOP');
    assert.ok((await fs.lstat('/d/link')).isSymbolicLink());
    await fs.link('/d/a', '/d/b');
    assert.equal((await fs.stat('/d/b')).nlink, 2);
    await fs.rename('/d/a', '/d/b');
    assert.equal((await fs.stat('/d/b')).nlink, 2, 'names of one file: nothing is done');
    await fs.writeFile('/d/c', 'other');
    await fs.rename('/d/c', '/d/b');
    assert.equal(await fs.readFile('/d/link', 'utf8'), 'hello world');
    await fails(fs.rename('/d', '/d/e/g'), 'EINVAL');
    await fails(fs.rename('/d', '/d/g'), 'EINVAL');
    await fails(fs.rename('/d/b', '/d/e'), 'EISDIR');
    await fails(fs.rename('/d/e', '/d/b'), 'ENOTDIR');
    assert.deepEqual((await fs.readdir('/d')).sort(), ['a', 'b', 'e', 'link', 'loop']);
    const kinds = {};
    for await (const entry of fs.opendir('/d')) kinds[entry.name] = entry.isDirectory();
    assert.deepEqual(kinds, { a: false, b: false, e: true, link: false, loop: false });
    await fails(fs.rmdir('/d/e'), 'ENOTEMPTY');
    await fails(fs.unlink('/d/e'), 'EPERM');
    await fails(fs.readFile('/d'), 'EISDIR');
    await fails(fs.readdir('/d/b'), 'ENOTDIR');

    // Attributes
    await fs.chmod('/d/a', 0o4751);
    await fs.chown('/d/a', 1000, 1001);
    await fs.utimes('/d/a', 1_000_000_000, new Date(1_100_000_000_000));
    const stats = await fs.stat('/d/a');
    assert.deepEqual([stats.uid, stats.gid, stats.atimeMs, stats.mtimeMs, stats.size], [1000, 1001, 1e12, 1.1e12, 11]);
    const user = fs.as(2000, [2000, 7]);
    await fails(user.access('/d/a', 4), 'EACCES');
    await fails(user.writeFile('/d/a', ''), 'EACCES');
    await fails(user.chmod('/d/a', 0o777), 'EPERM');
    await fs.as(2000, [1001]).access('/d/a', 5);
    await fs.truncate('/d/b', 2);
    assert.equal(await fs.readFile('/d/b', 'utf8'), 'ot');

    // Handles and streams
    const handle = await fs.open('/d/h', 'w+');
    await handle.write('0123456789');
    await handle.write(Buffer.from('xAByz'), 1, 2, 4);
    const buffer = Buffer.alloc(20);
    assert.equal((await handle.read(buffer, 0, 20, 0)).bytesRead, 10);
    assert.equal(buffer.toString('latin1', 0, 10), '0123AB6789');
    assert.equal((await handle.stat()).size, 10);
    await handle.truncate(5);
    await handle.sync();
    assert.equal((await fs.stat('/d/h')).size, 5);
    await fs.unlink('/d/h');
    assert.equal((await handle.read(buffer, 0, 20, 0)).bytesRead, 5, 'an open file without a name');
    await handle.close();
    await fails(handle.read(buffer), 'EBADF');
    const content = randomBytes(5 * MIB + 17);
    const out = (await fs.open('/d/stream', 'w')).createWriteStream();
    await pipeline(async function* () {
      for (let at = 0; at < content.length; at += 100_000) yield content.subarray(at, at + 100_000);
    }, out);
    const some = [];
    const input = (await fs.open('/d/stream', 'r')).createReadStream({ start: 1000, end: 4_000_000 });
    for await (const piece of input) some.push(piece);
    assert.ok(Buffer.concat(some).equals(content.subarray(1000, 4_000_001)));
    await fs.copyFile('/d/stream', '/d/copied');
    assert.ok((await fs.readFile('/d/copied')).equals(content));
    const sparse = await fs.open('/d/sparse', 'w');
    await sparse.write('end', 0, 3, 130 * MIB);
    await sparse.close();
    const tail = Buffer.alloc(10);
    const again = await fs.open('/d/sparse');
    await again.read(tail, 0, 10, 130 * MIB - 7);
    await again.close();
    assert.equal(tail.toString('latin1'), '\0\0\0\0\0\0\0end');

    // Giving up
    const abort = new AbortController();
    abort.abort();
    await assert.rejects(fs.stat('/d', { signal: abort.signal }), { name: 'AbortError' });

    await fs.rm('/d', { recursive: true });
    await fails(fs.stat('/d'), 'ENOENT');
    console.log('all operations as expected');
  },

  /** The master executes a request, but its answer is lost with the connection: nothing of it is to be seen. */
  async lostAnswers() {
    const losing = async (name, perform) => {
      lost.add(protocol[`MATOCL_FUSE_${name}`].type);
      const result = await perform();
      assert.equal(lost.size, 0, `${name} was answered`);
      return result;
    };
    await losing('MKDIR', () => fs.mkdir('/lost'));
    await losing('CREATE', () => fs.writeFile('/lost/file', 'content', { flag: 'wx' }));
    await losing('WRITE_CHUNK', () => fs.writeFile('/lost/second', 'more content'));
    await losing('WRITE_CHUNK_END', () => fs.appendFile('/lost/second', ', and more'));
    await losing('SYMLINK', () => fs.symlink('file', '/lost/link'));
    await losing('LINK', () => fs.link('/lost/file', '/lost/hard'));
    await losing('RENAME', () => fs.rename('/lost/hard', '/lost/moved'));
    await losing('SETATTR', () => fs.chmod('/lost/file', 0o600));
    await losing('UNLINK', () => fs.unlink('/lost/moved'));
    await losing('READDIR', async () =>
      assert.deepEqual((await fs.readdir('/lost')).sort(), ['file', 'link', 'second']),
    );
    await losing('READ_CHUNK', async () => assert.equal(await fs.readFile('/lost/link', 'utf8'), 'content'));
    assert.equal(await fs.readFile('/lost/second', 'utf8'), 'more content, and more');
    // What was there before is not taken for one's own.
    await fs.writeFile('/lost/old', '');
    await fails(
      losing('CREATE', () => fs.writeFile('/lost/old', '', { flag: 'wx' })),
      'EEXIST',
    );
    await setTimeout(3100);
    await fails(
      losing('MKDIR', () => fs.mkdir('/lost')),
      'EEXIST',
    );
    await fs.rm('/lost', { recursive: true });
    console.log('no lost answer was noticed');
  },

  /** Waits for an operation to fail and tells why. */
  async foreign() {
    console.log('session established');
    for (;;) {
      try {
        await fs.stat('/');
        await setTimeout(50);
      } catch (error) {
        console.log(`refused with ${error.code}: ${error.message}`);
        return;
      }
    }
  },

  /** Writes a large file while names are made, and checks both after the end. */
  async writer(sizeText) {
    const size = Number(sizeText);
    const hash = createHash('sha256');
    fs.client.session.listen({ disconnected: () => console.log('disconnected') });
    let done = false;
    const names = [];
    const maker = (async () => {
      await fs.mkdir('/names');
      for (let i = 0; !done; i++) {
        await fs.writeFile(`/names/${i}`, String(i), { flag: 'wx' });
        await fs.mkdir(`/names/d${i}`);
        await fs.rename(`/names/${i}`, `/names/d${i}/r`);
        names.push(i);
        await setTimeout(5);
      }
    })();
    const file = await fs.open('/written', 'w');
    for (let at = 0; at < size; at += MIB) {
      const piece = randomBytes(Math.min(MIB, size - at));
      hash.update(piece);
      await file.write(piece);
      if (at % (8 * MIB) === 0) await file.sync();
      console.log(`written ${at / MIB} MiB`);
      await setTimeout(10);
    }
    await file.close();
    done = true;
    await maker;
    for (const i of names) assert.equal(await fs.readFile(`/names/d${i}/r`, 'utf8'), String(i));
    console.log(`names made: ${names.length}, all there`);
    console.log(`written: ${hash.digest('hex')}`);
  },
};

await scripts[what](...args);
await fs.close();
