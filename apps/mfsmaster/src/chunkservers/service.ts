import type { Metadata } from '@wapiti-fs/metadata';
import { CSTOMA_MAXPACKETSIZE, formatIpv4 } from '@wapiti-fs/protocol';
import { ChunkManager, type ChunkManagerOptions, type ServerInfo, ServerTable } from '@wapiti-fs/placement';
import type { FramedServer, Logger, Random, Services, Timer } from '@wapiti-fs/runtime';

import { ChunkserverConnection } from './connection.js';
import { MetadataChunkTable } from './metadata-table.js';
import type { Turn } from '../turn.js';
import { ServerDatabase } from './server-database.js';

const UNUSED_CHECK_MS = 600_000;

export interface ChunkserverServiceOptions {
  readonly listenHost: string;
  readonly listenPort: number;
  readonly timeoutS: number;
  readonly authCode: string | undefined;
  readonly limits: Omit<ChunkManagerOptions, 'knownServers'>;
  readonly temporaryMaintenanceS: number;
  /** Days after which a server that does not come back is forgotten; 0: never. */
  readonly removeUnusedDays: number;
  /** Chunkservers on 127.0.0.0/8: refused by the reference, needed when the whole cluster runs in one process. */
  readonly allowLoopback: boolean;
}

type Registering = Pick<
  ServerInfo,
  'ip' | 'port' | 'version' | 'usedSpace' | 'totalSpace' | 'chunks' | 'tdUsedSpace' | 'tdTotalSpace' | 'tdChunks'
> & { readonly csid: number };

export interface ChunkserverEvents {
  /** The last registering server has finished, or a server was lost: clients should forget locations (spec 02 §12.4). */
  locationsChanged(): void;
  /** An operation on the chunk has ended: requests that wait for it may go on. */
  chunkFree(chunkId: number): void;
}

/** Port 9420: the connected chunkservers and the chunk manager that commands them. */
export class ChunkserverService {
  readonly manager: ChunkManager;
  readonly database: ServerDatabase;
  readonly random: Random;
  private readonly connections = new Set<ChunkserverConnection>();
  private readonly byId = new Map<number, ChunkserverConnection>();
  private listener: FramedServer | undefined;
  private timer: Timer | undefined;
  private unusedTimer: Timer | undefined;
  private readonly log: Logger;
  private readonly limits: ChunkManagerOptions;
  private stopping = false;
  private lossS = -Infinity;

  constructor(
    private readonly metadata: Metadata,
    private readonly services: Services,
    private options: ChunkserverServiceOptions,
    private readonly events: ChunkserverEvents,
    readonly configValue: (name: string) => string,
    /** Records of timers and chunkservers reach the changelog with those of requests; commands leave after they are written. */
    readonly turn: Turn,
  ) {
    this.log = services.log.child('chunkservers');
    this.random = services.random;
    this.limits = { ...options.limits, knownServers: () => this.database.count };
    const table = new MetadataChunkTable(metadata, this.nowS);
    this.database = new ServerDatabase(metadata, this.nowS);
    this.manager = new ChunkManager(
      table,
      new ServerTable((bound) => services.random.below(bound)),
      (id, command) => this.byId.get(id)?.send(command),
      this.nowS(),
      () => metadata.store.chunks.nextChunkId,
      (chunkId) => events.chunkFree(chunkId),
      this.limits,
    );
  }

  readonly nowS = (): number => Math.floor(this.services.clock.nowMs() / 1000);
  readonly metaid = (): bigint => this.metadata.store.metaid;

  get authCode(): string | undefined {
    return this.options.authCode;
  }

  get timeoutS(): number {
    return this.options.timeoutS;
  }

  /** When the last chunkserver was lost, in seconds; -Infinity: none yet. */
  get lastLossS(): number {
    return this.lossS;
  }

  get port(): number {
    return this.listener?.port ?? 0;
  }

  async start(): Promise<void> {
    await this.listen();
    this.timer = this.services.clock.every(1000, () =>
      this.turn.run(() => {
        this.manager.tick(this.nowS());
        this.database.expireMaintenance();
      }),
    );
    this.unusedTimer = this.services.clock.every(UNUSED_CHECK_MS, () =>
      this.turn.run(() => this.database.removeUnused(this.options.removeUnusedDays, (csid) => this.isConnected(csid))),
    );
  }

  private async listen(): Promise<void> {
    const before = this.listener;
    this.listener = await this.services.network.listen(
      {
        host: this.options.listenHost,
        port: this.options.listenPort,
        limit: CSTOMA_MAXPACKETSIZE,
        keepalive: { idleTimeoutMs: this.options.timeoutS * 1000 },
      },
      (connection) => this.connections.add(new ChunkserverConnection(this, connection, this.log)),
    );
    this.log.notice(`listen on ${this.options.listenHost}:${this.listener.port}`);
    await before?.close();
  }

  /** Timeout and secret hold for servers that register from now on; another address is listened on. */
  async reload(options: ChunkserverServiceOptions): Promise<void> {
    const before = this.options;
    this.options = options;
    Object.assign(this.limits, options.limits);
    if (before.listenHost !== options.listenHost || before.listenPort !== options.listenPort) await this.listen();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.timer?.cancel();
    this.unusedTimer?.cancel();
    for (const connection of this.connections) connection.close();
    await this.listener?.close(true);
  }

  /** A registering server: its place in the table, or why it is refused. */
  accept(connection: ChunkserverConnection, server: Registering): ServerInfo | string {
    if (server.ip >>> 24 === 127 && !this.options.allowLoopback) return 'a chunkserver must not use a loopback address';
    const id = this.database.register(server.ip, server.port, server.csid, (csid) => this.byId.has(csid));
    if (id === undefined)
      return `a chunkserver with the identity ${formatIpv4(server.ip)}:${server.port} / ${server.csid} is connected`;
    const entry = this.database.find(server.ip, server.port);
    if (entry?.maintenance === 2) this.database.setMaintenance(server.ip, server.port, false, 0);
    const info: ServerInfo = {
      ...server,
      id,
      labelMask: 0,
      load: 0,
      hlstatus: 0,
      maintenance: entry?.maintenance === 1,
      errorCount: 0,
      registered: false,
    };
    this.byId.set(id, connection);
    this.manager.serverConnected(info);
    return info;
  }

  registered(connection: ChunkserverConnection): void {
    const server = connection.server as ServerInfo;
    this.manager.serverRegistered(server.id);
    this.log.notice('chunkserver registered', { address: connection.name, csid: server.id });
    if (this.manager.registering === 0) this.events.locationsChanged();
  }

  /** A server leaves in order: temporary maintenance, so that its chunks are not replicated at once (spec 03 §14.2). */
  leaving(server: ServerInfo): void {
    const entry = this.database.find(server.ip, server.port);
    const { temporaryMaintenanceS } = this.options;
    if (entry?.maintenance === 0) {
      this.database.setTemporaryMaintenance(
        server.ip,
        server.port,
        temporaryMaintenanceS === 0 ? 0 : this.nowS() + temporaryMaintenanceS,
      );
    }
  }

  closed(connection: ChunkserverConnection): void {
    this.connections.delete(connection);
    const { server } = connection;
    if (server === undefined || this.byId.get(server.id) !== connection) return;
    this.byId.delete(server.id);
    if (this.stopping) return;
    this.lossS = this.nowS();
    this.turn.run(() => this.manager.serverLost(server.id, this.nowS()));
    this.events.locationsChanged();
  }

  isConnected(csid: number): boolean {
    return this.byId.has(csid);
  }
}
