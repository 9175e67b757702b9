/** Fills one request: location, copy, connection, READ, and another copy when something is wrong (spec 13 §8.4, §8.6). */
import { MFS_ERROR_NOTDONE, MFSCHUNKSIZE } from '@wapiti-fs/protocol';

import type { ChunkLocation } from './chunk-master.js';
import type { EngineParts } from './engine-parts.js';
import type { Locations } from './locations.js';
import type { ReadRequest } from './read-request.js';
import { ReadSession } from './read-session.js';
import { Retry } from './retry.js';

const LOG_FROM_FAILURES = 3;
/** Failures of copies before waiting between tries. */
const IMMEDIATE_TRIES = 3;

export interface ReaderFile {
  readonly inode: number;
  readonly locations: Locations;
  readonly lengthNews: number;
  /** READ_CHUNK, asked at `news`, told the length of the file. */
  lengthSeen(length: number, news: number): void;
}

/** Resolves when the request is complete, failed or unwanted. */
export async function fillRequest(parts: EngineParts, file: ReaderFile, request: ReadRequest): Promise<void> {
  const chunkIndex = Math.floor(request.start / MFSCHUNKSIZE);
  const what = `inode ${file.inode}, chunk ${chunkIndex}: read`;
  const retry = new Retry(parts.limits, what);
  const nowMs = (): number => parts.clock.monotonicMs();
  const report = (error: Error): void => {
    if (retry.failures >= LOG_FROM_FAILURES) parts.log.warn(`${what}: try ${retry.failures} failed: ${error.message}`);
  };
  try {
    while (!request.complete && !request.unwanted) {
      let location: ChunkLocation;
      try {
        location = file.locations.get(chunkIndex) ?? (await askMaster(parts, file, chunkIndex));
      } catch (error) {
        const waitMs = retry.afterMaster(error, nowMs());
        report(error as Error);
        await parts.pauses.wait(waitMs);
        continue;
      }
      if (location.chunkId === 0) {
        request.buffer.fill(0, request.filled);
        request.advance(request.buffer.length - request.filled);
        return;
      }
      const server = parts.connections.choose(location.servers);
      if (server === undefined) {
        file.locations.drop(chunkIndex, location);
        await parts.pauses.wait(retry.afterNoServers(nowMs()));
        continue;
      }
      const before = request.filled;
      let failure: Error;
      let status: number | undefined;
      try {
        const connection = await parts.connections.get(server, Math.min(2 * retry.failures + 2, 10));
        const outcome = await new ReadSession(connection, location, request).run();
        parts.connections.release(connection, outcome.clean);
        if (outcome.error === undefined) continue;
        failure = outcome.error;
        status = outcome.status;
        parts.connections.failed(server);
      } catch (error) {
        failure = error as Error;
      }
      // A broken connection says nothing about the other copies, and the master may be away just now.
      if (status !== undefined || !parts.connections.anyGood(location.servers))
        file.locations.drop(chunkIndex, location);
      if (request.filled > before) retry.reset();
      const waitMs = retry.afterServer(failure, status, nowMs());
      report(failure);
      if (retry.failures > IMMEDIATE_TRIES || status === MFS_ERROR_NOTDONE) await parts.pauses.wait(waitMs);
    }
  } catch (error) {
    request.fail(error as Error);
  }
}

async function askMaster(parts: EngineParts, file: ReaderFile, chunkIndex: number): Promise<ChunkLocation> {
  const epoch = file.locations.now;
  const { lengthNews } = file;
  const location = await parts.master.readChunk(file.inode, chunkIndex, 0);
  file.locations.set(chunkIndex, location, epoch);
  file.lengthSeen(location.length, lengthNews);
  return location;
}
