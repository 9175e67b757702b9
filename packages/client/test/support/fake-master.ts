import { createHash } from 'node:crypto';

import {
  ANTOCL_MODULE_INFO,
  CLTOAN_MODULE_INFO,
  CLTOMA_FUSE_AMTIME_INODES,
  CLTOMA_FUSE_REGISTER,
  CLTOMA_FUSE_SUSTAINED_INODES,
  CLTOMA_FUSE_TIME_SYNC,
  CLTOMA_MAXPACKETSIZE,
  type Frame,
  MATOCL_FUSE_REGISTER,
  MATOCL_FUSE_TIME_SYNC,
  type Message,
  messageName,
  MFS_ERROR_BADPASSWORD,
  MFS_ERROR_BADSESSIONID,
  MFS_ERROR_NOPASSWORD,
  NOP_CLIENT_FRAME,
  VERSION,
} from '@wapiti-fs/protocol';
import type { FramedConnection, FramedServer, MemoryNetwork } from '@wapiti-fs/runtime';

type Handler = (value: never, connection: FramedConnection) => Buffer | undefined;

/** A master made of scripted answers: registration as spec 02 §3, everything else as a test says. */
export class FakeMaster {
  metaid = 0x1122334455667788n;
  password: string | undefined;
  /** Status of kind 3 for a known session. */
  reconnectStatus = 0;
  /** Status that refuses kind 2. */
  refuse = 0;
  /** Neither answers nor sends NOPs: hung. */
  silent = false;
  readonly sessions = new Set<number>();
  nextSession = 7;
  /** Names of everything received but NOPs, in order; REGISTER with its kind. */
  readonly received: string[] = [];
  readonly sustained: number[][] = [];
  readonly times: { inode: number; atime: number; mtime: number }[][] = [];
  readonly connections = new Set<FramedConnection>();
  private readonly handlers = new Map<number, { message: Message<unknown>; handler: Handler }>();
  private readonly randoms = new WeakMap<FramedConnection, Buffer>();
  private server: FramedServer | undefined;

  constructor(
    private readonly network: MemoryNetwork,
    readonly host: string,
  ) {}

  /** Listens on all addresses of its host. */
  async listen(): Promise<this> {
    this.server = await this.network.host(this.host).listen(
      {
        host: '*',
        port: 9421,
        limit: CLTOMA_MAXPACKETSIZE,
        keepalive: { nop: NOP_CLIENT_FRAME, nopAfterMs: 1000 },
      },
      (connection) => this.accept(connection),
    );
    return this;
  }

  async close(): Promise<void> {
    await this.server?.close(true);
  }

  on<Q>(request: Message<Q>, handler: (value: Q, connection: FramedConnection) => Buffer | undefined): this {
    this.handlers.set(request.type, { message: request as Message<unknown>, handler: handler as Handler });
    return this;
  }

  /** Sends a frame to every registered client. */
  tell(frame: Buffer): void {
    for (const connection of this.connections) connection.send(frame);
  }

  private accept(connection: FramedConnection): void {
    this.connections.add(connection);
    if (this.silent) connection.setKeepalive({});
    connection.setHandlers({
      frame: (frame) => this.frame(connection, frame),
      close: () => void this.connections.delete(connection),
    });
  }

  private frame(connection: FramedConnection, { type, payload }: Frame): void {
    if (type === 0 || this.silent) return;
    if (type === CLTOMA_FUSE_REGISTER.type) return this.register(connection, payload);
    this.received.push(messageName(type, 'master'));
    switch (type) {
      case CLTOMA_FUSE_TIME_SYNC.type:
        connection.send(
          MATOCL_FUSE_TIME_SYNC.encode({ variant: 'msgid', msgid: 0, timeUs: this.network.clock.nowMs() * 1000 }),
        );
        return;
      case CLTOMA_FUSE_SUSTAINED_INODES.type:
        this.sustained.push(CLTOMA_FUSE_SUSTAINED_INODES.decode(payload).inodes);
        return;
      case CLTOMA_FUSE_AMTIME_INODES.type:
        this.times.push(CLTOMA_FUSE_AMTIME_INODES.decode(payload).times as never);
        return;
      case CLTOAN_MODULE_INFO.type:
        connection.send(
          ANTOCL_MODULE_INFO.encode({
            variant: 'plain',
            moduleType: 1,
            version: VERSION,
            moduleId: 0,
            metaid: this.metaid,
            leaderIp: 0,
            leaderPort: 0,
          }),
        );
        return;
    }
    const found = this.handlers.get(type);
    if (found === undefined) throw new Error(`nothing scripted for ${messageName(type, 'master')}`);
    const answer = found.handler(found.message.decode(Buffer.from(payload)) as never, connection);
    if (answer !== undefined) connection.send(answer);
  }

  private register(connection: FramedConnection, payload: Buffer): void {
    const request = CLTOMA_FUSE_REGISTER.decode(Buffer.from(payload));
    this.received.push(`REGISTER ${request.kind}`);
    const answer = (value: Parameters<typeof MATOCL_FUSE_REGISTER.encode>[0]): void =>
      void connection.send(MATOCL_FUSE_REGISTER.encode(value));
    switch (request.variant) {
      case 'getRandom': {
        const random = createHash('sha256').update(String(this.received.length)).digest();
        this.randoms.set(connection, random);
        return answer({ variant: 'random', random });
      }
      case 'reconnect': {
        const known = this.sessions.has(request.sessionId) && request.metaid === this.metaid;
        const status = known ? this.reconnectStatus : MFS_ERROR_BADSESSIONID;
        return answer({ variant: 'reconnected', version: VERSION, status });
      }
      case 'newSession': {
        const { sessionId, metaid, passcode } = request.tail;
        if (this.refuse !== 0) return answer({ variant: 'status', status: this.refuse });
        if (this.password !== undefined && passcode === undefined)
          return answer({ variant: 'status', status: MFS_ERROR_NOPASSWORD });
        if (this.password !== undefined && !passcode?.equals(this.expectedPasscode(connection)))
          return answer({ variant: 'status', status: MFS_ERROR_BADPASSWORD });
        const old = sessionId !== undefined && metaid === this.metaid && this.sessions.has(sessionId);
        const id = old ? sessionId : this.nextSession++;
        this.sessions.add(id);
        return answer({
          variant: 'session',
          version: VERSION,
          sessionId: id,
          metaid: this.metaid,
          sesflags: 0,
          umask: 0,
          rootUid: 0,
          rootGid: 0,
          mapallUid: 999,
          mapallGid: 999,
          minGoal: 1,
          maxGoal: 9,
          minTrashtimeS: 0,
          maxTrashtimeS: 0xffffffff,
          disables: 0,
        });
      }
      case 'closeSession':
        this.sessions.delete(request.sessionId);
        return answer({ variant: 'status', status: 0 });
      default:
        throw new Error(`registration of kind ${request.kind}`);
    }
  }

  private expectedPasscode(connection: FramedConnection): Buffer {
    const random = this.randoms.get(connection) ?? Buffer.alloc(32);
    const password = createHash('md5')
      .update(this.password ?? '')
      .digest();
    return createHash('md5').update(random.subarray(0, 16)).update(password).update(random.subarray(16)).digest();
  }
}
