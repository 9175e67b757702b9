/** The role: connection, downloads when they are due, what is held. */
import {
  type Disk,
  DiskError,
  type FramedConnection,
  masterTarget,
  nodeDisk,
  ReconnectingLink,
  type RunningRole,
  type Services,
  sleepOn,
  type Timer,
} from '@wapiti-fs/runtime';
import { MATOAN_MAXPACKETSIZE, NOP_FRAME } from '@wapiti-fs/protocol';

import { ChangelogWriter } from './changelog-writer.js';
import type { MetaloggerConfig } from './config.js';
import { adoptNewImage, download, type DownloadReport, removeLeftovers } from './download.js';
import { DownloadError, RefusedMasterError } from './errors.js';
import { type HeldState, readHeldState } from './held-state.js';
import { compareHistory, identifyMaster } from './master-identity.js';
import { registerMetrics } from './metrics.js';
import { Session } from './session.js';

const CONNECT_TIMEOUT_MS = 1000;
const SYNC_PERIOD_MS = 1000;
/** A refused master is asked again so often: somebody has to decide first. */
const REFUSED_RETRY_MS = 60_000;
const DOWNLOAD_RETRY_MS = 60_000;
/** The copy has a hole that only a newer image closes: the master saves one every hour. */
const INCOMPLETE_RETRY_MS = 300_000;
/** The changelog on the disk of a C master may be a moment behind its stream. */
const WRITER_LAG_MS = 1500;
const HOUR_S = 3600;
const LONGEST_WAIT_MS = 24 * 3_600_000;
/** Ten and a half minutes past the hour: the master's hourly save is over. */
const DOWNLOAD_OFFSET_S = 630;

export interface RunningMetalogger extends RunningRole<MetaloggerConfig> {
  /** Registered at a master, and taking its changes. */
  readonly following: boolean;
  /** Number of the last change that is in a file, 0: none. */
  readonly version: number;
  readonly imageVersion: number;
  /** Image and changes together make a complete copy. */
  readonly restorable: boolean;
}

/** Starts a metalogger; several may run in one process. Resolves when its folder is in order; the connection follows by itself. */
export async function startMetalogger(
  config: MetaloggerConfig,
  services: Services,
  disk: Disk = nodeDisk,
): Promise<RunningMetalogger> {
  const metalogger = new Metalogger(config, services, disk);
  await metalogger.start();
  return metalogger;
}

class Metalogger implements RunningMetalogger {
  private readonly writer: ChangelogWriter;
  private readonly link: ReconnectingLink;
  private session: Session | undefined;
  private held: HeldState | undefined;
  private refusal: string | undefined;
  private downloadNeeded = true;
  private downloading = false;
  private lastDownload: (DownloadReport & { readonly atMs: number }) | undefined;
  private delayS = 0;
  private connectTimer: Timer | undefined;
  private downloadTimer: Timer | undefined;
  private retryTimer: Timer | undefined;
  private syncTimer: Timer | undefined;
  private stopped = false;
  private end: (error: Error | undefined) => void = () => undefined;
  readonly ended = new Promise<Error | undefined>((resolve) => (this.end = resolve));

  constructor(
    private config: MetaloggerConfig,
    private readonly services: Services,
    private readonly disk: Disk,
  ) {
    const { network, clock, log } = services;
    this.writer = new ChangelogWriter(disk, config.dataPath, config.backLogs, log, {
      failed: (error) => this.session?.connection.destroy(error),
      drained: () => this.session?.connection.resume(),
    });
    this.link = new ReconnectingLink(
      {
        network,
        clock,
        limit: MATOAN_MAXPACKETSIZE,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        backOff: () => {
          const delayMs = Math.max(1, this.config.masterReconnectionDelayS) * 1000;
          return { firstMs: delayMs, maxMs: delayMs };
        },
        target: () => masterTarget(this.config),
      },
      {
        connected: (connection) => this.connected(connection),
        frame: (frame) => {
          // There is no answer to a registration: a master that did not like it would have hung up.
          if (this.following) this.link.established();
          this.session?.receive(frame);
        },
        closed: (error) => this.closed(error),
        failed: (error, _retryInMs, brisk) => {
          if (brisk) log.debug(`connection failed, error: ${error.message}`);
          else log.warn(`connection failed, error: ${error.message}`);
          this.stopIfOnce();
        },
      },
    );
    registerMetrics(services, {
      following: () => this.following,
      refused: () => this.refusal !== undefined,
      restorable: () => this.restorable,
      version: () => this.version,
      imageVersion: () => this.imageVersion,
      unwrittenBytes: () => this.writer.queuedBytes,
      delayS: () => this.delayS,
      lastDownload: () => this.lastDownload,
    });
  }

  get following(): boolean {
    return this.session?.following ?? false;
  }

  get version(): number {
    return Math.max(this.writer.written, this.held?.last ?? 0);
  }

  get imageVersion(): number {
    return this.held?.image?.version ?? 0;
  }

  get restorable(): boolean {
    return this.held?.image !== undefined && this.held.missing === undefined;
  }

  async start(): Promise<void> {
    const { dataPath } = this.config;
    await adoptNewImage(this.disk, dataPath);
    await removeLeftovers(this.disk, dataPath);
    await this.writer.repair();
    await this.readFolder();
    this.syncTimer = this.services.clock.every(SYNC_PERIOD_MS, () => {
      this.writer.sync().catch((error: Error) => this.services.log.error(error.message));
    });
    this.scheduleDownload();
    this.link.start();
  }

  async reload(config: MetaloggerConfig): Promise<void> {
    this.config = { ...config, dataPath: this.config.dataPath };
    this.writer.backLogs = config.backLogs;
    this.scheduleDownload();
    this.connectTimer?.cancel();
    this.link.start();
    this.link.reconnect();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    for (const timer of [this.connectTimer, this.downloadTimer, this.retryTimer, this.syncTimer]) timer?.cancel();
    this.link.stop();
    this.session?.files.closed(undefined);
    this.session = undefined;
    await this.writer.close();
    this.end(undefined);
  }

  describe(): string[] {
    const { masterHost, masterPort } = this.config;
    const state = this.following ? 'following' : (this.refusal ?? 'not connected');
    return [
      `master ${masterHost}:${masterPort}: ${state}`,
      `image version: ${this.imageVersion}, last change: ${this.version}, not yet written: ${this.writer.queuedBytes} bytes`,
      `complete copy: ${this.restorable ? 'yes' : 'no'}`,
      `last download: ${this.lastDownload === undefined ? 'none' : new Date(this.lastDownload.atMs).toISOString()}`,
    ];
  }

  private connected(connection: FramedConnection): void {
    const { log } = this.services;
    const { masterTimeoutS } = this.config;
    log.notice('connected to Master', { address: connection.remoteAddress, port: connection.remotePort });
    connection.setKeepalive({
      nop: NOP_FRAME,
      nopAfterMs: (masterTimeoutS * 1000) / 3,
      idleTimeoutMs: masterTimeoutS * 1000,
    });
    const session = new Session(connection, this.writer, masterTimeoutS, {
      gap: (from, to, covered) => {
        log.warn(`some changes lost: [${from}-${to}], download metadata again`);
        if (!covered) this.needDownload(session);
      },
      change: (madeAtS) => {
        this.delayS = Math.max(0, this.services.clock.nowMs() / 1000 - madeAtS);
      },
    });
    this.session = session;
    this.follow(session).catch((error: Error) => connection.destroy(error));
  }

  /** Only from a master that has our history anything is taken. */
  private async follow(session: Session): Promise<void> {
    await this.writer.idle();
    const held = await this.readFolder();
    try {
      compareHistory(await identifyMaster(session.files), held);
    } catch (error) {
      if (!(error instanceof RefusedMasterError)) throw error;
      await sleepOn(this.services.clock)(WRITER_LAG_MS);
      compareHistory(await identifyMaster(session.files), held);
    }
    if (this.session !== session) return;
    this.refusal = undefined;
    session.register(held.lastStreamed);
    if (this.downloadNeeded) await this.downloadNow(session);
  }

  private needDownload(session: Session): void {
    this.downloadNeeded = true;
    if (session.following) this.downloadNow(session).catch((error: Error) => session.connection.destroy(error));
  }

  /** Again when it became necessary once more meanwhile. */
  private async downloadNow(session: Session): Promise<void> {
    if (this.downloading) return;
    this.downloading = true;
    try {
      while (this.downloadNeeded && this.session === session) {
        this.downloadNeeded = false;
        if (!(await this.downloadOnce(session))) return;
      }
    } finally {
      this.downloading = false;
    }
  }

  /** False: failed, and will be tried later. */
  private async downloadOnce(session: Session): Promise<boolean> {
    const { clock, log } = this.services;
    const { dataPath, keepPreviousImages } = this.config;
    const place = { disk: this.disk, folder: dataPath, keepPreviousImages, log, nowMs: () => clock.nowMs() };
    session.downloadStarts();
    try {
      const report = await download(session.files, this.held ?? (await this.readFolder()), place);
      this.lastDownload = { ...report, atMs: clock.nowMs() };
      log.notice(`image of version ${report.imageVersion} and its changelogs are in place`);
    } catch (error) {
      this.downloadNeeded = true;
      if (!(error instanceof DownloadError) && !(error instanceof DiskError)) throw error;
      if (this.stopped) return false;
      log.error(`${error.message} - what is held stays as it is`);
      this.retryDownload(DOWNLOAD_RETRY_MS);
      return false;
    }
    await this.writer.idle();
    const { missing } = await this.readFolder();
    if (missing === undefined) return true;
    log.warn(`the copy is not complete: changes ${missing.from} to ${missing.to} are missing until the next image`);
    this.retryDownload(INCOMPLETE_RETRY_MS);
    return true;
  }

  private retryDownload(delayMs: number): void {
    this.retryTimer?.cancel();
    this.retryTimer = this.services.clock.after(delayMs, () => {
      this.downloadNeeded = true;
      if (this.session !== undefined) this.needDownload(this.session);
    });
  }

  private scheduleDownload(): void {
    this.downloadTimer?.cancel();
    const { downloadEveryHours } = this.config;
    if (downloadEveryHours === 0) return;
    const { clock } = this.services;
    const periodMs = downloadEveryHours * HOUR_S * 1000;
    const offsetMs = DOWNLOAD_OFFSET_S * 1000;
    const nowMs = clock.nowMs();
    this.waitForDownload(Math.floor((nowMs - offsetMs) / periodMs + 1) * periodMs + offsetMs);
  }

  /** In steps that a timer can take. */
  private waitForDownload(dueMs: number): void {
    const leftMs = dueMs - this.services.clock.nowMs();
    this.downloadTimer = this.services.clock.after(Math.max(0, Math.min(leftMs, LONGEST_WAIT_MS)), () => {
      if (leftMs > LONGEST_WAIT_MS) return this.waitForDownload(dueMs);
      this.scheduleDownload();
      this.downloadNeeded = true;
      if (this.session !== undefined) this.needDownload(this.session);
    });
  }

  private closed(error: Error | undefined): void {
    const { log, clock } = this.services;
    const { session } = this;
    this.session = undefined;
    session?.files.closed(error);
    if (error instanceof RefusedMasterError) {
      this.refusal = error.message;
      log.error(error.message);
      this.link.stop();
      this.connectTimer = clock.after(REFUSED_RETRY_MS, () => this.link.start());
      return;
    }
    log.warn(error === undefined ? 'connection was reset by Master' : `connection lost: ${error.message}`);
    this.stopIfOnce();
  }

  /** MASTER_RECONNECTION_DELAY = 0. */
  private stopIfOnce(): void {
    if (this.config.masterReconnectionDelayS > 0) return;
    this.services.log.warn('MASTER_RECONNECTION_DELAY is 0: not connecting again before a reload');
    this.link.stop();
  }

  private async readFolder(): Promise<HeldState> {
    const { log } = this.services;
    this.held = await readHeldState(this.disk, this.config.dataPath, (text) => log.warn(text));
    return this.held;
  }
}
