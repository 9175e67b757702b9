/** TRUNCATE: cutting and extending, growth reported by writers, reservations of appenders (spec 02 §6.6, 09 §11). */
import { type Ctx, mayAccess, resolve } from '@wapiti-fs/metadata';
import {
  DISABLE_SETLENGTH,
  DISABLE_TRUNCATE,
  DISABLE_WRITE,
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  MFS_ERROR_CHUNKBUSY,
  MFS_ERROR_EACCES,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MFS_ERROR_INDEXTOOBIG,
  MFS_ERROR_LOCKED,
  MFS_ERROR_NOCHUNK,
  MFS_MAX_CHUNK_INDEX,
  MFS_STATUS_OK,
  MFSCHUNKSIZE,
  MODE_MASK_W,
  SESFLAG_READONLY,
  TRUNCATE_FLAG_OPENED,
  TRUNCATE_FLAG_RESERVE,
  TRUNCATE_FLAG_TIMEFIX,
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
type Result = { readonly status: number } | { readonly status: 0; readonly prevLength: number };
type Reply = (result: Result) => void;

const MAX_LENGTH_BYTES = (MFS_MAX_CHUNK_INDEX + 1) * MFSCHUNKSIZE;

export function truncate(client: ClientConnection, request: TruncateRequest, reply: Reply): void {
  const { metadata } = client.service.master;
  const ctx = client.context(request.uid, request.gids);
  const inode = resolve(metadata.store, ctx.session, request.inode, (request.flags & TRUNCATE_FLAG_OPENED) !== 0);
  const status = check(client, ctx, inode, request);
  if (status !== MFS_STATUS_OK) return reply({ status });
  if ((request.flags & TRUNCATE_FLAG_RESERVE) !== 0) return reserve(client, inode, request.length, reply);
  if ((request.flags & TRUNCATE_FLAG_UPDATE) !== 0) return update(client, ctx, inode, request.length, reply);
  cut(client, ctx, inode, request, reply);
}

/** Spec 09 §11.2 steps 1-4. */
function check(client: ClientConnection, ctx: Ctx, inode: number, { flags, length }: TruncateRequest): number {
  const { store } = client.service.master.metadata;
  const { nodes } = store;
  const { disables, sesflags } = ctx.session;
  const byWriter = (flags & (TRUNCATE_FLAG_UPDATE | TRUNCATE_FLAG_RESERVE)) !== 0;
  const both = DISABLE_TRUNCATE | DISABLE_SETLENGTH;
  if (byWriter ? (disables & DISABLE_WRITE) !== 0 : (disables & both) === both) return MFS_ERROR_EPERM;
  if ((sesflags & SESFLAG_READONLY) !== 0) return MFS_ERROR_EROFS;
  if (inode === 0 || !nodes.exists(inode)) return MFS_ERROR_ENOENT;
  const eattr = nodes.eattr.get(inode);
  if ((eattr & EATTR_IMMUTABLE) !== 0) return MFS_ERROR_EPERM;
  if ((eattr & EATTR_APPENDONLY) !== 0 && !byWriter) return MFS_ERROR_EPERM;
  if ((flags & TRUNCATE_FLAG_OPENED) === 0 && !mayAccess(store, ctx, inode, MODE_MASK_W)) return MFS_ERROR_EACCES;
  if (!nodes.isFile(inode)) return MFS_ERROR_EPERM;
  if (byWriter) return MFS_STATUS_OK;
  const current = nodes.length.get(inode);
  if (length < current && (disables & DISABLE_TRUNCATE) !== 0) return MFS_ERROR_EPERM;
  if (length > current && (disables & DISABLE_SETLENGTH) !== 0) return MFS_ERROR_EPERM;
  return length > MAX_LENGTH_BYTES ? MFS_ERROR_INDEXTOOBIG : MFS_STATUS_OK;
}

/** Where an appender may write `count` bytes. */
function reserve(client: ClientConnection, inode: number, count: number, reply: Reply): void {
  const { files } = client.service;
  const { nodes } = client.service.master.metadata.store;
  const prevLength = Math.max(files.reserved.get(inode) ?? 0, nodes.length.get(inode));
  const next = prevLength + count;
  if (next > MAX_LENGTH_BYTES) return reply({ status: MFS_ERROR_INDEXTOOBIG });
  files.reserved.set(inode, next);
  files.notifyLength(client, inode, next);
  reply({ status: 0, prevLength });
}

/** A writer tells how far it has come: the length only grows. */
function update(client: ClientConnection, ctx: Ctx, inode: number, length: number, reply: Reply): void {
  const { files } = client.service;
  const { metadata } = client.service.master;
  if (length > MAX_LENGTH_BYTES) return reply({ status: MFS_ERROR_INDEXTOOBIG });
  const prevLength = metadata.store.nodes.length.get(inode);
  if (length > prevLength) metadata.commit({ op: 'LENGTH', ts: ctx.now, inode, length, canmodmtime: 0 });
  files.reserved.delete(inode);
  files.notifyLength(client, inode, length);
  reply({ status: 0, prevLength });
}

/** A real truncate: the chunk with the new end is cut on the chunkservers first. */
function cut(client: ClientConnection, ctx: Ctx, inode: number, request: TruncateRequest, reply: Reply): void {
  const { service } = client;
  const { master, files } = service;
  const { store } = master.metadata;
  const { length } = request;
  const prevLength = store.nodes.length.get(inode);
  const finish = (chunk: { index: number; chunkId: number } | undefined): void => {
    const keepTimes = (request.flags & TRUNCATE_FLAG_TIMEFIX) !== 0 && length === prevLength;
    const canmodmtime = keepTimes ? 0 : 1;
    if (store.nodes.isFile(inode))
      master.metadata.commit({ op: 'LENGTH', ts: master.nowS(), inode, length, canmodmtime });
    files.reserved.delete(inode);
    files.cache.modify(inode, client.sessionId);
    if (chunk === undefined) files.notifyLength(client, inode, length);
    else files.notifyChunk(client, inode, chunk.index, chunk.chunkId, length, true);
    reply({ status: 0, prevLength });
  };
  const index = Math.floor(length / MFSCHUNKSIZE);
  const oldChunkId = store.nodes.chunkAt(inode, index);
  if (length === prevLength || length % MFSCHUNKSIZE === 0 || oldChunkId === 0) return finish(undefined);

  const slot = store.chunks.find(oldChunkId);
  if (slot === 0) return reply({ status: MFS_ERROR_NOCHUNK });
  const { manager, database } = master.chunkservers;
  const wait = (status: number): void =>
    files.wait(
      oldChunkId,
      client,
      () => truncate(client, request, reply),
      status,
      (final) => reply({ status: final }),
    );
  if (store.chunks.lockedTo(slot) >= ctx.now) return wait(MFS_ERROR_LOCKED);
  if (manager.isBusy(oldChunkId)) return wait(MFS_ERROR_CHUNKBUSY);
  const obstacle = manager.canWrite(oldChunkId, ctx.now, database.count);
  if (obstacle !== MFS_STATUS_OK) return reply({ status: obstacle });

  const shared = store.chunks.referenceCount(slot) > 1;
  const oldVersion = store.chunks.version(slot);
  const chunkId = shared ? store.chunks.nextChunkId : oldChunkId;
  master.metadata.commit({ op: 'TRUNC', ts: ctx.now, inode, index, chunkId });
  const now = (): number => master.nowS();
  const rollback = (): void => {
    if (store.nodes.isFile(inode) && store.nodes.chunkAt(inode, index) === chunkId)
      master.metadata.commit({
        op: 'ROLLBACK',
        ts: now(),
        inode,
        index,
        previousChunkId: oldChunkId,
        chunkId,
      });
    else if (store.chunks.find(chunkId) !== 0) master.metadata.commit({ op: 'UNLOCK', ts: now(), chunkId });
  };
  const granted = (): void => {
    if (store.chunks.find(chunkId) !== 0) master.metadata.commit({ op: 'UNLOCK', ts: now(), chunkId });
    finish({ index, chunkId });
  };
  const done = files.begin(client, rollback, granted, (status) => reply({ status }));
  const lengthInChunk = length % MFSCHUNKSIZE;
  if (shared) manager.duplicate(chunkId, oldChunkId, lengthInChunk, done);
  else manager.truncate(chunkId, oldVersion, lengthInChunk, done);
}
