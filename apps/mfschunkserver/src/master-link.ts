/**
 * The connection to the master (spec 03): registration, reports, commands, and starting again after a loss. A master of another
 * file system is refused before anything is written, and ends the role.
 */
import type { ChunkStore } from '@wapiti-fs/chunkstore';
import {
  ANTOAN_BAD_COMMAND_SIZE,
  ANTOAN_NOP,
  NOP_FRAME,
  ANTOAN_UNKNOWN_COMMAND,
  challengeAnswer,
  CSTOMA_CHUNK_DAMAGED,
  CSTOMA_CHUNK_LOST,
  CSTOMA_CHUNK_NEW,
  CSTOMA_CURRENT_LOAD,
  CSTOMA_ERROR_OCCURRED,
  CSTOMA_LABELS,
  CSTOMA_REGISTER,
  CSTOMA_SPACE,
  type Frame,
  MATOCS_MASTER_ACK,
  MATOCS_MAXPACKETSIZE,
  VERSION,
  formatIpv4,
  parseIpv4,
} from '@wapiti-fs/protocol';
import { type FramedConnection, masterTarget, ReconnectingLink, type Services, type Timer } from '@wapiti-fs/runtime';

import { type CommandContext, executeCommand } from './commands.js';
import type { ChunkserverConfig } from './config.js';
import { parseLabels } from './config.js';
import { listChunks, type NewChunk, type Reports } from './reports.js';
import type { ServerId } from './server-id.js';

const CONNECT_TIMEOUT_MS = 1000;
/** MASTER_RECONNECTION_DELAY may be 0. */
const LEAST_RETRY_MS = 100;
const NOP_AFTER_MS = 1000;
const FIRST_TIMEOUT_S = 10;
const REPORT_PERIOD_MS = 100;
const SPACE_PERIOD_MS = 1000;
const LOAD_PERIOD_MS = 5000;
/** Oldest master that knows the graceful leave: 3.0.75. */
const GRACEFUL_LEAVE_VERSION = 0x00030096;

type State = 'closed' | 'unregistered' | 'waiting' | 'listing' | 'registered';

/** A master of another file system: nothing of it may be taken over. */
export class WrongMetaidError extends Error {
  readonly code = 'WRONG_METAID';
}

export interface MasterLinkOptions {
  readonly services: Services;
  readonly store: ChunkStore;
  readonly reports: Reports;
  readonly serverId: ServerId;
  readonly commands: CommandContext;
  /** Port of the data server, as listening. */
  readonly listenPort: number;
  /** The role cannot go on. */
  readonly fatal: (error: Error) => void;
}

export class MasterLink {
  private state: State = 'closed';
  private readonly link: ReconnectingLink;
  private masterVersion = 0;
  private challenge: Buffer | undefined;
  private list: Iterator<NewChunk[]> | undefined;
  /** Next address to try: where the last connection was, or where a master without leadership sent us. */
  private address: string | undefined;
  private readonly timers: Timer[] = [];
  private lastSpace = '';
  private lastStatus = 0;

  constructor(
    private readonly options: MasterLinkOptions,
    private config: ChunkserverConfig,
  ) {
    const { network, clock } = options.services;
    this.link = new ReconnectingLink(
      {
        network,
        clock,
        limit: MATOCS_MAXPACKETSIZE,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        backOff: () => {
          const delayMs = Math.max(this.config.masterReconnectionDelayS * 1000, LEAST_RETRY_MS);
          return { firstMs: delayMs, maxMs: delayMs };
        },
        target: () => ({ ...masterTarget(this.config), host: this.host }),
      },
      {
        connected: () => this.connected(),
        frame: (frame, connection) => this.frame(connection, frame),
        closed: (error) => this.closed(error),
        failed: (error, _retryInMs, brisk) => this.failed(error, brisk),
      },
    );
  }

  get registered(): boolean {
    return this.state === 'registered';
  }

  /** Address of the master while registered there; zeros otherwise. */
  get master(): { ip: number; port: number } {
    const { connection } = this.link;
    if (!this.registered || connection === undefined) return { ip: 0, port: 0 };
    return { ip: parseIpv4(connection.remoteAddress) ?? 0, port: connection.remotePort };
  }

  private get host(): string {
    return this.address ?? this.config.masterHost;
  }

  start(): void {
    const { clock } = this.options.services;
    this.timers.push(
      clock.every(REPORT_PERIOD_MS, () => this.sendReports()),
      clock.every(SPACE_PERIOD_MS, () => this.sendSpace()),
      clock.every(LOAD_PERIOD_MS, () => this.sendLoad(true)),
    );
    this.link.start();
  }

  /** New settings; those of the connection itself make it start again (spec 03 §14.2). */
  async reconfigure(config: ChunkserverConfig): Promise<void> {
    const before = this.config;
    this.config = config;
    const keys = [
      'masterHost',
      'masterPort',
      'bindHost',
      'masterTimeoutS',
      'authCode',
      'listenHost',
      'listenPort',
    ] as const;
    if (keys.some((key) => before[key] !== config[key])) {
      this.address = undefined;
      this.leave();
    } else if (before.labels !== config.labels && this.registered) {
      this.sendLabels();
    }
  }

  /** Leaves in order: the master keeps the chunks in mind for a while (spec 03 §14.2). */
  stop(): void {
    for (const timer of this.timers) timer.cancel();
    this.leave();
    this.link.stop();
    this.state = 'closed';
  }

  private leave(): void {
    if (this.registered && this.masterVersion >= GRACEFUL_LEAVE_VERSION) {
      this.link.send(CSTOMA_REGISTER.encode({ variant: 'leave', rver: 63 }));
    }
    this.link.connection?.end();
  }

  private connected(): void {
    this.state = 'unregistered';
    this.challenge = undefined;
    this.setKeepalive(this.config.masterTimeoutS || FIRST_TIMEOUT_S);
    this.options.services.log.notice(`connected to master ${this.host}:${this.config.masterPort}`);
    this.sendBegin();
  }

  private failed(error: Error, brisk: boolean): void {
    const { log } = this.options.services;
    const text = `no connection to master ${this.host}:${this.config.masterPort}: ${error.message}`;
    this.address = undefined;
    if (brisk) log.debug(text);
    else log.warn(text);
  }

  private closed(error?: Error): void {
    this.options.services.log.warn(`connection to master lost${error ? `: ${error.message}` : ''}`);
    this.state = 'closed';
    this.list = undefined;
    this.options.reports.stopListing();
  }

  private setKeepalive(timeoutS: number): void {
    this.link.setKeepalive({ nop: NOP_FRAME, nopAfterMs: NOP_AFTER_MS, idleTimeoutMs: timeoutS * 1000 });
  }

  private frame(connection: FramedConnection, { type, payload }: Frame): void {
    try {
      switch (type) {
        case ANTOAN_NOP.type:
        case ANTOAN_UNKNOWN_COMMAND.type:
        case ANTOAN_BAD_COMMAND_SIZE.type:
          return;
        case MATOCS_MASTER_ACK.type:
          return this.ack(payload);
        default:
          return this.command(connection, type, payload);
      }
    } catch (error) {
      if (error instanceof WrongMetaidError) {
        this.stop();
        this.options.fatal(error);
      } else {
        this.options.services.log.error(`packet from master: ${(error as Error).message}`);
      }
      connection.destroy();
    }
  }

  private command(connection: FramedConnection, type: number, payload: Buffer): void {
    const answer = executeCommand(this.options.commands, type, payload);
    if (answer === undefined) throw new Error(`unexpected type ${type}`);
    answer.then(
      // An answer that comes too late for its connection is dropped.
      (frame) => connection.send(frame),
      (error: Error) => {
        this.options.services.log.error(`command of master: ${error.message}`);
        connection.destroy();
      },
    );
  }

  // ---- registration ----------------------------------------------------------------------------------------------

  private sendBegin(digest?: Buffer): void {
    const { store, serverId, listenPort } = this.options;
    const { normal, marked } = store.space();
    const fields = {
      rver: 60 as const,
      version: VERSION,
      ip: this.config.listenHost === '*' ? 0 : (parseIpv4(this.config.listenHost) ?? 0),
      port: listenPort,
      timeoutS: this.config.masterTimeoutS,
      csid: serverId.csid,
      usedSpace: normal.usedBytes,
      totalSpace: normal.totalBytes,
      chunks: normal.chunks,
      tdUsedSpace: marked.usedBytes,
      tdTotalSpace: marked.totalBytes,
      tdChunks: marked.chunks,
    };
    this.link.send(
      digest
        ? CSTOMA_REGISTER.encode({ variant: 'beginAuth', passcode: digest, ...fields })
        : CSTOMA_REGISTER.encode({ variant: 'begin', ...fields }),
    );
  }

  private ack(payload: Buffer): void {
    const ack = MATOCS_MASTER_ACK.decode(payload);
    switch (ack.variant) {
      case 'accepted':
        this.accepted(ack.version, ack.timeoutS, ack.csid, ack.metaid);
        return;
      case 'next':
        return this.sendNextPart();
      case 'redirect':
        this.address = ack.leaderIp === 0 ? undefined : formatIpv4(ack.leaderIp);
        this.link.connection?.destroy();
        return;
      case 'wait':
      case 'waitMetaid':
        this.state = 'waiting';
        return;
      case 'challenge':
        return this.authenticate(ack.random);
      default:
        throw new Error('unexpected MATOCS_MASTER_ACK');
    }
  }

  private authenticate(random: Buffer): void {
    const { authCode } = this.config;
    if (authCode === undefined) throw new Error('the master asks for AUTH_CODE, none is configured');
    if (this.challenge !== undefined) throw new Error('the master asks for AUTH_CODE again');
    this.challenge = Buffer.from(random);
    this.sendBegin(challengeAnswer(random, authCode));
  }

  private accepted(version: number, timeoutS: number, csid: number, metaid: bigint): void {
    const { store, serverId, services, fatal } = this.options;
    const known = serverId.metaid === 0n ? store.metaid : serverId.metaid;
    if (metaid !== 0n && known !== undefined && known !== metaid) {
      throw new WrongMetaidError(
        `wrong master: it serves file system ${metaid.toString(16)}, our data belong to ${known.toString(16)}`,
      );
    }
    this.masterVersion = version;
    this.address = this.link.connection?.remoteAddress;
    this.setKeepalive(this.config.masterTimeoutS || timeoutS || FIRST_TIMEOUT_S);
    void this.keepIds(csid, metaid).catch(fatal);
    if (this.state === 'registered' || this.state === 'listing') return;
    services.log.notice(`accepted by master as chunkserver ${csid}`);
    this.state = 'listing';
    this.options.reports.startListing();
    this.list = listChunks(store, this.config.chunksPerRegisterPacket);
    this.lastSpace = '';
    this.sendLabels();
    this.sendNextPart();
  }

  private async keepIds(csid: number, metaid: bigint): Promise<void> {
    const { store, serverId } = this.options;
    await serverId.update(csid, metaid);
    if (serverId.metaid !== 0n) await store.setMetaid(serverId.metaid);
  }

  private sendLabels(): void {
    const { mask, bad } = parseLabels(this.config.labels);
    if (bad.length > 0) this.options.services.log.warn(`LABELS: not a letter: ${bad.join(' ')}`);
    this.link.send(CSTOMA_LABELS.encode({ labelMask: mask }));
  }

  private sendNextPart(): void {
    if (this.state !== 'listing') return;
    const part = this.list?.next();
    if (part !== undefined && !part.done) {
      this.link.send(CSTOMA_REGISTER.encode({ variant: 'chunks', rver: 61, chunkList: part.value }));
      return;
    }
    this.list = undefined;
    this.link.send(CSTOMA_REGISTER.encode({ variant: 'end', rver: 62 }));
    this.state = 'registered';
    this.link.established();
    this.options.services.log.notice('registered at master');
    this.sendReports();
  }

  // ---- reports ---------------------------------------------------------------------------------------------------

  private sendReports(): void {
    const { connection } = this.link;
    if (!this.registered || connection === undefined) return;
    const { reports } = this.options;
    for (let errors = reports.takeErrors(); errors > 0; errors--) connection.send(CSTOMA_ERROR_OCCURRED.encode({}));
    const damaged = reports.takeDamaged();
    if (damaged.length > 0) connection.send(CSTOMA_CHUNK_DAMAGED.encode({ chunkIds: damaged }));
    const lost = reports.takeLost();
    if (lost.length > 0) connection.send(CSTOMA_CHUNK_LOST.encode({ chunkIds: lost }));
    const found = reports.takeNew();
    if (found.length > 0) connection.send(CSTOMA_CHUNK_NEW.encode({ chunkList: found }));
    this.sendLoad(false);
  }

  private sendSpace(): void {
    if (this.state !== 'registered' && this.state !== 'listing') return;
    this.options.store.takeSpaceChanged();
    const { normal, marked } = this.options.store.space();
    const frame = CSTOMA_SPACE.encode({
      usedSpace: normal.usedBytes,
      totalSpace: normal.totalBytes,
      chunks: normal.chunks,
      tdUsedSpace: marked.usedBytes,
      tdTotalSpace: marked.totalBytes,
      tdChunks: marked.chunks,
    });
    const text = frame.toString('latin1');
    if (text === this.lastSpace) return;
    this.lastSpace = text;
    this.link.send(frame);
  }

  /** `always`: the periodic one; else only when the overload state has changed. */
  private sendLoad(always: boolean): void {
    if (!this.registered) return;
    const { load, status } = this.options.commands.jobs;
    if (!always && status === this.lastStatus) return;
    this.lastStatus = status;
    this.link.send(CSTOMA_CURRENT_LOAD.encode({ load, hlstatus: status }));
  }
}
