/** Port 9421: mounts, meta mounts, tools and monitoring (spec 02, 11). */
import { checkSoftQuotas } from '@wapiti-fs/metadata';
import {
  CLTOMA_MAXPACKETSIZE,
  MATOCL_FUSE_INVALIDATE_CHUNK_CACHE,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
} from '@wapiti-fs/protocol';
import type { FramedServer, Logger, Timer } from '@wapiti-fs/runtime';

import type { ListenAddress } from '../config.js';
import type { MasterContext } from '../context.js';
import { ChangelogBlockedError } from '../storage/changelog.js';
import { ClientConnection } from './connection.js';
import { FileService } from './file-service.js';
import { sendLockAnswer } from './requests/locks.js';
import { IDLE_TIMEOUT_MS, NOP_AFTER_MS, NOP_WITH_MSGID } from './register.js';

/** Clients that understand INVALIDATE_CHUNK_CACHE (spec 02 §12.4). */
const INVALIDATE_VERSION = 0x0300c8;
const SESSION_CHECK_MS = 10_000;
const HOUR_MS = 3_600_000;
/** Sums over trash and sustained files are made anew so often. */
const DETACHED_SUMS_MS = 5000;

export class ClientService {
  readonly files: FileService;
  private readonly connections = new Set<ClientConnection>();
  private readonly timers: Timer[] = [];
  private readonly log: Logger;
  private listener: FramedServer | undefined;
  private listening: ListenAddress | undefined;
  private tick = 0;
  private readonly sums = { trash: { atMs: -Infinity, bytes: 0 }, sustained: { atMs: -Infinity, bytes: 0 } };
  private stopping = false;

  constructor(private readonly context: () => MasterContext) {
    this.log = context().services.log.child('clients');
    this.files = new FileService(context);
    context().metadata.locks.onAnswer = (answer) => sendLockAnswer(this.master, answer);
  }

  get master(): MasterContext {
    return this.context();
  }

  get port(): number {
    return this.listener?.port ?? 0;
  }

  get count(): number {
    return this.connections.size;
  }

  async start(): Promise<void> {
    const { services, turn } = this.master;
    await this.listen();
    const { clock } = services;
    this.timers.push(
      clock.every(1000, () => turn.run(() => this.everySecond())),
      clock.every(SESSION_CHECK_MS, () => turn.run(() => this.checkSessions())),
      clock.every(60_000, () => turn.run(() => this.unlessBlocked(() => this.releaseInodes()))),
      clock.every(HOUR_MS, () => this.master.sessions.rotateCounters()),
    );
  }

  private async listen(): Promise<void> {
    const { host, port } = this.master.config().matocl;
    const before = this.listener;
    this.listener = await this.master.services.network.listen(
      {
        host,
        port,
        limit: CLTOMA_MAXPACKETSIZE,
        keepalive: { nop: NOP_WITH_MSGID, nopAfterMs: NOP_AFTER_MS, idleTimeoutMs: IDLE_TIMEOUT_MS },
      },
      (connection) => {
        if (this.stopping) return connection.destroy();
        this.connections.add(new ClientConnection(this, connection, this.log));
      },
    );
    this.listening = { host, port };
    this.log.notice(`main master server module: listen on ${host}:${this.listener.port}`);
    await before?.close();
  }

  /** New exports: mounts with other ones register anew (spec 12 §8.5). New address: listens there. */
  async reload(): Promise<void> {
    const { checksum } = this.master.exports();
    for (const client of this.connections) {
      const session = this.master.sessions.get(client.sessionId);
      if (client.state === 'mount' && session?.exportsChecksum !== checksum) client.destroy();
    }
    const { host, port } = this.master.config().matocl;
    if (this.listening?.host !== host || this.listening.port !== port) await this.listen();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    for (const timer of this.timers) timer.cancel();
    await this.listener?.close();
    for (const client of this.connections) client.destroy();
    this.master.turn.run(() => this.files.rollbackAll());
  }

  closed(client: ClientConnection): void {
    this.connections.delete(client);
    if (client.state === 'new' || this.stopping) return;
    const { turn, sessions, nowS } = this.master;
    turn.run(() => {
      this.files.dropped(client);
      sessions.detach(client.sessionId, client, nowS());
    });
  }

  /** Work on behalf of a client outside its own request: changes are refused while they cannot be recorded. */
  guarded(client: ClientConnection, work: () => void): void {
    try {
      this.master.changelog.guard(work);
    } catch (error) {
      if (!(error instanceof ChangelogBlockedError)) throw error;
      // asked again after it has reconnected
      client.destroy(error);
    }
  }

  /** Locations that clients have cached may be wrong (spec 02 §12.4). */
  locationsChanged(): void {
    const frame = MATOCL_FUSE_INVALIDATE_CHUNK_CACHE.encode({ msgid: 0 });
    for (const client of this.connections)
      if (client.state === 'mount' && client.version >= INVALIDATE_VERSION) client.send(frame);
  }

  /** Sum of the lengths of files in the trash, or of deleted files that are open. */
  detachedBytes(which: 'trash' | 'sustained'): number {
    const sum = this.sums[which];
    const now = this.master.services.clock.monotonicMs();
    if (now - sum.atMs < DETACHED_SUMS_MS) return sum.bytes;
    const { edges, nodes } = this.master.metadata.store;
    sum.bytes = 0;
    sum.atMs = now;
    const buckets = which === 'trash' ? TRASH_BUCKETS : SUSTAINED_BUCKETS;
    for (let bucket = 0; bucket < buckets; bucket++)
      for (const edge of edges.detachedEdges(which, bucket)) sum.bytes += nodes.length.get(edges.child(edge));
    return sum.bytes;
  }

  private everySecond(): void {
    const { metadata, nowS } = this.master;
    this.files.queue.tick();
    this.unlessBlocked(() => {
      metadata.emptyDetached(nowS(), this.tick++);
      checkSoftQuotas(metadata, nowS());
    });
  }

  private releaseInodes(): void {
    this.master.metadata.releaseInodes(this.master.nowS());
  }

  private checkSessions(): void {
    this.unlessBlocked(() => this.master.sessions.check(this.master.nowS()));
  }

  /** Housekeeping can wait until changes can be recorded again. */
  private unlessBlocked(work: () => void): void {
    if (!this.master.changelog.blocked) work();
  }
}
