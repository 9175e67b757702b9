/** What files, writers and readers of one engine share. */
import type { Clock, Logger } from '@wapiti-fs/runtime';

import type { BlockPool } from './chunk-blocks.js';
import type { ChunkMaster } from './chunk-master.js';
import type { RetryLimits } from './retry.js';
import type { ServerConnections } from './server-connections.js';
import type { Budget, Pauses } from './waiting.js';

export interface EngineParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly master: ChunkMaster;
  readonly connections: ServerConnections;
  readonly pauses: Pauses;
  readonly limits: RetryLimits;
  /** In blocks of 64 KiB. */
  readonly writeCache: Budget;
  readonly blockPool: BlockPool;
  readonly writeSlots: Budget;
  readonly readAhead: ReadMemory;
  readonly chunksPerFile: number;
  readonly readAheadWindowBytes: number;
}

/** Bytes held by requests to chunkservers and by what was read ahead. */
export class ReadMemory {
  usedBytes = 0;

  constructor(readonly limitBytes: number) {}
}
