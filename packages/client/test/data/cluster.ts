/** A master and chunkservers in memory, as far as the engines need them, with faults. */
import {
  CHUNKOPFLAG_CONTINUEOP,
  CLTOCS_READ,
  CLTOCS_WRITE,
  CLTOCS_WRITE_DATA,
  CLTOCS_WRITE_FINISH,
  ANTOAN_NOP,
  crc32,
  CSTOCL_READ_DATA,
  CSTOCL_READ_STATUS,
  CSTOCL_WRITE_STATUS,
  type Frame,
  MFS_ERROR_CRC,
  MFS_ERROR_EAGAIN,
  MFS_ERROR_LOCKED,
  MFS_ERROR_NOCHUNK,
  MFS_ERROR_NOCHUNKSERVERS,
  MFS_ERROR_WRONGVERSION,
  MFSBLOCKSIZE,
  MFSCHUNKSIZE,
  NOP_FRAME,
  VERSION,
} from '@wapiti-fs/protocol';
import { FakeClock, type FramedConnection, type FramedServer, memoryLogger, MemoryNetwork } from '@wapiti-fs/runtime';

import {
  type ChunkLocation,
  type ChunkMaster,
  createDataEngine,
  type DataEngine,
  type DataOptions,
} from '../../src/index';

export class StatusError extends Error {
  constructor(readonly status: number) {
    super(`status ${status}`);
  }
}

interface Copy {
  version: number;
  readonly blocks: Map<number, Buffer>;
}

/** One chunkserver: chunks in memory; a write session at the head of a chain writes to all servers of the chain. */
export class FakeServer {
  readonly copies = new Map<number, Copy>();
  up = false;
  sessions = 0;
  connections = 0;
  reads: { offset: number; size: number }[] = [];
  writes: { blocknum: number; offset: number; size: number }[] = [];
  /** The next so many answers to READ carry a wrong checksum. */
  badAnswers = 0;
  /** Sent in place of the next answers to READ and WRITE_DATA. */
  garbage: Buffer[] = [];
  /** Status for the next WRITE_DATA. */
  writeStatus = 0;
  /** WRITE_DATA are taken, but neither written nor answered. */
  stuck = false;
  /** Called for every WRITE_DATA. */
  onWrite: (() => void) | undefined;
  private listener: FramedServer | undefined;

  constructor(
    private readonly cluster: FakeCluster,
    readonly ip: number,
    readonly host: string,
  ) {}

  get port(): number {
    return 9422;
  }

  async start(): Promise<void> {
    this.listener = await this.cluster.network.host(this.host).listen(
      {
        host: '*',
        port: this.port,
        limit: 100_000,
        keepalive: { nop: NOP_FRAME, nopAfterMs: 1667, idleTimeoutMs: 5000 },
      },
      (connection) => this.accept(connection),
    );
    this.up = true;
  }

  /** kill -9: connections are reset, chunks stay on disk. */
  crash(): void {
    this.up = false;
    this.cluster.network.crash(this.host);
    void this.listener?.close();
  }

  read(chunkId: number, offset: number, size: number): Buffer {
    const result = Buffer.alloc(size);
    const copy = this.copies.get(chunkId);
    for (let at = 0; at < size;) {
      const position = offset + at;
      const part = Math.min(size - at, MFSBLOCKSIZE - (position % MFSBLOCKSIZE));
      const from = position % MFSBLOCKSIZE;
      copy?.blocks.get(Math.floor(position / MFSBLOCKSIZE))?.copy(result, at, from, from + part);
      at += part;
    }
    return result;
  }

  private accept(connection: FramedConnection): void {
    this.connections++;
    let writing: { chunkId: number; version: number; chain: FakeServer[] } | undefined;
    connection.setHandlers({
      frame: (frame) => {
        if (frame.type === ANTOAN_NOP.type) {
          if (writing !== undefined) connection.send(NOP_FRAME);
        } else if (frame.type === CLTOCS_READ.type) this.answerRead(connection, frame);
        else if (frame.type === CLTOCS_WRITE.type) writing = this.startWrite(connection, frame);
        else if (frame.type === CLTOCS_WRITE_DATA.type) {
          if (writing === undefined) return connection.destroy();
          this.write(connection, frame, writing);
        } else if (frame.type === CLTOCS_WRITE_FINISH.type) writing = undefined;
        else connection.destroy();
      },
      close: () => undefined,
    });
  }

  private answerRead(connection: FramedConnection, { payload }: Frame): void {
    const { chunkId, version, offset, size } = CLTOCS_READ.decode(payload);
    this.reads.push({ offset, size });
    const garbage = this.garbage.shift();
    if (garbage !== undefined) return void connection.send(garbage);
    const copy = this.copies.get(chunkId);
    const status = copy === undefined ? MFS_ERROR_NOCHUNK : copy.version !== version ? MFS_ERROR_WRONGVERSION : 0;
    for (let at = 0; status === 0 && at < size;) {
      const position = offset + at;
      const part = Math.min(size - at, MFSBLOCKSIZE - (position % MFSBLOCKSIZE));
      const data = this.read(chunkId, position, part);
      const bad = this.badAnswers > 0 ? 1 : 0;
      this.badAnswers -= bad;
      connection.send(
        CSTOCL_READ_DATA.encode({
          chunkId,
          blocknum: Math.floor(position / MFSBLOCKSIZE),
          offset: position % MFSBLOCKSIZE,
          size: part,
          crc: (crc32(data) ^ bad) >>> 0,
          data,
        }),
      );
      at += part;
    }
    connection.send(CSTOCL_READ_STATUS.encode({ chunkId, status }));
  }

  private startWrite(
    connection: FramedConnection,
    { payload }: Frame,
  ): { chunkId: number; version: number; chain: FakeServer[] } | undefined {
    const { chunkId, version, chain } = CLTOCS_WRITE.decode(payload);
    this.sessions++;
    const servers = [this, ...chain.map(({ ip }) => this.cluster.server(ip))];
    for (const one of servers) {
      const copy = one.copies.get(chunkId);
      const failed = !one.up || copy?.version !== version;
      // A middle server closes without a status when the next one fails (spec 04 §7).
      if (failed && one !== this) return void connection.destroy();
      if (failed) {
        const status = copy === undefined ? MFS_ERROR_NOCHUNK : MFS_ERROR_WRONGVERSION;
        connection.send(CSTOCL_WRITE_STATUS.encode({ chunkId, writeId: 0, status }));
        return undefined;
      }
    }
    connection.send(CSTOCL_WRITE_STATUS.encode({ chunkId, writeId: 0, status: 0 }));
    return { chunkId, version, chain: servers };
  }

  private write(
    connection: FramedConnection,
    { payload }: Frame,
    session: { chunkId: number; version: number; chain: FakeServer[] },
  ): void {
    if (this.stuck) return;
    const garbage = this.garbage.shift();
    if (garbage !== undefined) return void connection.send(garbage);
    this.onWrite?.();
    if (!this.up) return;
    const { chunkId, writeId, blocknum, offset, size, crc, data } = CLTOCS_WRITE_DATA.decode(payload);
    let status = this.writeStatus;
    this.writeStatus = 0;
    if (crc32(data) !== crc) status = MFS_ERROR_CRC;
    if (chunkId !== session.chunkId || offset + size > MFSBLOCKSIZE) throw new Error('malformed write');
    this.writes.push({ blocknum, offset, size });
    for (const one of status === 0 ? session.chain : []) {
      const copy = one.copies.get(chunkId);
      if (!one.up || copy === undefined) return connection.destroy();
      if (copy.version !== session.version) status = MFS_ERROR_WRONGVERSION;
      else {
        let block = copy.blocks.get(blocknum);
        if (block === undefined) copy.blocks.set(blocknum, (block = Buffer.alloc(MFSBLOCKSIZE)));
        data.copy(block, offset);
      }
    }
    if (status !== 0 && session.chain.length > 1) return connection.destroy();
    connection.send(CSTOCL_WRITE_STATUS.encode({ chunkId, writeId, status }));
  }
}

interface Chunk {
  readonly id: number;
  version: number;
  servers: FakeServer[];
  locked: boolean;
}

export class FakeCluster implements ChunkMaster {
  readonly clock = new FakeClock();
  readonly network: MemoryNetwork;
  readonly servers: FakeServer[] = [];
  readonly lengths = new Map<number, number>();
  readonly chunks = new Map<string, Chunk>();
  readonly calls: string[] = [];
  /** Called before every request to the master; may throw. */
  fault: (call: string) => void | Promise<void> = () => undefined;
  goal = 2;
  private nextId = 1;

  private constructor() {
    this.network = new MemoryNetwork(this.clock, { segmentBytes: 50_000 });
  }

  static async create(servers = 3): Promise<FakeCluster> {
    const cluster = new FakeCluster();
    for (let i = 1; i <= servers; i++) {
      const server = new FakeServer(cluster, 0x0a000000 + i, `10.0.0.${i}`);
      cluster.servers.push(server);
      await server.start();
    }
    return cluster;
  }

  engine(options: DataOptions = {}): DataEngine {
    return createDataEngine(
      { clock: this.clock, network: this.network.host('client', '10.0.1.1'), log: memoryLogger() },
      this,
      options,
    );
  }

  server(ip: number): FakeServer {
    return this.servers.find((one) => one.ip === ip) as FakeServer;
  }

  /** Lets time pass until the promise is settled. */
  async until<T>(promise: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let settled = false;
    const done = promise.finally(() => (settled = true));
    done.catch(() => undefined);
    const endMs = this.clock.monotonicMs() + limitMs;
    while (!settled && this.clock.monotonicMs() < endMs)
      await this.clock.advanceAsync(Math.min(this.clock.nextTimerMs ?? 1, 1000));
    if (!settled) throw new Error(`not settled within ${limitMs} ms`);
    return done;
  }

  /** The file as its copies hold it; all valid copies must agree. */
  contents(inode: number): Buffer {
    const length = this.lengths.get(inode) ?? 0;
    const result = Buffer.alloc(length);
    for (let index = 0; index * MFSCHUNKSIZE < length; index++) {
      const chunk = this.chunks.get(`${inode}:${index}`);
      if (chunk === undefined) continue;
      const start = index * MFSCHUNKSIZE;
      const size = Math.min(MFSCHUNKSIZE, length - start);
      const copies = chunk.servers.map((one) => one.read(chunk.id, 0, size));
      for (const copy of copies) if (!copy.equals(copies[0] as Buffer)) throw new Error(`copies of ${chunk.id} differ`);
      copies[0]?.copy(result, start);
    }
    return result;
  }

  /** Puts contents there as if written long ago. */
  put(inode: number, contents: Buffer): void {
    this.lengths.set(inode, contents.length);
    for (let start = 0, index = 0; start < contents.length; start += MFSCHUNKSIZE, index++) {
      const chunk = this.create(inode, index);
      for (let at = start; at < Math.min(contents.length, start + MFSCHUNKSIZE); at += MFSBLOCKSIZE) {
        const block = Buffer.alloc(MFSBLOCKSIZE);
        contents.copy(block, 0, at, at + MFSBLOCKSIZE);
        for (const server of chunk.servers)
          server.copies.get(chunk.id)?.blocks.set((at - start) / MFSBLOCKSIZE, Buffer.from(block));
      }
    }
  }

  /** Shorter or longer, what is cut off being zero afterwards. */
  truncate(inode: number, length: number): void {
    const before = this.contents(inode);
    const kept = before.subarray(0, length);
    this.chunks.forEach((_chunk, key) => {
      if (key.startsWith(`${inode}:`)) this.chunks.delete(key);
    });
    this.put(inode, Buffer.concat([kept, Buffer.alloc(length - kept.length)]));
  }

  /** Another client's write raises the version. */
  async writeChunkOf(inode: number, chunkIndex: number): Promise<void> {
    const { chunkId } = await this.until(this.writeChunk(inode, chunkIndex, 0));
    await this.until(this.writeChunkEnd(chunkId, inode, chunkIndex, 0));
  }

  async readChunk(inode: number, chunkIndex: number): Promise<ChunkLocation> {
    await this.ask(`READ ${inode}:${chunkIndex}`);
    const chunk = this.chunks.get(`${inode}:${chunkIndex}`);
    const length = this.lengths.get(inode) ?? 0;
    if (chunk === undefined) return { length, chunkId: 0, version: 0, servers: [] };
    if (chunk.locked) throw new StatusError(MFS_ERROR_LOCKED);
    return this.location(inode, chunk);
  }

  async writeChunk(inode: number, chunkIndex: number, flags: number, _sentAgain?: () => void): Promise<ChunkLocation> {
    await this.ask(`WRITE ${inode}:${chunkIndex}`);
    const key = `${inode}:${chunkIndex}`;
    let chunk = this.chunks.get(key);
    if (chunk === undefined) {
      if (!this.servers.some((one) => one.up)) throw new StatusError(MFS_ERROR_NOCHUNKSERVERS);
      chunk = this.create(inode, chunkIndex);
    } else {
      if (chunk.locked && (flags & CHUNKOPFLAG_CONTINUEOP) === 0) throw new StatusError(MFS_ERROR_LOCKED);
      const up = chunk.servers.filter((one) => one.up);
      if (up.length === 0) throw new StatusError(MFS_ERROR_EAGAIN);
      // Every new grant has a new version, and so copies that missed something are known.
      chunk.version++;
      chunk.servers = up;
      for (const one of up) (one.copies.get(chunk.id) as Copy).version = chunk.version;
    }
    chunk.locked = true;
    this.lengths.set(inode, Math.max(this.lengths.get(inode) ?? 0, chunkIndex * MFSCHUNKSIZE));
    const location = this.location(inode, chunk);
    await this.ask(`GRANTED ${key}`);
    return location;
  }

  async writeChunkEnd(chunkId: number, inode: number, chunkIndex: number, length: number): Promise<void> {
    await this.ask(`END ${inode}:${chunkIndex} ${length}`);
    const chunk = this.chunks.get(`${inode}:${chunkIndex}`);
    if (chunk?.id !== chunkId) throw new StatusError(MFS_ERROR_NOCHUNK);
    this.lengths.set(inode, Math.max(this.lengths.get(inode) ?? 0, length));
    chunk.locked = false;
    await this.ask(`ENDED ${inode}:${chunkIndex}`);
  }

  private async ask(call: string): Promise<void> {
    this.calls.push(call);
    await new Promise<void>((resolve) => this.clock.after(0, resolve));
    await this.fault(call);
  }

  private create(inode: number, chunkIndex: number): Chunk {
    const servers = this.servers.filter((one) => one.up).slice(0, this.goal);
    const chunk = { id: this.nextId++, version: 1, servers, locked: false };
    for (const one of servers) one.copies.set(chunk.id, { version: 1, blocks: new Map() });
    this.chunks.set(`${inode}:${chunkIndex}`, chunk);
    return chunk;
  }

  private location(inode: number, { id, version, servers }: Chunk): ChunkLocation {
    return {
      length: this.lengths.get(inode) ?? 0,
      chunkId: id,
      version,
      servers: servers.filter((one) => one.up).map(({ ip, port }) => ({ ip, port, csVersion: VERSION, labelMask: 0 })),
    };
  }
}
