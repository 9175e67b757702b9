/** TRUNCATE: what the metadata plan; a chunk that is cut is cut on the chunkservers before the client hears of it (09 §11). */
import { type ChunkCut, finishTruncate, planTruncate, type Refused, type TruncatePlan } from '@wapiti-fs/metadata';
import {
  type AttributeRecord,
  MFS_ERROR_CHUNKBUSY,
  MFS_ERROR_LOCKED,
  MFS_STATUS_OK,
  MFSCHUNKSIZE,
  TRUNCATE_FLAG_RESERVE,
  TRUNCATE_FLAG_UPDATE,
} from '@wapiti-fs/protocol';

import type { ClientConnection } from './connection.js';

export interface TruncateRequest {
  readonly inode: number;
  readonly flags: number;
  readonly uid: number;
  readonly gids: readonly number[];
  /** Bytes; with RESERVE how many more. */
  readonly length: number;
}
/** Receives the outcome, perhaps much later. */
export type TruncateReply = (
  result: Refused | { readonly status: 0; readonly previousLength: number; readonly attributes: AttributeRecord },
) => void;

export function truncate(client: ClientConnection, request: TruncateRequest, reply: TruncateReply): void {
  const { metadata } = client.service.master;
  const ctx = client.context(request.uid, request.gids);
  const plan = planTruncate(metadata, ctx, request.inode, request.flags, request.length);
  if (!('inode' in plan)) {
    if (plan.status !== MFS_ERROR_LOCKED) return reply(plan);
    const chunkId = metadata.store.nodes.chunkAt(request.inode, Math.floor(request.length / MFSCHUNKSIZE));
    return wait(client, request, chunkId, MFS_ERROR_LOCKED, reply);
  }
  if (hasCut(plan)) cut(client, request, plan, reply);
  else finish(client, request, plan, reply);
}

const hasCut = (plan: TruncatePlan): plan is TruncatePlan & { cut: ChunkCut } => plan.cut !== undefined;

function wait(
  client: ClientConnection,
  request: TruncateRequest,
  chunkId: number,
  status: number,
  reply: TruncateReply,
): void {
  const again = (): void => truncate(client, request, reply);
  client.service.files.wait(chunkId, client, again, status, (final) => reply({ status: final }));
}

function cut(
  client: ClientConnection,
  request: TruncateRequest,
  plan: TruncatePlan & { cut: ChunkCut },
  reply: TruncateReply,
): void {
  const { files, master } = client.service;
  const { manager, database } = master.chunkservers;
  const { action, index, chunkId, oldChunkId, lengthInChunk } = plan.cut;
  const busy = files.copies.at(plan.inode, index) || (manager.isBusy(oldChunkId) ? oldChunkId : 0);
  if (busy !== 0) return wait(client, request, busy, MFS_ERROR_CHUNKBUSY, reply);
  const obstacle = manager.canWrite(oldChunkId, master.nowS(), database.count);
  if (obstacle !== MFS_STATUS_OK) return reply({ status: obstacle });
  const refused = (status: number): void => reply({ status });
  const done = (): void => finish(client, request, plan, reply);
  if (action === 'duplicate') {
    const copy = { inode: plan.inode, index, oldChunkId, chunkId };
    files.makeCopy(client, copy, lengthInChunk, done, () => truncate(client, request, reply), refused);
  } else {
    manager.truncate(
      chunkId,
      lengthInChunk,
      files.begin(client, () => undefined, done, refused),
    );
  }
}

function finish(client: ClientConnection, request: TruncateRequest, plan: TruncatePlan, reply: TruncateReply): void {
  const { files, master } = client.service;
  const { inode, length, flags } = plan;
  const result = finishTruncate(master.metadata, client.context(request.uid, request.gids), plan);
  reply(result);
  if (!('previousLength' in result)) return;
  if ((flags & TRUNCATE_FLAG_UPDATE) === 0) files.cache.modify(inode, client.sessionId);
  const reserves = (flags & TRUNCATE_FLAG_RESERVE) !== 0;
  if (plan.cut === undefined) files.notifyLength(client, inode, reserves ? result.previousLength + length : length);
  else {
    files.notifyChunk(client, inode, plan.cut.index, plan.cut.chunkId, length, true);
    files.queue.run(plan.cut.chunkId);
  }
}
