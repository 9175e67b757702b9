import fc from 'fast-check';

import { MFS_STATUS_OK } from '@wapiti-fs/protocol';

import { SimulatedCluster } from './simulated-cluster.js';

const SERVERS = 3;

/** A file of one chunk and the client that writes it, block after block with rising numbers. */
class File {
  /** The write that was acknowledged last. */
  acknowledged = 0;
  private attempt = 0;
  private session: { locations: number[]; version: number } | undefined;
  private waiting = false;
  private created = false;

  constructor(
    private readonly cluster: SimulatedCluster,
    public chunkId: number,
  ) {}

  get exists(): boolean {
    return this.created;
  }

  private lock(seconds: number): void {
    const row = this.cluster.table.row(this.chunkId);
    row.lockedTo = seconds === 0 ? 0 : this.cluster.nowS + seconds;
  }

  /** What the master does for a WRITE_CHUNK. */
  beginWrite(): void {
    const { manager, table, nowS } = this.cluster;
    if (this.waiting || manager.isBusy(this.chunkId)) return;
    this.session = undefined;
    const generation = manager;
    const ready = (status: number): void => {
      if (this.cluster.manager !== generation) return;
      this.waiting = false;
      if (status !== MFS_STATUS_OK) {
        this.session = undefined;
        return this.lock(0);
      }
      this.created = true;
      table.granted(this.chunkId, this.cluster.nowS + 120);
      const locations = manager.locations(this.chunkId).map((one) => one.id);
      this.session = { locations, version: table.row(this.chunkId).version };
    };
    if (!this.created) {
      if (manager.canCreate() !== MFS_STATUS_OK) return;
      // A chunk whose creation failed is given up; the file gets a new one.
      if (this.attempted) {
        table.row(this.chunkId).goal = 0;
        this.chunkId = table.newChunk(2);
      }
      this.attempted = true;
      this.waiting = true;
      this.lock(120);
      return manager.create(this.chunkId, ready);
    }
    if (manager.canWrite(this.chunkId, nowS, SERVERS) !== MFS_STATUS_OK) return;
    if (!manager.needsVersion(this.chunkId)) return ready(MFS_STATUS_OK);
    this.waiting = true;
    this.lock(0);
    manager.raiseVersion(this.chunkId, ready);
  }
  private attempted = false;

  /** Data go down the chain; acknowledged only when all have them. */
  write(): void {
    const { session } = this;
    if (session === undefined || session.locations.length === 0) return;
    const number = ++this.attempt;
    for (const id of session.locations) {
      const server = this.cluster.server(id);
      const copy = server.disk.get(this.chunkId);
      if (!server.up || copy?.version !== session.version) return;
      copy.data = number;
    }
    this.acknowledged = number;
  }

  endWrite(): void {
    if (this.session === undefined) return;
    this.session = undefined;
    this.lock(0);
  }

  masterRestarted(): void {
    this.waiting = false;
    // The restored metadata keep the lock; the client ends its write and begins again.
    this.session = undefined;
    this.lock(0);
  }

  /** A copy that the master hands out has everything that was acknowledged. */
  checkLocations(): void {
    const { manager, table } = this.cluster;
    if (!this.created || manager.isBusy(this.chunkId)) return;
    for (const { id } of manager.locations(this.chunkId)) {
      const server = this.cluster.server(id);
      const copy = server.disk.get(this.chunkId);
      if (!server.up) continue;
      if (copy?.version !== table.row(this.chunkId).version) throw new Error(`no such copy on server ${id}`);
      if (copy.data < this.acknowledged) throw new Error(`server ${id}: write ${copy.data} of ${this.acknowledged}`);
    }
  }

  /** Whatever happens, some disk has what was acknowledged. */
  checkDisks(): void {
    if (!this.created || this.acknowledged === 0) return;
    const best = Math.max(...this.cluster.servers.map((one) => one.disk.get(this.chunkId)?.data ?? -1));
    if (best < this.acknowledged) throw new Error(`write ${this.acknowledged} is lost`);
  }
}

/** Steps with how often they come. */
const WEIGHTS = {
  execute: 8,
  refuse: 3,
  answer: 8,
  settle: 4,
  beginWrite: 6,
  write: 4,
  endWrite: 4,
  wholeWrite: 3,
  crash: 2,
  notice: 2,
  start: 4,
  time: 6,
  goal: 2,
  restartMaster: 0.5,
} as const;
type Kind = keyof typeof WEIGHTS;

interface Event {
  readonly kind: Kind;
  readonly server: number;
}

const event: fc.Arbitrary<Event> = fc.record({
  kind: fc.constantFrom(
    ...Object.entries(WEIGHTS).flatMap(([kind, weight]) => Array.from({ length: weight * 2 }, () => kind as Kind)),
  ),
  server: fc.integer({ min: 1, max: SERVERS }),
});

function apply(cluster: SimulatedCluster, file: File, { kind, server: id }: Event): void {
  const server = cluster.server(id);
  switch (kind) {
    case 'execute':
      return void cluster.execute(server);
    case 'refuse':
      return void cluster.execute(server, true);
    case 'answer':
      return void cluster.answer(server);
    case 'beginWrite':
      return file.beginWrite();
    case 'write':
      return file.write();
    case 'endWrite':
      return file.endWrite();
    case 'settle':
      return cluster.settle();
    case 'wholeWrite':
      file.beginWrite();
      cluster.settle();
      file.write();
      return file.endWrite();
    case 'crash':
      return server.crash();
    case 'notice':
      return cluster.notice(server);
    case 'start':
      cluster.notice(server);
      return cluster.start(server);
    case 'time':
      return cluster.passTime(6);
    case 'goal':
      cluster.table.row(file.chunkId).goal = 1 + (id % 2);
      return;
    case 'restartMaster':
      cluster.restartMaster();
      return file.masterRestarted();
  }
}

test('whatever fails: no acknowledged write is handed out old or deleted, and the cluster heals by itself', () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 20, maxLength: 200, size: 'max' }), (events) => {
      const cluster = new SimulatedCluster(SERVERS);
      const file = new File(cluster, cluster.table.newChunk(2));
      const check = (): void => {
        file.checkLocations();
        file.checkDisks();
      };
      for (const one of events) {
        apply(cluster, file, one);
        check();
      }
      file.endWrite();
      for (const server of cluster.servers) {
        cluster.notice(server);
        cluster.start(server);
      }
      for (let round = 0; round < 10; round++) {
        cluster.settle();
        cluster.passTime(130);
        check();
      }
      if (!file.exists) return;
      const { goal, version } = cluster.table.row(file.chunkId);
      const held = cluster.servers.flatMap((one) => one.disk.get(file.chunkId) ?? []);
      const locations = cluster.manager.locations(file.chunkId);
      expect(locations).toHaveLength(goal);
      expect(held.map((one) => one.version)).toEqual(Array.from({ length: goal }, () => version));
    }),
    { numRuns: 3000, seed: 20_261_124 },
  );
});
