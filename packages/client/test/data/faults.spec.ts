/**
 * Random writes, reads, flushes and truncations against a model, while connections break, chunkservers die and come back, and
 * answers of the master get lost, all from one seed. What flush acknowledged must be on every valid copy, reads must see what was
 * written, and no error may reach the program.
 */
import { SeededRandom } from '@wapiti-fs/runtime';
import * as fc from 'fast-check';

import { FakeCluster } from './cluster';

const INODE = 5;
const MAX_BYTES = 400_000;

class Model {
  bytes = Buffer.alloc(0);

  write(offset: number, data: Buffer): void {
    this.resize(Math.max(this.bytes.length, offset + data.length));
    data.copy(this.bytes, offset);
  }

  resize(length: number): void {
    const next = Buffer.alloc(length);
    this.bytes.copy(next);
    this.bytes = next;
  }
}

/** Breaks something now and then until stopped. */
class Faults {
  private active = true;

  constructor(
    private readonly cluster: FakeCluster,
    private readonly random: SeededRandom,
  ) {
    this.next();
    cluster.fault = async (call) => {
      if (!this.active || random.below(8) !== 0) return;
      if (random.below(3) === 0) await new Promise<void>((resolve) => cluster.clock.after(random.below(3000), resolve));
      throw new Error(`no answer to ${call}`);
    };
  }

  stop(): void {
    this.active = false;
    this.cluster.fault = () => undefined;
    for (const one of this.cluster.servers) one.stuck = false;
    this.cluster.network.heal();
  }

  private next(): void {
    this.cluster.clock.after(this.random.below(400), () => {
      if (!this.active) return;
      this.strike();
      this.next();
    });
  }

  private strike(): void {
    const { cluster, random } = this;
    const server = cluster.servers[random.below(cluster.servers.length)];
    if (server === undefined) return;
    const kind = random.below(5);
    if (kind <= 1) cluster.network.cut('client');
    else if (kind === 2) server.badAnswers = 1;
    else if (kind === 3 && !server.stuck) {
      server.stuck = true;
      cluster.clock.after(random.below(12_000), () => (server.stuck = false));
    } else if (kind === 4 && server.up) {
      // Two live copies of everything at any time: one more may go.
      if (cluster.servers.filter((one) => one.up).length < cluster.servers.length) return;
      server.crash();
      cluster.clock.after(200 + random.below(3000), () => void server.start());
    }
  }
}

async function play(seed: number, operations: number, faulty: boolean): Promise<void> {
  const cluster = await FakeCluster.create(3);
  cluster.goal = 3;
  const random = new SeededRandom(seed);
  const engine = cluster.engine({ writeCacheBytes: (random.below(4) === 0 ? 10 : 64) * 65536 });
  const file = engine.open(INODE, 0);
  const model = new Model();
  const faults = faulty ? new Faults(cluster, random) : undefined;
  let sequential = 0;
  for (let i = 0; i < operations; i++) {
    const kind = random.below(10);
    if (kind < 5) {
      const size = 1 + random.below(random.below(3) === 0 ? 150_000 : 5000);
      const offset = random.below(2) === 0 ? sequential : random.below(MAX_BYTES - size);
      sequential = (offset + size) % (MAX_BYTES - 200_000);
      const data = random.bytes(size);
      model.write(offset, data);
      await cluster.until(file.write(offset, Buffer.from(data)));
    } else if (kind < 7) {
      const offset = random.below(MAX_BYTES);
      const size = random.below(100_000);
      const expected = Buffer.from(model.bytes.subarray(offset, offset + size));
      const got = Buffer.concat(await cluster.until(file.read(offset, size)));
      if (!got.equals(expected)) throw new Error(`operation ${i}: read of ${size} at ${offset} differs`);
    } else if (kind === 7) {
      await cluster.until(file.flush());
      if (!cluster.contents(INODE).equals(model.bytes)) throw new Error(`operation ${i}: flushed data are not there`);
    } else if (kind === 8) {
      const length = random.below(MAX_BYTES);
      await cluster.until(
        file.truncate(async () => {
          cluster.truncate(INODE, length);
          return length;
        }),
      );
      model.resize(length);
    } else {
      await cluster.clock.advanceAsync(random.below(500));
    }
    if (file.length !== model.bytes.length)
      throw new Error(`operation ${i}: length ${file.length}/${model.bytes.length}`);
  }
  faults?.stop();
  await cluster.until(file.close());
  if (!cluster.contents(INODE).equals(model.bytes)) throw new Error('closed file differs');
  await cluster.until(engine.stop());
}

describe('random operations', () => {
  test('without faults', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0 }), (seed) => play(seed, 40, false)),
      { numRuns: 15 },
    );
  });

  test('while everything breaks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0 }), (seed) => play(seed, 40, true)),
      { numRuns: 25 },
    );
  });
});
