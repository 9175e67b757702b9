/** The master under test with real sockets on loopback, and raw peers of it: mounts and chunkservers that do as they are told. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_REGISTER,
  CSTOMA_CREATE,
  CSTOMA_REGISTER,
  type Frame,
  FrameParser,
  FUSE_REGISTER_BLOB_ACL,
  MATOCL_FUSE_CREATE,
  MATOCL_FUSE_MKDIR,
  MATOCL_FUSE_REGISTER,
  MATOCS_CREATE,
  MATOCS_DUPLICATE,
  MATOCS_DUPTRUNC,
  MATOCS_MASTER_ACK,
  MATOCS_SET_VERSION,
  MATOCS_TRUNCATE,
  MFS_STATUS_OK,
  type Message,
  type MessageValue,
  NOP_FRAME,
  VERSION,
} from '@wapiti-fs/protocol';
import { configFrom, memoryLogger, type MemoryLogger, systemClock, systemRandom, tcpNetwork } from '@wapiti-fs/runtime';

import { masterConfig, type MasterConfig, type RunningMaster, startMaster } from '../src/index.js';

const NOP = 0;
/** On the clients' port a NOP has a msgid. */
const CLIENT_NOP = Buffer.from([0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]);

/** One TCP connection: frames in, frames out. NOPs are left out. */
export class Peer {
  private readonly frames: Frame[] = [];
  private wake: (() => void) | undefined;
  closed = false;

  constructor(readonly socket: Socket) {
    const parser = new FrameParser(100_000_000);
    socket.on('data', (bytes: Buffer) => {
      for (const frame of parser.push(bytes)) {
        // keeps the connection alive
        if (frame.type === NOP) this.send(frame.payload.length === 0 ? NOP_FRAME : CLIENT_NOP);
        else if (!this.handle(frame)) this.frames.push(frame);
      }
      this.wake?.();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.wake?.();
    });
  }

  /** Deals with a frame at once; false: it is left for {@link next}. */
  protected handle(_frame: Frame): boolean {
    return false;
  }

  send(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The next frame; undefined when the connection was closed. */
  async next(): Promise<Frame | undefined> {
    while (this.frames.length === 0 && !this.closed) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.frames.shift();
  }

  /** The next frame of a kind; others are thrown away. */
  async nextOf<T>(message: Message<T>): Promise<T> {
    for (;;) {
      const frame = await this.next();
      if (frame === undefined) throw new Error(`closed before ${message.name}`);
      if (frame.type === message.type) return message.decode(frame.payload);
    }
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  destroy(): void {
    this.socket.destroy();
  }
}

async function connected(port: number): Promise<Socket> {
  const socket = new Socket();
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

type Registration = MessageValue<typeof CLTOMA_FUSE_REGISTER>;
type RegistrationAnswer = MessageValue<typeof MATOCL_FUSE_REGISTER>;
const NAMES = { uid: 0, gids: [0] };

export class Mount extends Peer {
  sessionId = 0;
  private msgid = 0;

  async register(request: Registration): Promise<RegistrationAnswer> {
    this.send(CLTOMA_FUSE_REGISTER.encode(request));
    return this.nextOf(MATOCL_FUSE_REGISTER);
  }

  async newSession(tail: { sessionId?: number; metaid?: bigint; passcode?: Buffer } = {}): Promise<RegistrationAnswer> {
    const answer = await this.register({
      variant: 'newSession',
      blob: FUSE_REGISTER_BLOB_ACL,
      kind: 2,
      version: VERSION,
      info: Buffer.from('/mnt\0'),
      path: Buffer.from('/'),
      tail,
    });
    if (answer.variant === 'session') this.sessionId = answer.sessionId;
    return answer;
  }

  /** Sends a request and waits for its answer. */
  async ask<Q, A>(request: Message<Q>, value: Omit<Q, 'msgid'>, answer: Message<A>): Promise<A> {
    const msgid = ++this.msgid;
    this.send(request.encode({ ...value, msgid } as Q)); // every request has a msgid
    for (;;) {
      const got = await this.nextOf(answer);
      if ((got as { msgid?: number }).msgid === msgid) return got;
    }
  }

  async mkdir(name: string, parent = 1): Promise<number> {
    const request = { parent, name: Buffer.from(name), mode: 0o755, cumask: 0, ...NAMES, copySgid: 1 };
    const made = await this.ask(CLTOMA_FUSE_MKDIR, request, MATOCL_FUSE_MKDIR);
    return made.variant === 'ok' ? made.inode : -made.status;
  }

  /** Inode of a new file; negative: the status. */
  async create(name: string, parent = 1): Promise<number> {
    const request = { parent, name: Buffer.from(name), mode: 0o644, cumask: 0, ...NAMES };
    const made = await this.ask(CLTOMA_FUSE_CREATE, request, MATOCL_FUSE_CREATE);
    return made.variant === 'ok' ? made.inode : -made.status;
  }
}

/** A chunkserver that carries out what it is told, or answers with the statuses it was given. */
export class FakeChunkserver extends Peer {
  /** Statuses of the next operations, in order; then 0. `silent`: no answer. */
  readonly answers: (number | 'silent')[] = [];
  readonly commands: string[] = [];

  static readonly operations = [MATOCS_CREATE, MATOCS_SET_VERSION, MATOCS_TRUNCATE];

  async register(
    port: number,
    chunks: { chunkId: number; version: number }[] = [],
    secret: string | undefined = undefined,
  ): Promise<void> {
    const begin = {
      rver: 60 as const,
      version: VERSION,
      ip: 0x7f000001,
      port,
      timeoutS: 10,
      csid: 0,
      usedSpace: 0,
      totalSpace: 1e12,
      chunks: chunks.length,
      tdUsedSpace: 0,
      tdTotalSpace: 0,
      tdChunks: 0,
    };
    this.send(CSTOMA_REGISTER.encode({ variant: 'begin', ...begin }));
    let answer = await this.nextOf(MATOCS_MASTER_ACK);
    if (answer.variant === 'challenge') {
      const { random } = answer;
      const hash = createHash('md5').update(random.subarray(0, 16));
      const passcode = hash
        .update(secret ?? '')
        .update(random.subarray(16))
        .digest();
      this.send(CSTOMA_REGISTER.encode({ variant: 'beginAuth', passcode, ...begin }));
      answer = await this.nextOf(MATOCS_MASTER_ACK);
    }
    if (answer.variant !== 'accepted') throw new Error(`registration: ${answer.variant}`);
    if (chunks.length > 0) {
      this.send(CSTOMA_REGISTER.encode({ variant: 'chunks', rver: 61, chunkList: chunks }));
      await this.nextOf(MATOCS_MASTER_ACK);
    }
    this.send(CSTOMA_REGISTER.encode({ variant: 'end', rver: 62 }));
  }

  protected override handle({ type, payload }: Frame): boolean {
    const operation = this.operation(type, payload);
    if (operation === undefined) return false;
    this.commands.push(operation.name);
    const status = this.answers.shift() ?? this.carryOut(type, payload);
    // answers to all operations have the same layout
    if (status !== 'silent') {
      const frame = CSTOMA_CREATE.encode({ chunkId: operation.chunkId, status });
      frame.writeUInt32BE(type + 1, 0);
      this.send(frame);
    }
    return true;
  }

  /** Does what a command says; the status of the answer. */
  protected carryOut(_type: number, _payload: Buffer): number {
    return MFS_STATUS_OK;
  }

  private operation(type: number, payload: Buffer): { name: string; chunkId: number } | undefined {
    for (const message of FakeChunkserver.operations) {
      if (message.type !== type) continue;
      return { name: message.name, chunkId: message.decode(payload).chunkId };
    }
    for (const message of [MATOCS_DUPLICATE, MATOCS_DUPTRUNC])
      if (message.type === type) return { name: message.name, chunkId: message.decode(payload).newChunkId };
    return undefined;
  }
}

export interface TestMasterOptions {
  readonly folder?: string;
  readonly exports?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly restore?: boolean;
  /** Default: any free one. */
  readonly clientPort?: number;
}

/** A master in this process. */
export class TestMaster {
  readonly log: MemoryLogger = memoryLogger();
  role!: RunningMaster;
  /** The wall clock of the master is so much ahead. */
  aheadMs = 0;
  private readonly peers: Peer[] = [];

  private constructor(
    readonly folder: string,
    private readonly ownFolder: boolean,
  ) {}

  static async start(options: TestMasterOptions = {}): Promise<TestMaster> {
    const folder = options.folder ?? newFolder();
    const master = new TestMaster(folder, options.folder === undefined);
    try {
      await master.begin(options);
    } catch (error) {
      if (master.ownFolder) rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    return master;
  }

  private async begin(options: TestMasterOptions): Promise<void> {
    const exportsFile = join(this.folder, 'exports.cfg');
    writeFileSync(exportsFile, options.exports ?? '* / rw,alldirs,admin,maproot=0:0\n* . rw\n');
    const values = {
      DATA_PATH: this.folder,
      EXPORTS_FILENAME: exportsFile,
      ALLOW_LOOPBACK_CHUNKSERVERS: 1,
      REPLICATIONS_DELAY_INIT: 0,
      ...options.config,
    };
    const any = { host: '127.0.0.1', port: 0 };
    const matocl = { ...any, port: options.clientPort ?? 0 };
    const config: MasterConfig = {
      ...configFrom(masterConfig, values).config,
      matocl,
      matocs: any,
      matoml: any,
      restore: options.restore ?? false,
    };
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + this.aheadMs };
    const services = { clock, random: systemRandom, network: tcpNetwork, log: this.log };
    this.role = await startMaster(config, services);
  }

  get clientPort(): number {
    return this.role.context.clients.port;
  }

  async peer(port: number): Promise<Peer> {
    return this.keep(new Peer(await connected(port)));
  }

  async mount(): Promise<Mount> {
    return this.keep(new Mount(await connected(this.clientPort)));
  }

  /** A mount with a session. */
  async mounted(): Promise<Mount> {
    const mount = await this.mount();
    await mount.newSession();
    return mount;
  }

  /** A chunkserver that has not registered. */
  async newChunkserver(): Promise<FakeChunkserver> {
    return this.chunkserverOf((socket) => new FakeChunkserver(socket));
  }

  async chunkserverOf<P extends FakeChunkserver>(make: (socket: Socket) => P): Promise<P> {
    return this.keep(make(await connected(this.role.context.chunkservers.port)));
  }

  async chunkserver(port: number, chunks: { chunkId: number; version: number }[] = []): Promise<FakeChunkserver> {
    const peer = await this.newChunkserver();
    const before = this.role.context.chunkservers.manager.servers.count;
    await peer.register(port, chunks);
    await this.log.waitFor(new RegExp(`chunkserver registered address=127.0.0.1:${port} csid=${before + 1}`));
    return peer;
  }

  private keep<P extends Peer>(peer: P): P {
    this.peers.push(peer);
    return peer;
  }

  /** Ends in order. */
  async stop(): Promise<void> {
    for (const peer of this.peers) peer.destroy();
    await this.role.stop();
  }

  async destroy(): Promise<void> {
    await this.stop().catch(() => undefined);
    if (this.ownFolder) rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A data folder with an empty file system. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'wapiti-master-'));
  writeFileSync(join(folder, 'metadata.mfs'), 'MFSM NEW');
  return folder;
}
