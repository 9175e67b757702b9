import { crc32 } from 'node:zlib';

import { BLOCK_SIZE_BYTES, type ChunkStore, nodeStoreFs, type StoreFs, StoreStatus, WriteRun } from '../src/index.js';
import { Bench, fault } from './helpers.js';

const BLOCKS = 6;
const PAGE_SIZE_BYTES = 4096;

/**
 * A disk at which a process dies: `changes` of it are made, the next one is not, or only some pages of it, and nothing is possible
 * from then on.
 */
class DyingDisk {
  dead = false;

  constructor(
    private left: number,
    private readonly torn: boolean,
  ) {}

  /** True when the change is still to be made. */
  private alive(): boolean {
    if (this.dead) return false;
    this.dead = this.left-- === 0;
    return !this.dead;
  }

  get io(): StoreFs {
    const promised = <A extends unknown[], T>(work: (...args: A) => Promise<T>) => {
      return (...args: A): Promise<T> => (this.alive() ? work(...args) : Promise.reject(fault('EIO')));
    };
    return {
      ...nodeStoreFs,
      read: (fd, buffer, offset, length, position, callback) =>
        this.dead ? callback(fault('EIO'), 0) : nodeStoreFs.read(fd, buffer, offset, length, position, callback),
      write: (fd, buffer, offset, length, position, callback) => {
        const before = this.dead;
        if (this.alive()) return nodeStoreFs.write(fd, buffer, offset, length, position, callback);
        const pages = Math.floor((position + length / 2) / PAGE_SIZE_BYTES) * PAGE_SIZE_BYTES - position;
        if (before || !this.torn || pages <= 0) return callback(fault('EIO'), 0);
        nodeStoreFs.write(fd, buffer, offset, pages, position, () => callback(fault('EIO'), 0));
      },
      writev: (fd, parts, position, callback) => {
        const before = this.dead;
        if (this.alive()) return nodeStoreFs.writev(fd, parts, position, callback);
        if (before || !this.torn) return callback(fault('EIO'), 0);
        nodeStoreFs.writev(fd, parts.slice(0, parts.length >> 1), position, () => callback(fault('EIO'), 0));
      },
      truncate: promised(nodeStoreFs.truncate),
      rename: promised(nodeStoreFs.rename),
      unlink: promised(nodeStoreFs.unlink),
      writeFile: promised(nodeStoreFs.writeFile),
    };
  }
}

/** What the chunk holds after each step. A step that was cut off may have changed any byte that it would change. */
interface State {
  readonly version: number;
  readonly data: Buffer;
}

type Step = (store: ChunkStore, id: number, state: State) => { done: Promise<unknown>; next: State };

const filled = (fill: number, sizeBytes = BLOCK_SIZE_BYTES): Buffer => Buffer.alloc(sizeBytes, fill);

function writes(...parts: { at: number; pieces: Buffer[] }[]): Step {
  return (store, id, { version, data }) => {
    const after = Buffer.from(data);
    const work = async (): Promise<void> => {
      const chunk = await store.open(id, version);
      const runs = parts.map(({ at, pieces: [first, ...others] }) => {
        const [block, offset] = [Math.floor(at / BLOCK_SIZE_BYTES), at % BLOCK_SIZE_BYTES];
        const run = new WriteRun(block, offset, first as Buffer, crc32(first as Buffer));
        for (const piece of others) expect(run.extend(block, run.end, piece, crc32(piece))).toBe(true);
        return store.writeRun(chunk, version, run);
      });
      const results = await Promise.allSettled(runs);
      await store.release(chunk);
      for (const one of results) if (one.status === 'rejected') throw one.reason;
    };
    for (const { at, pieces } of parts) Buffer.concat(pieces).copy(after, at);
    return { done: work(), next: { version, data: after } };
  };
}

function cut(length: number): Step {
  return (store, id, { version, data }) => ({
    done: store.truncate(id, length, version + 1, version),
    next: { version: version + 1, data: Buffer.from(data).fill(0, length) },
  });
}

const at = (block: number, offset = 0): number => block * BLOCK_SIZE_BYTES + offset;

const STEPS: Step[] = [
  writes(...[0, 1, 2].map((block) => ({ at: at(block), pieces: [filled(block + 1)] }))),
  writes({ at: at(3, 100), pieces: [filled(4, 9000)] }),
  writes({ at: at(3, 9100), pieces: [filled(5, 4096), filled(6, 4096), filled(7, 4096)] }),
  writes({ at: at(1, 777), pieces: [filled(8, 20_000)] }, { at: at(0), pieces: [filled(9)] }),
  writes({ at: at(2), pieces: Array.from({ length: 16 }, (_, i) => filled(i + 10, 4096)) }),
  cut(at(2, 30_000)),
  cut(at(5)),
  writes({ at: at(5, 60_000), pieces: [filled(11, 5536)] }),
  cut(at(1, 1)),
  writes({ at: at(4), pieces: [filled(12)] }),
  (store, id, { version, data }) => ({
    done: store.setVersion(id, version + 1, version),
    next: { version: version + 1, data },
  }),
];

describe.each([
  ['before a change', false],
  ['within a change', true],
])('a process that ends %s', (_when, torn) => {
  let bench: Bench;
  let folder: string;

  beforeEach(() => {
    bench = new Bench();
    folder = bench.folder('a');
  });
  afterEach(() => bench.close());

  async function check(id: number, before: State, after: State): Promise<void> {
    const store = await bench.open(bench.lines(folder));
    const version = store.index.get(id)?.version as number;
    expect([before.version, after.version]).toContain(version);
    const chunk = await store.open(id, version);
    const content = Buffer.alloc(at(BLOCKS));
    const { verified, error } = await store.read(chunk, version, 0, BLOCKS, content);
    expect({ verified, error }).toEqual({ verified: BLOCKS, error: undefined });
    let wrong = 0;
    for (let i = 0; i < content.length; i++) if (content[i] !== before.data[i] && content[i] !== after.data[i]) wrong++;
    expect(wrong).toBe(0);
    // A copy that was not whole yet does not pass for one.
    const copy = store.index.get(id + 1);
    if (copy !== undefined && copy.version !== 0) {
      const other = await store.open(id + 1, copy.version);
      expect((await store.read(other, 0, 0, BLOCKS, content)).verified).toBe(BLOCKS);
      expect(content.equals(before.data)).toBe(true);
      await store.release(other);
    }
    // Blocks that come later are zeros again.
    await store.release(chunk);
    await store.truncate(id, 0, 90, 0);
    await store.truncate(id, at(BLOCKS), 91, 90);
    await store.close();
    const again = await bench.open(bench.lines(folder));
    await again.test(id, 91);
    for (const one of [id, id + 1]) if (again.index.has(one)) await again.delete(one, 0);
    await again.close();
  }

  it('leaves a chunk that can be read, with all that was confirmed, at whatever change it ends', async () => {
    const steps: Step[] = [
      ...STEPS,
      (store, id, state) => ({ done: store.duplicate(id + 1, 7, id, state.version), next: state }),
    ];
    let finished = false;
    for (let changes = 0; !finished; changes++) {
      const id = 10 * changes + 10;
      const disk = new DyingDisk(changes, torn);
      let state: State = { version: 1, data: Buffer.alloc(at(BLOCKS)) };
      const preparing = await bench.open(bench.lines(folder));
      await preparing.create(id, 1);
      await preparing.close();
      const store = await bench.open(bench.lines(folder), { io: disk.io });
      let next = state;
      try {
        for (const step of steps) {
          const started = step(store, id, state);
          ({ next } = started);
          await started.done;
          state = next;
        }
        finished = true;
      } catch (error) {
        if (!disk.dead) throw error;
        expect([StoreStatus.IO, StoreStatus.WRONGVERSION, StoreStatus.NOSPACE]).toContain(
          (error as { status?: number }).status,
        );
      }
      disk.dead = true;
      await store.close().catch(() => undefined);
      await check(id, state, next);
    }
  });
});
