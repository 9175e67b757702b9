import { ANTOMA_MAXPACKETSIZE } from '@wapiti-fs/protocol';
import { type Disk, type FramedServer, type Logger, nodeDisk, type Services, type Timer } from '@wapiti-fs/runtime';

import { addressNumber } from '../addresses.js';
import type { ChangelogFollower, ChangeRecord } from '../storage/changelog-feed.js';
import { MetaloggerConnection } from './connection.js';
import { ChangeHistory } from './history.js';

const UNREGISTERED_TIMEOUT_MS = 10_000;
const HOUR_MS = 3_600_000;

export interface MetaloggerServiceOptions {
  readonly listenHost: string;
  readonly listenPort: number;
  /** CHANGELOG_PRESERVE_SECONDS: how long changes are remembered for peers that come back; 0: not at all. */
  readonly preserveS: number;
}

/** What the service needs of the master. */
export interface MetaloggerSource {
  /** Folder of `metadata.mfs.back` and `changelog.N.mfs`. */
  readonly folder: string;
  /** Number of the next change. */
  nextVersion(): number;
  /** Answer to ANTOAN_GET_CONFIG. */
  readonly configValue: (name: string) => string;
}

/** Port 9419: metaloggers follow the changes and download image and changelogs (spec 06 §3, §4). */
export class MetaloggerService implements ChangelogFollower {
  readonly folder: string;
  readonly configValue: (name: string) => string;
  /** Rotations of the changelog so far. */
  rotations = 0;
  private readonly connections = new Set<MetaloggerConnection>();
  private readonly history: ChangeHistory;
  private readonly log: Logger;
  private listener: FramedServer | undefined;
  private timer: Timer | undefined;
  private stopping = false;

  constructor(
    private readonly services: Services,
    private options: MetaloggerServiceOptions,
    source: MetaloggerSource,
    readonly disk: Disk = nodeDisk,
  ) {
    const { clock, log, metrics } = services;
    this.log = log.child('metaloggers');
    this.folder = source.folder;
    this.configValue = source.configValue;
    this.history = new ChangeHistory(source.nextVersion(), options.preserveS * 1000, () => clock.monotonicMs());
    metrics?.gauge('master_metaloggers', 'Metaloggers registered.', [], (gauge) => gauge.set(this.list().length));
    metrics?.gauge('master_metalogger_behind', 'Changes not yet sent, of the slowest metalogger.', [], (gauge) =>
      gauge.set([...this.connections].reduce((most, one) => Math.max(most, one.behind), 0)),
    );
  }

  get port(): number {
    return this.listener?.port ?? 0;
  }

  async start(): Promise<void> {
    await this.listen();
    this.timer = this.services.clock.after(this.untilFullHourMs(), () => this.hourly());
  }

  async reload(options: MetaloggerServiceOptions): Promise<void> {
    const before = this.options;
    this.options = options;
    this.history.preserveMs = options.preserveS * 1000;
    if (before.listenHost === options.listenHost && before.listenPort === options.listenPort) return;
    const old = this.listener;
    await this.listen();
    await old?.close();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.timer?.cancel();
    await this.listener?.close();
    for (const connection of [...this.connections]) connection.end();
  }

  records(batch: readonly ChangeRecord[]): Promise<void> | undefined {
    for (const { version, text } of batch) this.history.append(version, text);
    return this.sendAll();
  }

  /** The master has begun a new changelog file. */
  rotated(): void {
    this.rotations++;
    for (const connection of this.connections) connection.rotate();
  }

  /** Registered metaloggers (CLTOMA_MLOG_LIST). */
  list(): { version: number; ip: number }[] {
    return [...this.connections]
      .filter((one) => one.registered)
      .map((one) => ({ version: one.version, ip: addressNumber(one.remoteAddress) }));
  }

  closed(connection: MetaloggerConnection): void {
    this.connections.delete(connection);
  }

  private sendAll(): Promise<void> | undefined {
    let waits: Promise<void>[] | undefined;
    let behind = false;
    for (const connection of this.connections) {
      connection.send();
      behind ||= connection.behind > 0;
      const taken = connection.taken();
      if (taken !== undefined) (waits ??= []).push(taken);
    }
    if (!behind) this.history.sent();
    return waits === undefined ? undefined : Promise.all(waits).then(() => undefined);
  }

  private async listen(): Promise<void> {
    const { listenHost, listenPort } = this.options;
    this.listener = await this.services.network.listen(
      {
        host: listenHost,
        port: listenPort,
        limit: ANTOMA_MAXPACKETSIZE,
        keepalive: { idleTimeoutMs: UNREGISTERED_TIMEOUT_MS },
        highWaterBytes: 0, // tells whenever the queue is empty
      },
      (connection) => {
        if (this.stopping) return connection.destroy();
        this.connections.add(new MetaloggerConnection(this, connection, this.history, this.log));
      },
    );
    this.log.notice(`master control module: listen on ${listenHost}:${this.listener.port}`);
  }

  private hourly(): void {
    if (this.connections.size === 0) this.log.warn('no metaloggers connected !!!');
    this.timer = this.services.clock.after(this.untilFullHourMs(), () => this.hourly());
  }

  private untilFullHourMs(): number {
    return HOUR_MS - (this.services.clock.nowMs() % HOUR_MS);
  }
}
