/** Commands of the master (spec 03 §10): each is a job, each gets exactly one answer. */
import { type ChunkStore, ChunkError, StoreStatus } from '@wapiti-fs/chunkstore';
import {
  ANTOCS_GET_CHUNK_BLOCKS,
  ANTOCS_GET_CHUNK_CHECKSUM,
  ANTOCS_GET_CHUNK_CHECKSUM_TAB,
  CSTOMA_CREATE,
  CSTOMA_DELETE,
  CSTOMA_DUPLICATE,
  CSTOMA_DUPTRUNC,
  CSTOMA_REPLICATE,
  CSTOMA_SET_VERSION,
  CSTOMA_TRUNCATE,
  MATOCS_CREATE,
  MATOCS_DELETE,
  MATOCS_DUPLICATE,
  MATOCS_DUPTRUNC,
  MATOCS_REPLICATE,
  MATOCS_SET_VERSION,
  MATOCS_TRUNCATE,
  type Message,
  formatIpv4,
} from '@wapiti-fs/protocol';

import { statusOf } from './data-connection.js';
import type { Jobs } from './jobs.js';
import { answerBlocks, answerChecksum, answerChecksumTable } from './queries.js';
import { type ReplicationSource, replicate } from './replicate.js';
import type { ChainConnections } from './chain-connections.js';
import type { Clock, Logger } from '@wapiti-fs/runtime';

export interface CommandContext {
  readonly store: ChunkStore;
  readonly jobs: Jobs;
  readonly connections: ChainConnections;
  readonly clock: Clock;
  readonly log: Logger;
}

type Handler = (context: CommandContext, payload: Buffer) => Promise<Buffer>;

async function run(context: CommandContext, name: string, work: () => Promise<number | void>): Promise<number> {
  if (!context.jobs.tryStart()) return StoreStatus.NOTDONE;
  try {
    return (await work()) ?? StoreStatus.OK;
  } catch (error) {
    const known = error instanceof ChunkError;
    context.log[known ? 'info' : 'error'](`${name}: ${(error as Error).message}`);
    return statusOf(error);
  } finally {
    context.jobs.end();
  }
}

/** A command answered with `chunkId status`. */
function simple<T>(
  command: Message<T>,
  answer: Message<{ chunkId: number; status: number }>,
  idOf: (request: T) => number,
  work: (store: ChunkStore, request: T) => Promise<void>,
): [number, Handler] {
  return [
    command.type,
    async (context, payload) => {
      const request = command.decode(payload);
      const status = await run(context, command.name, () => work(context.store, request));
      return answer.encode({ chunkId: idOf(request), status });
    },
  ];
}

async function replicateCommand(context: CommandContext, payload: Buffer): Promise<Buffer> {
  const request = MATOCS_REPLICATE.decode(payload);
  const { chunkId, version } = request;
  const source = sourceOf(request);
  const status = await run(context, MATOCS_REPLICATE.name, async () =>
    source === undefined ? StoreStatus.EINVAL : replicate(context, source),
  );
  if (status !== StoreStatus.OK) context.log.notice(`replication of chunk ${chunkId} ended with status ${status}`);
  return CSTOMA_REPLICATE.encode({ chunkId, version, status });
}

function sourceOf(request: ReturnType<typeof MATOCS_REPLICATE.decode>): ReplicationSource | undefined {
  // The xor form is never sent by a 3.0.117 master (spec 04 §8.4).
  if (request.variant !== 'simple') return undefined;
  return {
    chunkId: request.chunkId,
    version: request.version,
    host: formatIpv4(request.sourceIp),
    port: request.sourcePort,
  };
}

const handlers = new Map<number, Handler>([
  simple(
    MATOCS_CREATE,
    CSTOMA_CREATE,
    (r) => r.chunkId,
    (store, r) => store.create(r.chunkId, r.version),
  ),
  simple(
    MATOCS_DELETE,
    CSTOMA_DELETE,
    (r) => r.chunkId,
    (store, r) => store.delete(r.chunkId, r.version),
  ),
  simple(
    MATOCS_SET_VERSION,
    CSTOMA_SET_VERSION,
    (r) => r.chunkId,
    (store, r) => store.setVersion(r.chunkId, r.newVersion, r.oldVersion),
  ),
  simple(
    MATOCS_DUPLICATE,
    CSTOMA_DUPLICATE,
    (r) => r.newChunkId,
    (store, r) => store.duplicate(r.newChunkId, r.newVersion, r.oldChunkId, r.oldVersion),
  ),
  simple(
    MATOCS_TRUNCATE,
    CSTOMA_TRUNCATE,
    (r) => r.chunkId,
    (store, r) => store.truncate(r.chunkId, r.length, r.newVersion, r.oldVersion),
  ),
  simple(
    MATOCS_DUPTRUNC,
    CSTOMA_DUPTRUNC,
    (r) => r.newChunkId,
    (store, r) => store.duplicate(r.newChunkId, r.newVersion, r.oldChunkId, r.oldVersion, r.length),
  ),
  [MATOCS_REPLICATE.type, replicateCommand],
  [ANTOCS_GET_CHUNK_BLOCKS.type, answerBlocks],
  [ANTOCS_GET_CHUNK_CHECKSUM.type, answerChecksum],
  [ANTOCS_GET_CHUNK_CHECKSUM_TAB.type, answerChecksumTable],
]);

/** The answer to a command; undefined for a type that is none. Rejects when the packet is malformed. */
export function executeCommand(context: CommandContext, type: number, payload: Buffer): Promise<Buffer> | undefined {
  return handlers.get(type)?.(context, payload);
}
