/**
 * A master killed at every step of every operation on chunks: after each record of its changelog, and with each chunkserver before
 * and after what it was told. Another master starts from the records, with all chunkservers or with one; what was acknowledged is
 * read, and the client that asks again is served.
 */
import {
  CHUNKOPFLAG_CONTINUEOP,
  CLTOMA_FUSE_READ_CHUNK,
  CLTOMA_FUSE_SNAPSHOT,
  CLTOMA_FUSE_TRUNCATE,
  CLTOMA_FUSE_WRITE_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK_END,
  MATOCL_FUSE_READ_CHUNK,
  MATOCL_FUSE_SNAPSHOT,
  MATOCL_FUSE_TRUNCATE,
  MATOCL_FUSE_WRITE_CHUNK,
  MATOCL_FUSE_WRITE_CHUNK_END,
  MATOCS_CREATE,
  MATOCS_DUPLICATE,
  MATOCS_DUPTRUNC,
  MATOCS_SET_VERSION,
  MATOCS_TRUNCATE,
  MFS_ERROR_EEXIST,
  MFS_ERROR_WRONGVERSION,
  MFS_STATUS_OK,
  MFSCHUNKSIZE,
} from '@wapiti-fs/protocol';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { FakeChunkserver, type Mount, TestMaster } from '../peers.js';

/** What a chunk holds: the text written last, and whether it was cut since. */
interface Content {
  readonly version: number;
  readonly data: string;
}
type Disk = Map<number, Content>;

const AS_ROOT = 4;
const FIRST_PORT = 9422;
/** Servers that have not come by then are not waited for. */
const SETTLED_MS = 11_000;
const MAX_TRIES = 20;

class DiskChunkserver extends FakeChunkserver {
  constructor(
    socket: Socket,
    readonly disk: Disk,
    /** Called before and after each command. */
    private readonly onStep: () => void,
  ) {
    super(socket);
  }

  protected override carryOut(type: number, payload: Buffer): number {
    this.onStep();
    const status = this.execute(type, payload);
    this.onStep();
    return status;
  }

  private execute(type: number, payload: Buffer): number {
    if (type === MATOCS_CREATE.type) {
      const { chunkId, version } = MATOCS_CREATE.decode(payload);
      return this.add(chunkId, version, '');
    }
    if (type === MATOCS_DUPLICATE.type || type === MATOCS_DUPTRUNC.type) {
      const message = type === MATOCS_DUPLICATE.type ? MATOCS_DUPLICATE : MATOCS_DUPTRUNC;
      const { newChunkId, newVersion, oldChunkId, oldVersion } = message.decode(payload);
      const old = this.disk.get(oldChunkId);
      if (old?.version !== oldVersion) return MFS_ERROR_WRONGVERSION;
      return this.add(newChunkId, newVersion, old.data);
    }
    const message = type === MATOCS_SET_VERSION.type ? MATOCS_SET_VERSION : MATOCS_TRUNCATE;
    const { chunkId, newVersion, oldVersion } = message.decode(payload);
    const copy = this.disk.get(chunkId);
    if (copy?.version !== oldVersion) return MFS_ERROR_WRONGVERSION;
    this.disk.set(chunkId, { ...copy, version: newVersion });
    return MFS_STATUS_OK;
  }

  private add(chunkId: number, version: number, data: string): number {
    if (this.disk.has(chunkId)) return MFS_ERROR_EEXIST;
    this.disk.set(chunkId, { version, data });
    return MFS_STATUS_OK;
  }
}

/** What is left when everything stops: lines of the changelog, and the disks. */
interface Remains {
  readonly image: Buffer;
  readonly lines: readonly string[];
  readonly disks: readonly Disk[];
  readonly what: string;
}

/** A master with some chunkservers on disks that outlive it, and one client. */
class Cluster {
  private constructor(
    readonly master: TestMaster,
    readonly mount: Mount,
    readonly disks: readonly Disk[],
    private readonly folder: string,
    private readonly steps: { onStep: () => void },
  ) {}

  /** @param present indexes of the disks whose servers come back */
  static async start(disks: readonly Disk[], present: readonly number[], remains?: Remains): Promise<Cluster> {
    const folder = mkdtempSync(join(tmpdir(), 'wapiti-killed-'));
    writeFileSync(
      join(folder, remains === undefined ? 'metadata.mfs' : 'metadata.mfs.back'),
      remains?.image ?? 'MFSM NEW',
    );
    if (remains !== undefined) writeFileSync(join(folder, 'changelog.0.mfs'), lines(remains));
    const master = await TestMaster.start({ folder, restore: true, config: { REPLICATIONS_DELAY_INIT: 300 } });
    const steps = { onStep: (): void => undefined };
    for (const i of present) {
      const disk = disks[i] as Disk;
      const server = await master.chunkserverOf((socket) => new DiskChunkserver(socket, disk, () => steps.onStep()));
      await server.register(
        FIRST_PORT + i,
        [...disk].map(([chunkId, { version }]) => ({ chunkId, version })),
      );
      await master.log.waitFor(`chunkserver registered address=127.0.0.1:${FIRST_PORT + i} `);
    }
    return new Cluster(master, await master.mounted(), disks, folder, steps);
  }

  async destroy(): Promise<void> {
    await this.master.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }

  remains(what: string): Remains {
    const image = readFileSync(join(this.folder, 'metadata.mfs.back'));
    const text = readFileSync(join(this.folder, 'changelog.0.mfs'), 'latin1');
    return { image, lines: text.split('\n').slice(0, -1), disks: this.disks.map((disk) => new Map(disk)), what };
  }

  /** Carries work out; everything that a kill could leave on the way. */
  async watch(work: () => Promise<unknown>): Promise<Remains[]> {
    const before = this.remains('before');
    const seen: Remains[] = [];
    let step = 0;
    this.steps.onStep = () => void seen.push(this.remains(`step ${++step} of the chunkservers`));
    await work();
    this.steps.onStep = () => undefined;
    seen.push(this.remains('the answer'));
    const all: Remains[] = [];
    let last = before;
    for (const next of seen) {
      for (let count = last.lines.length; count < next.lines.length; count++)
        all.push({ ...last, lines: next.lines.slice(0, count), what: `record ${next.lines[count - 1]}` });
      all.push(next);
      last = next;
    }
    return all;
  }

  async write(inode: number, index = 0, flags = AS_ROOT) {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const request = { inode, chunkIndex: index, flags };
      const answer = await this.mount.ask(CLTOMA_FUSE_WRITE_CHUNK, request, MATOCL_FUSE_WRITE_CHUNK);
      if (answer.variant !== 'status') return answer;
    }
    throw new Error('not granted');
  }

  /** Writes a text to all copies of a chunk, and says so to the master. */
  async writeAll(inode: number, data: string, index = 0, flags = AS_ROOT): Promise<void> {
    const { chunkId, version, locations } = await this.write(inode, index, flags);
    if (locations.length === 0) throw new Error('no place to write');
    for (const { port } of locations) {
      const disk = this.disks[port - FIRST_PORT] as Disk;
      if (disk.get(chunkId)?.version !== version) throw new Error(`${port} has no version ${version} of ${chunkId}`);
      disk.set(chunkId, { version, data });
    }
    const end = { chunkId, inode, chunkIndex: index, length: index * MFSCHUNKSIZE + 100, flags: 0 };
    await this.mount.ask(CLTOMA_FUSE_WRITE_CHUNK_END, end, MATOCL_FUSE_WRITE_CHUNK_END);
  }

  /** The text on every copy that the master tells of; undefined: a hole. */
  async read(inode: number, index = 0): Promise<string | undefined> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const request = { inode, chunkIndex: index, flags: 0 };
      const answer = await this.mount.ask(CLTOMA_FUSE_READ_CHUNK, request, MATOCL_FUSE_READ_CHUNK);
      if (answer.variant === 'status') throw new Error(`read: status ${answer.status}`);
      const { chunkId, version, locations } = answer;
      if (chunkId === 0) return undefined;
      const texts = locations.map(({ port }) => {
        const copy = this.disks[port - FIRST_PORT]?.get(chunkId);
        return copy?.version === version ? copy.data : `version ${copy?.version} instead of ${version}`;
      });
      if (texts.length > 0 && texts.every((text) => text === texts[0])) return texts[0];
    }
    throw new Error('nothing to read from');
  }

  truncate(inode: number, length: number) {
    return this.mount.ask(CLTOMA_FUSE_TRUNCATE, { inode, flags: 1, uid: 0, gids: [0], length }, MATOCL_FUSE_TRUNCATE);
  }

  snapshot(inode: number, name: string) {
    const request = { inode, parentDst: 1, nameDst: Buffer.from(name), uid: 0, gids: [0], smode: 0, requmask: 0o22 };
    return this.mount.ask(CLTOMA_FUSE_SNAPSHOT, request, MATOCL_FUSE_SNAPSHOT);
  }
}

const lines = (remains: Remains): string => remains.lines.map((line) => `${line}\n`).join('');

interface Case {
  /** What was acknowledged before; returns the inode that the work is about. */
  readonly before: (cluster: Cluster) => Promise<number>;
  readonly work: (cluster: Cluster, inode: number) => Promise<unknown>;
  /** What must hold however far the work came. */
  readonly holds: (cluster: Cluster, inode: number) => Promise<void>;
  /** The client asks again. */
  readonly again: (cluster: Cluster, inode: number) => Promise<unknown>;
  readonly then: (cluster: Cluster, inode: number) => Promise<void>;
}

const rewrite = (index = 0) => ({
  work: (cluster: Cluster, inode: number) => cluster.write(inode, index),
  again: (cluster: Cluster, inode: number) => cluster.writeAll(inode, 'new', index, AS_ROOT | CHUNKOPFLAG_CONTINUEOP),
  then: async (cluster: Cluster, inode: number) => expect(await cluster.read(inode, index)).toBe('new'),
});
const cut = {
  work: (cluster: Cluster, inode: number) => cluster.truncate(inode, 10),
  again: async (cluster: Cluster, inode: number) => {
    for (let tries = 0; tries < MAX_TRIES; tries++) if ((await cluster.truncate(inode, 10)).variant === 'ok') return;
    throw new Error('not cut');
  },
  then: async (cluster: Cluster, inode: number) => expect(await cluster.read(inode)).toBe('old'),
};
const readsOld = async (cluster: Cluster, inode: number): Promise<void> =>
  expect(await cluster.read(inode)).toBe('old');
/** Inode of the snapshot, the next after the file. */
const bothReadOld = async (cluster: Cluster, inode: number): Promise<void> => {
  await readsOld(cluster, inode);
  await readsOld(cluster, inode + 1);
};

const written = async (cluster: Cluster): Promise<number> => {
  const inode = await cluster.mount.create('file');
  await cluster.writeAll(inode, 'old');
  return inode;
};
const shared = async (cluster: Cluster): Promise<number> => {
  const inode = await written(cluster);
  expect(await cluster.snapshot(inode, 'snapshot')).toMatchObject({ status: 0 });
  return inode;
};
/** A copy was reported since: the next write raises the version. */
const touched = async (cluster: Cluster): Promise<number> => {
  const inode = await written(cluster);
  cluster.master.role.context.chunkservers.manager.versionRestored(1);
  return inode;
};

const CASES: Record<string, Case> = {
  'a new chunk': { ...rewrite(), before: (cluster) => cluster.mount.create('file'), holds: () => Promise.resolve() },
  'a new chunk in a hole': {
    ...rewrite(1),
    before: async (cluster) => {
      const inode = await cluster.mount.create('file');
      await cluster.truncate(inode, 3 * MFSCHUNKSIZE);
      return inode;
    },
    holds: async (cluster, inode) => expect((await cluster.read(inode, 1)) ?? '').toBe(''),
  },
  'a chunk as it is': { ...rewrite(), before: written, holds: readsOld },
  'a chunk whose version is raised': { ...rewrite(), before: touched, holds: readsOld },
  'a shared chunk': { ...rewrite(), before: shared, holds: bothReadOld },
  'the end of a write': {
    ...rewrite(),
    work: (cluster, inode) => cluster.writeAll(inode, 'old'),
    before: touched,
    holds: readsOld,
  },
  'a cut': { ...cut, before: written, holds: readsOld },
  'a cut of a shared chunk': { ...cut, before: shared, holds: bothReadOld },
};

const PRESENT = { 'all servers': [0, 1], 'the first server': [0], 'the second server': [1] };

describe('a master killed at any step of', () => {
  test.each(Object.entries(CASES))('%s', async (_name, { before, work, holds, again, then }) => {
    const first = await Cluster.start([new Map(), new Map()], [0, 1]);
    let inode = 0;
    let all: Remains[];
    try {
      inode = await before(first);
      all = await first.watch(() => work(first, inode));
    } finally {
      await first.destroy();
    }
    const failures: string[] = [];
    for (const remains of all) {
      for (const [who, present] of Object.entries(PRESENT)) {
        const disks = remains.disks.map((disk) => new Map(disk));
        const cluster = await Cluster.start(disks, present, remains);
        cluster.master.aheadMs = SETTLED_MS;
        try {
          await holds(cluster, inode);
          await again(cluster, inode);
          await then(cluster, inode);
        } catch (error) {
          failures.push(`${remains.what}, ${who}: ${(error as Error).message}`);
        }
        await cluster.destroy();
      }
    }
    expect(failures).toEqual([]);
    expect(all.length).toBeGreaterThan(0);
  });
});
