/** The role as a whole: store, data server and link to the master, started and stopped together. */
import { readFile } from 'node:fs/promises';

import { ChunkStore, type HddConfig, parseHddConfig } from '@wapiti-fs/chunkstore';
import { CLTOCS_MAXPACKETSIZE } from '@wapiti-fs/protocol';
import { type FramedServer, lockWholeFile, type RunningRole, type Services } from '@wapiti-fs/runtime';

import { ChainConnections } from './chain-connections.js';
import { type ChunkserverConfig, DEFAULT_CONFIG } from './config.js';
import { DataConnection } from './data-connection.js';
import { Jobs } from './jobs.js';
import { MasterLink } from './master-link.js';
import { Reports } from './reports.js';
import type { ServerContext } from './server-context.js';
import { ServerId } from './server-id.js';

/** Above it a read waits for its reader: small, so that buffers of blocks are soon free again. */
const HIGH_WATER_BYTES = 128 * 1024;
const STOP_TIMEOUT_MS = 5000;

export interface RunningChunkserver extends RunningRole<ChunkserverConfig> {
  /** Port of the data server. */
  readonly port: number;
  readonly store: ChunkStore;
  /** True while the master knows us. */
  readonly registered: boolean;
}

/** Where the list of folders was in old installations; used when the standard place has none (spec 12 §5). */
const OLD_HDD_CONF_FILENAME = '/etc/mfshdd.cfg';

async function readHddLines(config: ChunkserverConfig): Promise<string> {
  if (config.hddLines !== undefined) return config.hddLines.join('\n');
  try {
    return await readFile(config.hddConfFilename, 'utf8');
  } catch (error) {
    const standard = config.hddConfFilename === DEFAULT_CONFIG.hddConfFilename;
    const old = standard ? await readFile(OLD_HDD_CONF_FILENAME, 'utf8').catch(() => undefined) : undefined;
    if (old !== undefined) return old;
    throw new Error(`list of data folders ${config.hddConfFilename} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function readHddConfig(config: ChunkserverConfig, services: Services): Promise<HddConfig> {
  const text = await readHddLines(config);
  const hdd = parseHddConfig(text);
  for (const warning of hdd.warnings) services.log.warn(`${config.hddConfFilename}: ${warning}`);
  if (hdd.folders.length === 0) services.log.warn(`no hdd space defined in ${config.hddConfFilename} file`);
  return hdd;
}

function rulesOf(config: ChunkserverConfig): ChunkStore['rules'] {
  return {
    leaveFreeBytes: config.leaveSpaceDefaultBytes,
    errorToleranceCount: config.errorToleranceCount,
    errorTolerancePeriodMs: config.errorTolerancePeriodS * 1000,
    rrChunkCount: config.rrChunkCount,
    keepDuplicatesMs: config.keepDuplicatesHours * 3_600_000,
    fsyncBeforeClose: config.fsyncBeforeClose,
    sparsifyOnWrite: config.sparsifyOnWrite,
  };
}

/**
 * Starts a chunkserver; several may run in one process. Resolves when it listens and has taken its folders; the scan and the
 * connection to the master go on in the background.
 */
export async function startChunkserver(config: ChunkserverConfig, services: Services): Promise<RunningChunkserver> {
  const serverId = await ServerId.load(config.dataPath);
  const hdd = await readHddConfig(config, services);
  const reports = new Reports();
  const store = await ChunkStore.open({
    folders: hdd.folders,
    clock: services.clock,
    log: services.log,
    lockFile: lockWholeFile,
    events: reports,
    rules: rulesOf(config),
    metaid: serverId.metaid === 0n ? undefined : serverId.metaid,
    allowUnusable: config.allowStartingWithInvalidDisks,
  });
  const server = new Chunkserver(config, services, store, reports, serverId);
  try {
    await server.start();
  } catch (error) {
    await store.close();
    throw error;
  }
  return server;
}

class Chunkserver implements RunningChunkserver {
  private readonly jobs: Jobs;
  private readonly chain: ChainConnections;
  private readonly connections = new Set<DataConnection>();
  private listener: FramedServer | undefined;
  private link: MasterLink | undefined;
  private end: (error: Error | undefined) => void = () => undefined;
  readonly ended = new Promise<Error | undefined>((resolve) => (this.end = resolve));

  constructor(
    private config: ChunkserverConfig,
    private readonly services: Services,
    readonly store: ChunkStore,
    private readonly reports: Reports,
    private readonly serverId: ServerId,
  ) {
    this.jobs = new Jobs(config.workersMax);
    this.chain = new ChainConnections(services.network);
  }

  get port(): number {
    return this.listener?.port ?? 0;
  }

  get registered(): boolean {
    return this.link?.registered ?? false;
  }

  async start(): Promise<void> {
    await this.listen();
    const { services, store, jobs, reports, serverId } = this;
    this.link = new MasterLink(
      {
        services,
        store,
        reports,
        serverId,
        commands: { store, jobs, connections: this.chain, clock: services.clock, log: services.log },
        listenPort: this.port,
        fatal: (error) => {
          services.log.error(error.message);
          this.end(error);
        },
      },
      this.config,
    );
    this.link.start();
  }

  private async listen(): Promise<void> {
    const context: ServerContext = {
      services: this.services,
      store: this.store,
      jobs: this.jobs,
      chain: this.chain,
      info: {
        csid: () => this.serverId.csid,
        metaid: () => this.serverId.metaid,
        master: () => this.link?.master ?? { ip: 0, port: 0 },
        configValue: (name) => this.config.raw?.[name] ?? '',
      },
    };
    this.listener = await this.services.network.listen(
      {
        host: this.config.listenHost,
        port: this.config.listenPort,
        limit: CLTOCS_MAXPACKETSIZE,
        highWaterBytes: HIGH_WATER_BYTES,
      },
      (connection) => {
        this.connections.add(new DataConnection(context, connection, (one) => this.connections.delete(one)));
      },
    );
    this.services.log.notice(`main server module: listen on ${this.config.listenHost}:${this.port}`);
  }

  async reload(config: ChunkserverConfig): Promise<void> {
    const hdd = await readHddConfig(config, this.services);
    const before = this.config;
    this.config = config;
    this.jobs.max = config.workersMax;
    Object.assign(this.store.rules, rulesOf(config));
    if (before.listenHost !== config.listenHost || before.listenPort !== config.listenPort) {
      await this.listener?.close();
      await this.listen();
    }
    await this.link?.reconfigure(config);
    await this.store.reload(hdd.folders);
  }

  async stop(): Promise<void> {
    this.link?.stop();
    await this.listener?.close();
    for (const connection of this.connections) connection.destroy();
    this.chain.closeAll();
    await this.idle();
    await this.store.close();
    this.end(undefined);
  }

  /** Waits for running jobs, but not for ever. */
  private async idle(): Promise<void> {
    const { clock } = this.services;
    const deadlineMs = clock.monotonicMs() + STOP_TIMEOUT_MS;
    while (this.jobs.load > 0 && clock.monotonicMs() < deadlineMs) {
      await new Promise<void>((resolve) => void clock.after(10, resolve));
    }
  }

  describe(): string[] {
    const { normal, marked } = this.store.space();
    return [
      `chunkserver id: ${this.serverId.csid}, file system: ${this.serverId.metaid.toString(16)}`,
      `master: ${this.registered ? 'registered' : 'not connected'}, jobs: ${this.jobs.load}, connections: ${this.connections.size}`,
      `chunks: ${normal.chunks} (+ ${marked.chunks} marked for removal)`,
      ...this.store.folders.map((one) => `${one.path}: ${one.state}, ${one.chunks} chunks`),
    ];
  }
}
