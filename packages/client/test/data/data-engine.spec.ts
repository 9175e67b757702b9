import {
  CHUNKOPFLAG_CONTINUEOP,
  CSTOCL_READ_DATA,
  CSTOCL_READ_STATUS,
  CSTOCL_WRITE_STATUS,
  MFS_ERROR_EAGAIN,
  MFS_ERROR_NOSPACE,
  MFS_ERROR_QUOTA,
  MFSCHUNKSIZE,
} from '@wapiti-fs/protocol';
import { SeededRandom } from '@wapiti-fs/runtime';

import { FakeCluster, StatusError } from './cluster';

const KIB = 1024;

function pattern(sizeBytes: number, seed = 1): Buffer {
  return new SeededRandom(seed).bytes(sizeBytes);
}

describe('writing', () => {
  test('a small file: one grant, one session, one packet, one END', async () => {
    const cluster = await FakeCluster.create();
    const engine = cluster.engine();
    const file = engine.open(5, 0);
    await file.write(0, Buffer.from('hello'));
    expect(file.length).toBe(5);
    expect(file.dirty).toBe(true);
    await cluster.until(file.flush());
    expect(file.dirty).toBe(false);
    expect(cluster.contents(5).toString()).toBe('hello');
    expect(cluster.calls).toEqual(['WRITE 5:0', 'GRANTED 5:0', 'END 5:0 5', 'ENDED 5:0']);
    const [head, second] = cluster.servers;
    expect(head?.writes).toEqual([{ blocknum: 0, offset: 0, size: 5 }]);
    expect(second?.sessions).toBe(0);
  });

  test('small writes one after the other go out as whole blocks', async () => {
    const cluster = await FakeCluster.create();
    const file = cluster.engine().open(5, 0);
    const data = pattern(1024 * KIB);
    for (let at = 0; at < data.length; at += 4 * KIB)
      await file.write(at, Buffer.from(data.subarray(at, at + 4 * KIB)));
    await cluster.until(file.flush());
    expect(cluster.contents(5).equals(data)).toBe(true);
    expect(cluster.servers[0]?.writes).toHaveLength(16);
  });

  test('a sequential writer over several chunks tells every length', async () => {
    const cluster = await FakeCluster.create();
    const file = cluster.engine().open(5, 0);
    const data = pattern(300 * KIB);
    await file.write(MFSCHUNKSIZE - 100 * KIB, data);
    await cluster.until(file.flush());
    expect(
      cluster
        .contents(5)
        .subarray(MFSCHUNKSIZE - 100 * KIB)
        .equals(data),
    ).toBe(true);
    expect(cluster.calls.filter((call) => call.startsWith('END ')).sort()).toEqual([
      `END 5:0 ${MFSCHUNKSIZE}`,
      `END 5:1 ${MFSCHUNKSIZE + 200 * KIB}`,
    ]);
  });

  test('connections are used again, for reading, too', async () => {
    const cluster = await FakeCluster.create();
    const engine = cluster.engine();
    for (let inode = 1; inode <= 20; inode++) {
      const file = engine.open(inode, 0);
      await file.write(0, pattern(1000, inode));
      await cluster.until(file.flush());
      await cluster.until(file.read(0, 1000));
      await cluster.until(file.close());
      await cluster.clock.advanceAsync(3000);
    }
    expect(cluster.servers.map((one) => one.connections)).toEqual([1, 0, 0]);
  });

  test('a session stays open for an appender and ends 100 ms after the last block', async () => {
    const cluster = await FakeCluster.create();
    const file = cluster.engine().open(5, 0);
    let at = 0;
    for (let i = 0; i < 20; i++) {
      await file.write(at, pattern(1000, i));
      at += 1000;
      await cluster.clock.advanceAsync(60);
    }
    expect(cluster.servers[0]?.sessions).toBe(1);
    expect(cluster.calls.some((call) => call.startsWith('END'))).toBe(false);
    await cluster.clock.advanceAsync(250);
    expect(cluster.calls).toContain('ENDED 5:0');
    expect(cluster.lengths.get(5)).toBe(20_000);
    expect(file.dirty).toBe(false);
  });

  test('the write cache is bounded: a writer waits for room', async () => {
    const cluster = await FakeCluster.create();
    const file = cluster.engine({ writeCacheBytes: 1024 * KIB }).open(5, 0);
    const data = pattern(4096 * KIB);
    let accepted = false;
    const writing = file.write(0, data).then(() => (accepted = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(accepted).toBe(false);
    await cluster.until(writing);
    await cluster.until(file.flush());
    expect(cluster.contents(5).equals(data)).toBe(true);
  });

  test('ENOSPC and EDQUOT reach flush, later writes and close, until the last handle is closed', async () => {
    for (const [status, code] of [
      [MFS_ERROR_NOSPACE, 'ENOSPC'],
      [MFS_ERROR_QUOTA, 'EDQUOT'],
    ] as const) {
      const cluster = await FakeCluster.create();
      const engine = cluster.engine();
      const file = engine.open(5, 0);
      cluster.fault = (call) => {
        if (call.startsWith('WRITE')) throw new StatusError(status);
      };
      await file.write(0, pattern(100 * KIB));
      await expect(cluster.until(file.flush())).rejects.toMatchObject({ code });
      await expect(file.write(0, Buffer.from('x'))).rejects.toMatchObject({ code });
      await expect(file.close()).rejects.toMatchObject({ code });
      cluster.fault = () => undefined;
      const again = engine.open(5, 0);
      await again.write(0, Buffer.from('x'));
      await cluster.until(again.close());
      expect(cluster.contents(5).toString()).toBe('x');
    }
  });

  test('quota at the end of a write is told by flush', async () => {
    const cluster = await FakeCluster.create();
    const file = cluster.engine().open(5, 0);
    cluster.fault = (call) => {
      if (call.startsWith('END ')) throw new StatusError(MFS_ERROR_QUOTA);
    };
    await file.write(0, pattern(10));
    await expect(cluster.until(file.flush())).rejects.toMatchObject({ code: 'EDQUOT' });
  });

  test('the master is away for an hour: writers wait, nothing is lost, no error', async () => {
    const cluster = await FakeCluster.create();
    const engine = cluster.engine();
    const file = engine.open(5, 0);
    let away = true;
    cluster.fault = () => {
      if (away) throw new Error('not connected');
    };
    const data = pattern(200 * KIB);
    await file.write(0, data);
    const flushed = cluster.until(file.flush(), 7_200_000);
    cluster.clock.after(3_600_000, () => {
      away = false;
      engine.masterBack();
    });
    await flushed;
    expect(cluster.contents(5).equals(data)).toBe(true);
  });

  test('a chunkserver of the chain dies in the middle of a stream', async () => {
    for (const victim of [0, 1]) {
      const cluster = await FakeCluster.create();
      const file = cluster.engine().open(5, 0);
      const data = pattern(6 * 1024 * KIB);
      await file.write(0, data);
      const flushed = file.flush();
      const [head] = cluster.servers;
      if (head === undefined) throw new Error('no server');
      head.onWrite = () => {
        if (head.writes.length === 10) cluster.servers[victim]?.crash();
      };
      await cluster.until(flushed);
      expect(cluster.contents(5).equals(data)).toBe(true);
      expect(cluster.chunks.get('5:0')?.servers.length).toBe(1);
    }
  });

  test('a first server of the chain that this client cannot reach is written through another one', async () => {
    const cluster = await FakeCluster.create();
    const file = cluster.engine().open(5, 0);
    cluster.network.partition('client', '10.0.0.1');
    const data = pattern(100 * KIB);
    await file.write(0, data);
    await cluster.until(file.flush());
    expect(cluster.contents(5).equals(data)).toBe(true);
    expect(cluster.chunks.get('5:0')?.servers.length).toBe(2);
    expect(cluster.servers[1]?.sessions).toBe(1);
  });

  test('a chain that confirms nothing is given up and its blocks go elsewhere', async () => {
    const cluster = await FakeCluster.create();
    const file = cluster.engine().open(5, 0);
    const [first] = cluster.servers;
    if (first === undefined) throw new Error('no server');
    first.stuck = true;
    cluster.clock.after(5000, () => {
      first.up = false; // the master notices, too
    });
    const data = pattern(100 * KIB);
    await file.write(0, data);
    await cluster.until(file.flush());
    expect(cluster.contents(5).equals(data)).toBe(true);
  });

  test('a lock that a lost answer may have brought is continued, also after the second copy was refused', async () => {
    const cluster = await FakeCluster.create();
    const grant = cluster.writeChunk.bind(cluster);
    const flags: number[] = [];
    cluster.writeChunk = async (inode, chunkIndex, sent, sentAgain) => {
      flags.push(sent & CHUNKOPFLAG_CONTINUEOP);
      if (flags.length > 1) return grant(inode, chunkIndex, sent);
      // Granted, the answer lost; the master comes back before its chunkservers, is asked again and sends away.
      await grant(inode, chunkIndex, sent);
      sentAgain?.();
      throw new StatusError(MFS_ERROR_EAGAIN);
    };
    const file = cluster.engine().open(5, 0);
    await file.write(0, Buffer.from('hello'));
    await cluster.until(file.flush(), 5000);
    expect(flags).toEqual([0, CHUNKOPFLAG_CONTINUEOP]);
    expect(cluster.contents(5).toString()).toBe('hello');
    // The next grant is a new one.
    await file.write(5, Buffer.from(' again'));
    await cluster.until(file.flush(), 5000);
    expect(flags[2]).toBe(0);
  });

  test('attributes from before the end of a write do not make the file shorter', async () => {
    const cluster = await FakeCluster.create();
    const engine = cluster.engine();
    const file = engine.open(5, 0);
    await file.write(0, pattern(1000));
    file.setLength(0);
    expect(file.length).toBe(1000);
    await cluster.until(file.flush());
    file.setLength(0);
    engine.open(5, 0);
    expect(file.length).toBe(1000);
    engine.lengthChanged(5, 10);
    expect(file.length).toBe(10);
    await cluster.clock.advanceAsync(2000);
    file.setLength(5);
    expect(file.length).toBe(5);
  });

  test('truncate waits for data under way and holds writers', async () => {
    const cluster = await FakeCluster.create();
    const file = cluster.engine().open(5, 0);
    await file.write(0, pattern(5000));
    const order: string[] = [];
    const truncated = file.truncate(async () => {
      order.push(`master at ${cluster.lengths.get(5)}`);
      cluster.lengths.set(5, 10);
      await new Promise<void>((resolve) => cluster.clock.after(1000, resolve));
      return 10;
    });
    const written = file.write(10, Buffer.from('tail')).then(() => order.push('written'));
    await cluster.until(truncated.then(() => order.push('truncated')));
    await cluster.until(written);
    await cluster.until(file.flush());
    expect(order[0]).toBe('master at 5000');
    expect(order.slice(1).sort()).toEqual(['truncated', 'written']);
    expect(file.length).toBe(14);
    expect(cluster.contents(5).subarray(10).toString()).toBe('tail');
  });
});

describe('reading', () => {
  async function fileOf(contents: Buffer, inode = 7): Promise<{ cluster: FakeCluster; contents: Buffer }> {
    const cluster = await FakeCluster.create();
    cluster.put(inode, contents);
    return { cluster, contents };
  }

  test('sequential: everything, with few requests and read-ahead', async () => {
    const { cluster, contents } = await fileOf(pattern(8 * 1024 * KIB + 123));
    const file = cluster.engine().open(7, contents.length);
    const got: Buffer[] = [];
    for (let at = 0; at < contents.length; at += 128 * KIB)
      got.push(...(await cluster.until(file.read(at, 128 * KIB))));
    expect(Buffer.concat(got).equals(contents)).toBe(true);
    const requests = cluster.servers.flatMap((one) => one.reads);
    expect(requests.length).toBeLessThan(20);
    expect(requests.reduce((sum, one) => sum + one.size, 0)).toBe(contents.length);
    expect(await file.read(contents.length, 10)).toEqual([]);
  });

  test('sequential in pieces of odd sizes: all requests are whole bytes', async () => {
    const { cluster, contents } = await fileOf(pattern(6 * 1024 * KIB + 1));
    const file = cluster.engine().open(7, contents.length);
    const pieceBytes = 70_001;
    const got: Buffer[] = [];
    for (let at = 0; at < contents.length; at += pieceBytes)
      got.push(...(await cluster.until(file.read(at, pieceBytes))));
    expect(Buffer.concat(got).equals(contents)).toBe(true);
    const requests = cluster.servers.flatMap((one) => one.reads);
    expect(requests.reduce((sum, one) => sum + one.size, 0)).toBe(contents.length);
  });

  test('all at once, however long', async () => {
    const { cluster, contents } = await fileOf(pattern(20 * 1024 * KIB));
    const file = cluster.engine().open(7, contents.length);
    const got = Buffer.concat(await cluster.until(file.read(0, 100 * 1024 * KIB)));
    expect(got.equals(contents)).toBe(true);
    expect(Math.max(...cluster.servers.map((one) => one.connections))).toBeLessThan(10);
  });

  test('at random: exactly what was asked for', async () => {
    const { cluster, contents } = await fileOf(pattern(4 * 1024 * KIB));
    const file = cluster.engine().open(7, contents.length);
    const random = new SeededRandom(3);
    for (let i = 0; i < 10; i++) {
      const at = 700_000 * (1 + ((i * 3) % 5)) + random.below(1000);
      const got = Buffer.concat(await cluster.until(file.read(at, 4096)));
      expect(got.equals(contents.subarray(at, at + 4096))).toBe(true);
    }
  });

  test('a location that came with LOOKUP saves asking for it, for a second', async () => {
    for (const [ageMs, asked] of [
      [500, 0],
      [1500, 1],
    ] as const) {
      const { cluster, contents } = await fileOf(pattern(1000));
      const engine = cluster.engine();
      const location = await cluster.until(cluster.readChunk(7, 0));
      cluster.calls.length = 0;
      engine.offerLocation(7, 0, location);
      await cluster.clock.advanceAsync(ageMs);
      const file = engine.open(7, contents.length);
      expect(Buffer.concat(await cluster.until(file.read(0, 1000))).equals(contents)).toBe(true);
      expect(cluster.calls).toHaveLength(asked);
    }
  });

  test('holes are zeros, the end is the length', async () => {
    const cluster = await FakeCluster.create();
    cluster.lengths.set(7, 1000);
    const file = cluster.engine().open(7, 1000);
    expect(Buffer.concat(await cluster.until(file.read(0, 4096))).equals(Buffer.alloc(1000))).toBe(true);
  });

  test('a wrong checksum, a dead server, an old location: another copy', async () => {
    const { cluster, contents } = await fileOf(pattern(300 * KIB));
    const engine = cluster.engine();
    const file = engine.open(7, contents.length);
    const all = async (): Promise<Buffer> => {
      file.invalidate();
      return Buffer.concat(await cluster.until(file.read(0, contents.length)));
    };
    for (const one of cluster.servers) one.badAnswers = 1;
    expect((await all()).equals(contents)).toBe(true);
    cluster.servers[0]?.crash();
    expect((await all()).equals(contents)).toBe(true);
    // The location in the cache is of version 1.
    await cluster.writeChunkOf(7, 0);
    engine.chunkChanged({ inode: 1, chunkIndex: 0, chunkId: 1, version: 9, length: 0, truncateFlag: 0 });
    for (const one of cluster.servers) one.reads = [];
    expect(Buffer.concat(await cluster.until(file.read(0, contents.length))).equals(contents)).toBe(true);
  });

  test('a server that falls silent is given up after two seconds', async () => {
    const { cluster, contents } = await fileOf(pattern(100 * KIB));
    const file = cluster.engine().open(7, contents.length);
    cluster.network.partition('client', '10.0.0.1');
    const startMs = cluster.clock.monotonicMs();
    expect(Buffer.concat(await cluster.until(file.read(0, contents.length))).equals(contents)).toBe(true);
    expect(cluster.clock.monotonicMs() - startMs).toBeLessThan(4000);
  });

  test('what is written and not sent yet is seen, over what is on chunkservers', async () => {
    const { cluster, contents } = await fileOf(pattern(300 * KIB));
    const file = cluster.engine().open(7, contents.length);
    const data = pattern(1000, 9);
    let hold = true;
    cluster.fault = async (call) => {
      while (hold && call.startsWith('WRITE')) await new Promise<void>((resolve) => cluster.clock.after(10, resolve));
    };
    await file.write(65_000, Buffer.from(data));
    await file.write(contents.length + 5, Buffer.from('end'));
    const expected = Buffer.concat([contents, Buffer.alloc(5), Buffer.from('end')]);
    data.copy(expected, 65_000);
    expect(Buffer.concat(await cluster.until(file.read(0, 1_000_000))).equals(expected)).toBe(true);
    expect(Buffer.concat(await file.read(65_100, 300)).equals(data.subarray(100, 400))).toBe(true);
    hold = false;
    await cluster.until(file.flush());
    expect(Buffer.concat(await cluster.until(file.read(0, 1_000_000))).equals(expected)).toBe(true);
    expect(cluster.contents(7).equals(expected)).toBe(true);
  });

  test('news of the master: another length, other contents', async () => {
    const { cluster, contents } = await fileOf(pattern(300 * KIB));
    const engine = cluster.engine();
    const file = engine.open(7, contents.length);
    await cluster.until(file.read(0, 4096));
    const other = pattern(200 * KIB, 77);
    cluster.put(7, other);
    engine.chunkChanged({ inode: 7, chunkIndex: 0, chunkId: 2, version: 1, length: other.length, truncateFlag: 1 });
    expect(file.length).toBe(other.length);
    expect(Buffer.concat(await cluster.until(file.read(0, 1_000_000))).equals(other)).toBe(true);
    engine.lengthChanged(7, 100);
    expect(Buffer.concat(await cluster.until(file.read(0, 1_000_000))).equals(other.subarray(0, 100))).toBe(true);
  });

  test('a read can be aborted while it waits', async () => {
    const { cluster, contents } = await fileOf(pattern(1000));
    cluster.fault = () => {
      throw new Error('not connected');
    };
    const file = cluster.engine().open(7, contents.length);
    const abort = new AbortController();
    const reading = file.read(0, 100, abort.signal);
    cluster.clock.after(5000, () => abort.abort(new Error('enough')));
    await expect(cluster.until(reading)).rejects.toThrow('enough');
  });
});

describe('answers that make no sense', () => {
  const answers: Record<string, Buffer> = {
    'an unknown message': Buffer.from('0000ffff00000000', 'hex'),
    'a length beyond the limit': Buffer.from('000000caffffffff', 'hex'),
    'a status too short': Buffer.from('000000d30000000100', 'hex'),
    'data too short': Buffer.from('000000ca0000000100', 'hex'),
    'another chunk': CSTOCL_READ_STATUS.encode({ chunkId: 99, status: 0 }),
    'an end before the data': CSTOCL_READ_STATUS.encode({ chunkId: 1, status: 0 }),
    'data of another place': CSTOCL_READ_DATA.encode({
      chunkId: 1,
      blocknum: 3,
      offset: 0,
      size: 1,
      crc: 0xd202ef8d,
      data: Buffer.alloc(1),
    }),
    'a status for what was not sent': CSTOCL_WRITE_STATUS.encode({ chunkId: 1, writeId: 77, status: 0 }),
  };

  test.each(Object.keys(answers))('%s: another connection, no harm', async (name) => {
    const cluster = await FakeCluster.create();
    const file = cluster.engine().open(5, 0);
    const data = pattern(200 * KIB);
    const garbage = answers[name] as Buffer;
    for (const one of cluster.servers) one.garbage = [garbage];
    await file.write(0, data);
    await cluster.until(file.flush());
    expect(cluster.contents(5).equals(data)).toBe(true);
    for (const one of cluster.servers) one.garbage = [garbage, garbage];
    expect(Buffer.concat(await cluster.until(file.read(0, data.length))).equals(data)).toBe(true);
  });
});
