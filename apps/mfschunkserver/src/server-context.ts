import type { ChunkStore } from '@wapiti-fs/chunkstore';
import type { Services } from '@wapiti-fs/runtime';

import type { ChainConnections } from './chain-connections.js';
import type { Jobs } from './jobs.js';

/** What connections on the data port work with. */
export interface ServerContext {
  readonly services: Services;
  readonly store: ChunkStore;
  readonly jobs: Jobs;
  readonly chain: ChainConnections;
  /** Counters for the monitoring. */
  readonly info: ServerInfo;
}

export interface ServerInfo {
  /** Number given by the master; 0: none yet. */
  csid(): number;
  metaid(): bigint;
  /** Address of the master while registered there. */
  master(): { ip: number; port: number };
  /** Value of a key as written in the configuration file. */
  readonly configValue: (name: string) => string;
}
