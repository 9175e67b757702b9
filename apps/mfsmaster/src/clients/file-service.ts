/**
 * Reading and writing chunks on behalf of clients (spec 02 §8, 09 §10): what the metadata plan, the chunk manager carries out, and
 * the client is answered when the chunkservers have confirmed.
 */
import {
  confirmCreation,
  type CopyOfChunk,
  type Ctx,
  type Entry,
  FileOperations,
  reserveCopy,
  useCopy,
  type WritePlan,
} from '@wapiti-fs/metadata';
import {
  type AttributeRecord,
  type ChunkLocation,
  LOOKUP_ACCESS_MODES_IO,
  LOOKUP_CHUNK_ZERO_DATA,
  LOOKUP_DIRECTMODE,
  LOOKUP_KEEPCACHE,
  MATOCL_FUSE_CHUNK_HAS_CHANGED,
  MATOCL_FUSE_FLENG_HAS_CHANGED,
  MATTR_ALLOWDATACACHE,
  DISABLE_READ,
  MFS_ERROR_CHUNKBUSY,
  MFS_ERROR_CHUNKLOST,
  MFS_ERROR_EAGAIN,
  MFS_ERROR_LOCKED,
  MFS_ERROR_NOSPACE,
  MFS_STATUS_OK,
  MFSCHUNKSIZE,
  TYPE_FILE,
} from '@wapiti-fs/protocol';

import type { MasterContext } from '../context.js';
import { ChunkQueue } from './chunk-queue.js';
import type { ClientConnection } from './connection.js';
import { DataCache } from './data-cache.js';
import { PendingCopies } from './pending-copies.js';
import { availableBytes } from './space.js';

/** What a READ_CHUNK or WRITE_CHUNK answer holds. */
export interface ChunkAnswer {
  readonly length: number;
  readonly chunkId: number;
  readonly version: number;
  readonly locations: ChunkLocation[];
}
/** Receives the outcome, perhaps much later. */
export type ChunkReply = (result: ChunkAnswer | number) => void;

const MAX_LOCATIONS = 100;
/** Clients that understand notifications (spec 02 §12.4). */
const NOTIFIED_VERSION = 0x030094;

interface Pending {
  readonly client: ClientConnection;
  /** Undoes what the metadata recorded, when the client is gone or the servers failed. */
  readonly rollback: () => void;
}

export class FileService {
  readonly operations: FileOperations;
  readonly cache = new DataCache();
  readonly queue: ChunkQueue;
  readonly copies = new PendingCopies();
  private readonly pending = new Set<Pending>();

  constructor(private readonly master: () => MasterContext) {
    const { metadata, services } = master();
    this.operations = new FileOperations(metadata);
    this.queue = new ChunkQueue(
      () => services.clock.monotonicMs(),
      (chunkId) => this.isTaken(chunkId),
    );
  }

  private get manager() {
    return this.master().chunkservers.manager;
  }

  private isTaken(chunkId: number): boolean {
    const { chunks } = this.master().metadata.store;
    const slot = chunks.find(chunkId);
    return (slot !== 0 && chunks.lockedTo(slot) >= this.master().nowS()) || this.manager.isBusy(chunkId);
  }

  /** Copies of a chunk as clients are told. */
  locations(chunkId: number): ChunkLocation[] {
    return this.manager
      .locations(chunkId)
      .slice(0, MAX_LOCATIONS)
      .map(({ ip, port, version, labelMask }) => ({ ip, port, csVersion: version, labelMask }));
  }

  // --- reading -----------------------------------------------------------------------------------------------------

  read(client: ClientConnection, inode: number, index: number, reply: ChunkReply): void {
    const ctx = client.anonymous();
    const found = this.operations.readChunk(ctx, inode, index);
    const again = (): void => this.read(client, inode, index, reply);
    if (!('chunkId' in found)) {
      if (found.status !== MFS_ERROR_LOCKED) return reply(found.status);
      const chunkId = this.master().metadata.store.nodes.chunkAt(inode, index);
      return this.wait(chunkId, client, again, MFS_ERROR_LOCKED, reply);
    }
    const { chunkId, length, version } = found;
    if (chunkId !== 0 && this.manager.isBusy(chunkId))
      return this.wait(chunkId, client, again, MFS_ERROR_CHUNKBUSY, reply);
    let locations = chunkId === 0 ? [] : this.locations(chunkId);
    if (chunkId !== 0 && locations.length === 0 && this.manager.tryRepair(chunkId, ctx.now)) {
      locations = this.locations(chunkId);
      if (locations.length === 0) return this.wait(chunkId, client, again, MFS_ERROR_CHUNKBUSY, reply);
    }
    if (chunkId !== 0 && locations.length === 0 && this.isCertainlyLost()) return reply(MFS_ERROR_CHUNKLOST);
    this.cache.access(inode, client.sessionId);
    reply({ length, chunkId, version, locations });
  }

  private isCertainlyLost(): boolean {
    const { chunkservers, nowS } = this.master();
    return chunkservers.manager.isCertainlyLost(nowS(), chunkservers.database.count);
  }

  // --- writing -----------------------------------------------------------------------------------------------------

  write(
    client: ClientConnection,
    inode: number,
    index: number,
    options: { continues: boolean; mayUseReserve: boolean },
    reply: ChunkReply,
  ): void {
    const { nowS, chunkservers } = this.master();
    const { manager } = this;
    const again = (): void => this.write(client, inode, index, options, reply);
    const pending = this.copies.at(inode, index);
    if (pending !== 0) return this.wait(pending, client, again, MFS_ERROR_CHUNKBUSY, reply);
    const plan = this.operations.planWrite(client.anonymous(), inode, index, options.continues);
    if (!('action' in plan)) {
      if (plan.status !== MFS_ERROR_LOCKED) return reply(plan.status);
      const chunkId = this.master().metadata.store.nodes.chunkAt(inode, index);
      return this.wait(chunkId, client, again, MFS_ERROR_LOCKED, reply);
    }
    const lack = this.lackOfSpace(options.mayUseReserve);
    if (lack !== MFS_STATUS_OK) return reply(lack);
    const { oldChunkId } = plan;
    if (oldChunkId !== 0 && manager.isBusy(oldChunkId))
      return this.wait(oldChunkId, client, again, MFS_ERROR_CHUNKBUSY, reply);
    const obstacle =
      plan.action === 'new' ? manager.canCreate() : manager.canWrite(oldChunkId, nowS(), chunkservers.database.count);
    if (obstacle === MFS_ERROR_CHUNKLOST && this.wasNeverWritten(plan)) {
      this.operations.rollback(nowS(), { ...plan, oldChunkId: 0 });
      return again();
    }
    if (obstacle !== MFS_STATUS_OK) return reply(obstacle);
    this.beginWrite(client, plan, reply, again);
  }

  /**
   * The chunk was recorded, but its creation did not reach the servers before the master was killed: the file ends before it, so
   * that nothing in it can have been acknowledged.
   */
  private wasNeverWritten({ inode, index, action }: WritePlan): boolean {
    return action === 'existing' && this.master().metadata.store.nodes.length.get(inode) <= index * MFSCHUNKSIZE;
  }

  /** Without servers there is no space; while they come back after a start it is only not known yet. */
  private lackOfSpace(mayUseReserve: boolean): number {
    if (mayUseReserve || availableBytes(this.master()) > 0) return MFS_STATUS_OK;
    return this.manager.isSettling(this.master().nowS()) ? MFS_ERROR_EAGAIN : MFS_ERROR_NOSPACE;
  }

  private beginWrite(client: ClientConnection, plan: WritePlan, reply: ChunkReply, again: () => void): void {
    const { nowS, metadata } = this.master();
    const { manager } = this;
    const { chunkId, action } = plan;
    if (action === 'duplicate') return this.makeCopy(client, plan, undefined, again, again, reply);
    if (action === 'existing' && manager.needsVersion(chunkId)) return this.raise(client, plan, again, reply);
    this.operations.commitWrite(nowS(), plan, false);
    if (action === 'existing') return this.grant(client, plan, reply);
    const rollback = (): void => this.operations.rollback(nowS(), plan);
    const granted = (): void => {
      confirmCreation(metadata, nowS(), chunkId);
      this.grant(client, plan, reply);
    };
    manager.create(chunkId, this.begin(client, rollback, granted, reply));
  }

  /** The file gets what the version was raised for when it is: a master killed meanwhile leaves no lock. */
  private raise(client: ClientConnection, { chunkId }: WritePlan, again: () => void, reply: ChunkReply): void {
    const { nowS, metadata } = this.master();
    const { chunks } = metadata.store;
    // The writer goes on with a chunk that it holds. Nobody gets in between: the chunk is busy until it is locked again.
    if (chunks.lockedTo(chunks.find(chunkId)) >= nowS()) metadata.commit({ op: 'UNLOCK', ts: nowS(), chunkId });
    this.manager.raiseVersion(
      chunkId,
      this.begin(client, () => undefined, again, reply),
    );
  }

  /**
   * The chunk of a file that others share is copied, cut if a length is given, and the file gets the copy when the chunkservers have
   * made it.
   * @param again the file has changed meanwhile
   */
  makeCopy(
    client: ClientConnection,
    copy: CopyOfChunk,
    lengthBytes: number | undefined,
    made: () => void,
    again: () => void,
    refused: (status: number) => void,
  ): void {
    const { nowS, metadata } = this.master();
    const { inode, index, oldChunkId, chunkId } = copy;
    reserveCopy(metadata, nowS(), chunkId);
    this.copies.add(inode, index, chunkId);
    const forget = (): void => this.copies.delete(inode, index);
    const taken = (): void => {
      forget();
      if (useCopy(metadata, nowS(), copy)) made();
      else again();
    };
    this.manager.duplicate(chunkId, oldChunkId, lengthBytes, this.begin(client, forget, taken, refused));
  }

  private grant(client: ClientConnection, { inode, index, chunkId }: WritePlan, reply: ChunkReply): void {
    const { nodes, chunks } = this.master().metadata.store;
    const slot = chunks.find(chunkId);
    this.cache.modify(inode, client.sessionId);
    const answer = {
      length: nodes.length.get(inode),
      chunkId,
      version: slot === 0 ? 0 : chunks.version(slot),
      locations: this.locations(chunkId),
    };
    reply(answer);
    this.notifyChunk(client, inode, index, chunkId, answer.length, false);
  }

  /** An operation of the chunkservers on behalf of a client: what is to be called with its status. */
  begin(
    client: ClientConnection,
    rollback: () => void,
    granted: () => void,
    refused: (status: number) => void,
  ): (status: number) => void {
    const pending: Pending = { client, rollback };
    this.pending.add(pending);
    return (status) =>
      this.master().turn.run(() => {
        // the client has gone: everything was undone then
        if (!this.pending.delete(pending)) return;
        if (status === MFS_STATUS_OK) return granted();
        rollback();
        refused(status);
      });
  }

  writeEnd(client: ClientConnection, inode: number, index: number, chunkId: number, length: number): number {
    const { metadata, nowS } = this.master();
    const { nodes, chunks } = metadata.store;
    const { status } = this.operations.writeEnd(client.anonymous(), chunkId, inode, length);
    const slot = chunks.find(chunkId);
    this.cache.modify(inode, client.sessionId);
    const known = nodes.isFile(inode) ? nodes.length.get(inode) : length;
    this.notifyChunk(client, inode, index, chunkId, known, false);
    if (slot !== 0 && chunks.lockedTo(slot) < nowS()) this.queue.run(chunkId);
    return status;
  }

  // --- waiting -----------------------------------------------------------------------------------------------------

  wait(
    chunkId: number,
    client: ClientConnection,
    again: () => void,
    status: number,
    reply: (status: number) => void,
  ): void {
    this.queue.add(
      chunkId,
      client,
      () => client.service.guarded(client, again),
      () => reply(status),
    );
  }

  /** The connection is gone: nobody waits for what it asked for. */
  dropped(client: ClientConnection): void {
    this.queue.drop(client);
    for (const pending of this.pending) {
      if (pending.client !== client) continue;
      this.pending.delete(pending);
      pending.rollback();
    }
  }

  /** The master stops: what chunkservers have not confirmed has not happened. */
  rollbackAll(): void {
    for (const { rollback } of this.pending) rollback();
    this.pending.clear();
  }

  // --- looking up and opening ----------------------------------------------------------------------------------------

  /** The fields of a LOOKUP answer: cache advice and, for a small file, where its only chunk is (spec 02 §6.3). */
  lookupAnswer(client: ClientConnection, ctx: Ctx, found: Entry & { flags: number }) {
    const { inode } = found;
    let { attributes, flags: lflags } = found;
    let chunkZero: { protocol: number; chunkId: number; version: number; locations: ChunkLocation[] } | undefined;
    if (attributes.type === TYPE_FILE && (lflags & LOOKUP_ACCESS_MODES_IO) !== 0) {
      if ((lflags & LOOKUP_DIRECTMODE) === 0) {
        if (this.cache.open(inode, client.sessionId)) lflags |= LOOKUP_KEEPCACHE;
        else attributes = withoutCache(attributes);
      }
      if ((ctx.session.disables & DISABLE_READ) === 0) chunkZero = this.chunkZero(inode);
      if (chunkZero !== undefined) lflags |= LOOKUP_CHUNK_ZERO_DATA;
    }
    return { inode, attributes, lflags, chunkZero };
  }

  private chunkZero(inode: number) {
    const { nodes, chunks } = this.master().metadata.store;
    if (nodes.chunkCount(inode) !== 1) return undefined;
    const chunkId = nodes.chunkAt(inode, 0);
    if (chunkId === 0) return { protocol: 2, chunkId, version: 0, locations: [] };
    const slot = chunks.find(chunkId);
    if (slot === 0 || this.isTaken(chunkId)) return undefined;
    return { protocol: 2, chunkId, version: chunks.version(slot), locations: this.locations(chunkId) };
  }

  // --- notifications (spec 02 §12.4) -----------------------------------------------------------------------------------

  notifyChunk(
    cause: ClientConnection,
    inode: number,
    chunkIndex: number,
    chunkId: number,
    length: number,
    truncated: boolean,
  ): void {
    let frame: Buffer | undefined;
    for (const client of this.holders(inode, cause)) {
      const { chunks } = this.master().metadata.store;
      const slot = chunks.find(chunkId);
      const version = slot === 0 ? 0 : chunks.version(slot);
      const truncateFlag = truncated ? 1 : 0;
      frame ??= MATOCL_FUSE_CHUNK_HAS_CHANGED.encode({
        msgid: 0,
        inode,
        chunkIndex,
        chunkId,
        version,
        length,
        truncateFlag,
      });
      client.send(frame);
    }
  }

  /** @param cause is not told; undefined: all are */
  notifyLength(cause: ClientConnection | undefined, inode: number, length: number): void {
    let frame: Buffer | undefined;
    for (const client of this.holders(inode, cause)) {
      frame ??= MATOCL_FUSE_FLENG_HAS_CHANGED.encode({ msgid: 0, inode, length });
      client.send(frame);
    }
  }

  /** Connections of sessions that have the file open. */
  private *holders(inode: number, cause: ClientConnection | undefined): Generator<ClientConnection> {
    const { metadata, sessions } = this.master();
    for (const sessionId of metadata.store.tables.openFiles.sessionsOf(inode))
      for (const client of sessions.connectionsOf(sessionId))
        if (client !== cause && client.state === 'mount' && client.version >= NOTIFIED_VERSION) yield client;
  }
}

/** The kernel must not keep what it has cached. */
export function withoutCache(attributes: AttributeRecord): AttributeRecord {
  return { ...attributes, flags: attributes.flags & ~MATTR_ALLOWDATACACHE };
}
