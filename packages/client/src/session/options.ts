import { DEFAULT_MASTER_CLIENT_PORT } from '@wapiti-fs/protocol';
import type { Services } from '@wapiti-fs/runtime';

/** Where and as what a session registers. */
export interface SessionOptions {
  /** Name or IPv4 address of the master, resolved anew by every attempt. */
  readonly host: string;
  /** Default 9421. */
  readonly port?: number | undefined;
  /** Source address. */
  readonly localAddress?: string | undefined;
  /** Exported directory that becomes the root. Default `/`. */
  readonly path?: string | undefined;
  /** Shown in the master's list of sessions: the mount point. */
  readonly info?: string | undefined;
  /** Password of the export. */
  readonly password?: string | undefined;
  /** Instead of `password`: its MD5 digest (16 bytes). */
  readonly passwordMd5?: Buffer | undefined;
  /**
   * How long the master may be away before requests fail with EIO. Default: for ever, so that programs wait for a failover
   * however long it takes.
   */
  readonly outageLimitMs?: number | undefined;
  /** How long `start` may take to register for the first time before it fails. Default 10 s. */
  readonly startLimitMs?: number | undefined;
  /** A new connection is tried so often while there is none. Default 150 ms; after {@link SLOW_AFTER_MS} a third of it. */
  readonly retryMs?: number | undefined;
  /** An attempt to connect is given up after this. Several run at the same time. Default 1 s. */
  readonly connectTimeoutMs?: number | undefined;
}

/** What the master told at registration (spec 02 §3.3). */
export interface SessionInfo {
  readonly sessionId: number;
  readonly metaid: bigint;
  readonly masterVersion: number;
  /** SESFLAG_* bits. */
  readonly sesflags: number;
  readonly umask: number;
  readonly rootUid: number;
  readonly rootGid: number;
  readonly mapallUid: number;
  readonly mapallGid: number;
  readonly minGoal: number;
  readonly maxGoal: number;
  readonly minTrashtimeS: number;
  readonly maxTrashtimeS: number;
  /** DISABLE_* bits. */
  readonly disables: number;
}

export type SessionServices = Pick<Services, 'clock' | 'random' | 'network' | 'log'>;

export const DEFAULT_PORT = DEFAULT_MASTER_CLIENT_PORT;
export const DEFAULT_START_LIMIT_MS = 10_000;
export const DEFAULT_RETRY_MS = 150;
export const DEFAULT_CONNECT_TIMEOUT_MS = 1000;
/** After so long without a master, attempts become rarer. */
export const SLOW_AFTER_MS = 15_000;
export const SLOW_FACTOR = 3;
/** Attempts running at the same time: enough for one every 150 ms, each given a second to connect. */
export const MAX_ATTEMPTS = 8;
/** For each answer of the registration dialogue (spec 02 §4.1). */
export const REGISTER_TIMEOUT_MS = 1000;
/** Pause after the master refused to register this client. */
export const REFUSED_PAUSE_MS = 2000;
/** A NOP is sent after so long without a request; the master's own come about every second (spec 01 §9). */
export const NOP_AFTER_MS = 1000;
/** The connection is given up after so long without a byte (spec 01 §9). */
export const IDLE_TIMEOUT_MS = 10_000;
/** Silence after which a second connection is tried beside the first one. */
export const SUSPECT_AFTER_MS = 2500;
/** The same while requests wait for an answer. */
export const SUSPECT_REQUESTS_AFTER_MS = 1500;
export const TICK_MS = 250;
