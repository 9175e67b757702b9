/** The master as a whole: metadata, changelog, services; started, reloaded and stopped together. */
import { Metadata, type MetadataStore, needsEdgeRenumbering, rollBackCreations } from '@wapiti-fs/metadata';
import type { Logger, RunningRole, Services, StartRole, Timer } from '@wapiti-fs/runtime';

import { ChunkserverService } from './chunkservers/index.js';
import { ClientService } from './clients/service.js';
import { SessionTable } from './clients/session-table.js';
import type { MasterConfig } from './config.js';
import type { MasterContext, MasterService } from './context.js';
import type { ParsedExports } from './exports.js';
import { loadExports } from './exports-file.js';
import { EXTRA_SERVICES } from './extensions.js';
import { FILE_CHECK_STEP_MS, FileCheck } from './file-check.js';
import { registerMetrics } from './metrics.js';
import { Changelog } from './storage/changelog.js';
import { ChangelogFeed } from './storage/changelog-feed.js';
import { DataFolder, DataFolderError, loadImage, restore, settleNames } from './storage/data-folder.js';
import { ImageSaver } from './storage/image-saver.js';
import { Turn } from './turn.js';

const HOUR_S = 3600;
const LAST_EDGE_ID = 0x7ffffffffffffffen;
/** How often writing is tried again on a full disk. */
const RETRY_MS = 1000;

export interface RunningMaster extends RunningRole<MasterConfig> {
  readonly context: MasterContext;
}

export const startMaster: StartRole<MasterConfig, RunningMaster> = async (config, services) => {
  const master = new Master(config, services);
  try {
    await master.start();
  } catch (error) {
    // Ports already open are given back, and metadata.mfs gets its name again.
    await master.stop().catch(() => undefined);
    throw error;
  }
  return master;
};

class Master implements RunningMaster {
  readonly context: MasterContext;
  private readonly log: Logger;
  private readonly store: MetadataStore;
  private exports: ParsedExports;
  private readonly extras: MasterService[] = [];
  private retryTimer: Timer | undefined;
  private hourTimer: Timer | undefined;
  private checkTimer: Timer | undefined;
  private end: (error: Error | undefined) => void = () => undefined;
  readonly ended = new Promise<Error | undefined>((resolve) => (this.end = resolve));

  constructor(
    private config: MasterConfig,
    services: Services,
  ) {
    const { log, clock, random } = services;
    this.log = log;
    this.exports = this.firstExports();
    const nowS = (): number => Math.floor(clock.nowMs() / 1000);
    const folder = new DataFolder(config.dataPath);
    const startedMs = clock.monotonicMs();
    this.store = config.restore
      ? restore(folder, log, clock, config.ignoreErrors).store
      : loadImage(folder, log, nowS());
    log.notice(`metadata loaded in ${((clock.monotonicMs() - startedMs) / 1000).toFixed(3)} s`, {
      version: this.store.version,
      inodes: this.store.stats.of(1).inodes + 1,
      chunks: this.store.chunks.count,
    });
    settleNames(folder, config.restore, random);

    const rules = { backLogs: config.backLogs, sync: config.changelogSaveMode === 2 };
    const changelog = new Changelog(config.dataPath, log, rules, () => this.store.version);
    const feed = new ChangelogFeed(clock, log);
    const turn = new Turn(
      () => changelog.flush(),
      () => feed.publish(changelog.takeWritten()),
      (error) => log.error(`unexpected error: ${(error as Error).stack ?? String(error)}`),
    );
    const metadata = new Metadata(this.store, changelog.journal, metadataOptions(config));
    const images = new ImageSaver(folder, this.store, clock, log, config.keepPreviousImages);
    const sessions = new SessionTable(metadata, nowS(), config.sessionSustainS);
    const configValue = (name: string): string => this.config.texts[name] ?? '';
    const chunkservers = new ChunkserverService(
      metadata,
      services,
      chunkserverOptions(config),
      {
        locationsChanged: () => this.context.clients.locationsChanged(),
        chunkFree: (chunkId) => this.context.clients.files.queue.run(chunkId),
      },
      configValue,
      turn,
    );
    const shared = {
      services,
      metadata,
      turn,
      changelog,
      feed,
      folder,
      images,
      sessions,
      chunkservers,
      startedS: nowS(),
      config: () => this.config,
      configValue,
      exports: () => this.exports,
      nowS,
    };
    const clients = new ClientService(() => this.context ?? (shared as MasterContext));
    this.context = { ...shared, clients, fileCheck: new FileCheck(shared) };
    this.firstChanges(random.bytes(4).readUInt32BE(0));
  }

  /** Names get numbers in order, if need be; a new file system gets its identity (spec 06 §8 step 5). */
  private firstChanges(randomPart: number): void {
    const { metadata, nowS, turn } = this.context;
    if (needsEdgeRenumbering(this.store)) {
      metadata.commit({ op: 'RENUMERATEEDGES', ts: nowS(), nextEdgeId: renumberedEdgeId(this.store) });
    }
    this.rollBackCreations();
    this.unlockChunks();
    if (this.store.metaid === 0n) {
      const metaid = (BigInt(nowS()) << 32n) | BigInt(randomPart);
      metadata.commit({ op: 'SETMETAID', ts: nowS(), metaid });
      this.log.notice(`new file system: metadata id ${metaid.toString(16).toUpperCase()}`);
    }
    turn.flush();
    if (turn.blocked) throw new DataFolderError(`changelog.0.mfs cannot be written in ${this.config.dataPath}`);
  }

  private rollBackCreations(): void {
    const { metadata, nowS } = this.context;
    const count = rollBackCreations(metadata, nowS());
    if (count > 0)
      this.log.notice(`${count} chunks that were being made at the end of the former master are taken back`);
  }

  /**
   * Locks of writers of before: nobody knows whether a grant reached its client, and one that did not would keep the file locked for
   * two minutes. A writer that goes on is safe without: the next grant raises the version, which makes it ask again.
   */
  private unlockChunks(): void {
    const { metadata, nowS } = this.context;
    const { chunks } = this.store;
    const locked: number[] = [];
    for (const slot of chunks.entries())
      if (chunks.lockedTo(slot) >= nowS() && chunks.referenceCount(slot) > 0) locked.push(slot);
    for (const slot of locked) metadata.commit({ op: 'UNLOCK', ts: nowS(), chunkId: chunks.id(slot) });
    if (locked.length > 0) this.log.notice(`locks of ${locked.length} chunks from before the start are released`);
  }

  async start(): Promise<void> {
    const { chunkservers, clients, services } = this.context;
    // first those who follow the changes: they must miss none
    for (const startExtra of EXTRA_SERVICES) this.extras.push(await startExtra(this.context));
    await chunkservers.start();
    await clients.start();
    registerMetrics(this.context);
    const { clock } = services;
    this.retryTimer = clock.every(RETRY_MS, () => this.retry());
    this.checkTimer = clock.every(FILE_CHECK_STEP_MS, () => this.context.fileCheck.step());
    this.scheduleHour();
  }

  /** The full disk may have space again. */
  private retry(): void {
    const { turn } = this.context;
    if (turn.blocked) turn.flush();
  }

  private scheduleHour(): void {
    const { clock } = this.context.services;
    const untilMs = HOUR_S * 1000 - (clock.nowMs() % (HOUR_S * 1000));
    this.hourTimer = clock.after(untilMs, () => this.hourly());
  }

  private hourly(): void {
    const { nowS, images, turn } = this.context;
    this.scheduleHour();
    // changelogs that no image holds yet must not be pushed out
    if (!images.failing) this.rotate();
    if (Math.round(nowS() / HOUR_S) % this.config.saveEveryHours !== 0) return;
    turn.flush();
    if (!turn.blocked) void images.save();
  }

  private rotate(): void {
    const { turn, changelog, feed } = this.context;
    turn.flush();
    if (turn.blocked) return;
    if (changelog.rotate()) feed.rotate();
  }

  async reload(config: MasterConfig): Promise<void> {
    const { changelog, images, sessions, clients, chunkservers, metadata } = this.context;
    this.config = config;
    changelog.options.backLogs = config.backLogs;
    changelog.options.sync = config.changelogSaveMode === 2;
    images.setKeepPrevious(config.keepPreviousImages);
    sessions.setSustainTime(config.sessionSustainS);
    metadata.configure(metadataOptions(config));
    try {
      this.exports = loadExports(config.exportsFilename, this.log);
    } catch (error) {
      this.log.error(`exports are unchanged: ${(error as Error).message}`);
    }
    await chunkservers.reload(chunkserverOptions(config));
    await clients.reload();
    for (const extra of this.extras) await extra.reload?.();
  }

  async stop(): Promise<void> {
    const { turn, clients, chunkservers, changelog, images } = this.context;
    this.retryTimer?.cancel();
    this.hourTimer?.cancel();
    this.checkTimer?.cancel();
    await turn.settled();
    await clients.stop();
    await chunkservers.stop();
    await turn.settled();
    const saved = !turn.blocked && (await images.saveInForeground());
    for (const extra of this.extras.reverse()) await extra.stop();
    changelog.close();
    this.end(undefined);
    if (!saved)
      throw new DataFolderError(
        `metadata not stored at the end: the next start needs option '-a' to use the changelogs`,
      );
    images.finish();
  }

  describe(): string[] {
    const { clients, chunkservers, metadata, changelog, fileCheck } = this.context;
    const { store } = metadata;
    return [
      `metadata id: ${store.metaid.toString(16).toUpperCase()}, version: ${store.version}`,
      `inodes: ${store.stats.of(1).inodes + 1}, chunks: ${store.chunks.count}, sessions: ${store.tables.sessions.size}`,
      `connections of clients: ${clients.count}, chunkservers: ${chunkservers.manager.servers.count}`,
      `changelog: ${changelog.blocked ? 'BLOCKED, changes are refused' : 'ok'}`,
      fileCheck.describe(),
      ...this.extras.flatMap((extra) => extra.describe?.() ?? []),
    ];
  }

  private firstExports(): ParsedExports {
    const path = this.config.exportsFilename;
    let parsed: ParsedExports;
    try {
      parsed = loadExports(path, this.log);
    } catch (error) {
      throw new DataFolderError(`no exports defined: ${(error as Error).message}`, { cause: error });
    }
    if (parsed.entries.length === 0) throw new DataFolderError(`no exports defined: ${path} has no valid line`);
    return parsed;
  }
}

const metadataOptions = ({ maxHardLinks, inodeReuseDelayS, atimeMode }: MasterConfig) => ({
  maxHardLinks,
  inodeReuseDelayS,
  atimeMode,
});

/** The number that the next name gets after all were renumbered (spec 08 §6.1). */
function renumberedEdgeId({ nodes, edges }: MetadataStore): bigint {
  let children = 0;
  for (const inode of nodes.inodes())
    if (nodes.isDirectory(inode)) for (const edge of edges.childEdges(inode)) if (edge !== 0) children++;
  return LAST_EDGE_ID - BigInt(children);
}

function chunkserverOptions(config: MasterConfig) {
  return {
    listenHost: config.matocs.host,
    listenPort: config.matocs.port,
    timeoutS: config.chunkserverTimeoutS,
    authCode: config.authCode,
    limits: config.limits,
    temporaryMaintenanceS: config.temporaryMaintenanceS,
    removeUnusedDays: config.removeUnusedDays,
    allowLoopback: config.allowLoopback,
  };
}
