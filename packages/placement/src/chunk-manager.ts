import {
  MFS_ERROR_CHUNKLOST,
  MFS_ERROR_CSNOTPRESENT,
  MFS_ERROR_EAGAIN,
  MFS_ERROR_NOCHUNK,
  MFS_ERROR_NOCHUNKSERVERS,
  MFS_ERROR_NOSPACE,
  MFS_STATUS_OK,
} from '@wapiti-fs/protocol';

import { ChunkLoop } from './chunk-loop.js';
import type { ChunkTable, Command } from './chunk-table.js';
import { type CopyState, CopyTable } from './copies.js';
import { Operations } from './operations.js';
import { acceptOtherVersion } from './repair.js';
import type { ServerId, ServerInfo, ServerTable } from './servers.js';
import { type TransferLimits, Transfers } from './transfers.js';

/** A report of a chunk id so far beyond the newest one is nonsense (spec 03 §13.1). */
const MAX_CHUNK_ID_AHEAD = 1e9;
/** An unknown chunk is kept so long before it is deleted as unused (spec 03 §13.1). */
export const UNKNOWN_CHUNK_LOCK_S = 604_800;

export interface ChunkManagerOptions extends TransferLimits {
  /** Time after start without deletions and replications (spec 10 §16). */
  readonly replicationsDelayInitS: number;
  /** Servers that may hold copies, connected or not; without it the connected ones count as all. */
  readonly knownServers?: () => number;
}

export const DEFAULT_CHUNK_MANAGER_OPTIONS: ChunkManagerOptions = {
  replicationsDelayInitS: 60,
  maxDeletesPerServer: 10,
  maxReplicationsIn: 2,
  maxReplicationsOut: 10,
};

/** After the last report of new chunks, the picture counts as incomplete for so long (spec 03 §16). */
const REPORTS_SETTLE_S = 3;
const LOSSES_SETTLE_S = 1;
const START_SETTLE_S = 10;
/** After a start, copies of unfinished operations are not raised before other servers have had a chance to bring theirs. */
const START_RESCUE_S = 3;

/**
 * Decides where chunks live (spec 10), without I/O: events of servers and of clients go in with the time in seconds,
 * commands go out through `send`. Operations end by calling `done` with a status.
 */
export class ChunkManager {
  private readonly copyTable: CopyTable;
  private readonly transfers: Transfers;
  private readonly operations: Operations;
  private readonly loop: ChunkLoop;
  private lastNewS = -Infinity;
  /** The last report of a server that had already told all it had: a folder is still being scanned. */
  private lastLateS = -Infinity;
  private lastLostS = -Infinity;
  registering = 0;

  constructor(
    private readonly table: ChunkTable,
    readonly servers: ServerTable,
    send: (server: ServerId, command: Command) => void,
    private readonly startedS: number,
    private readonly nextChunkId: () => number,
    /** An operation of a chunk has ended: waiting requests may go on. */
    onFree: (chunkId: number) => void = () => undefined,
    private readonly options: ChunkManagerOptions = DEFAULT_CHUNK_MANAGER_OPTIONS,
  ) {
    this.copyTable = new CopyTable((chunkId) => table.heldFrom(chunkId));
    this.transfers = new Transfers(options);
    const allPresent = (): boolean => this.allServersPresent();
    this.operations = new Operations(table, this.copyTable, send, onFree, allPresent);
    this.loop = new ChunkLoop(table, servers, this.copyTable, this.operations, this.transfers, send, allPresent);
  }

  /** No server is missing that may hold copies. */
  private allServersPresent(): boolean {
    return this.servers.count >= (this.options.knownServers?.() ?? 0);
  }

  // --- events of servers -------------------------------------------------------------------------------------------

  serverConnected(server: ServerInfo): void {
    this.servers.add(server);
    this.copyTable.addServer(server.id);
    this.registering += 1;
  }

  serverRegistered(id: ServerId): void {
    const server = this.servers.get(id);
    if (server === undefined || server.registered) return;
    server.registered = true;
    this.registering -= 1;
  }

  /** All its copies are gone; operations that waited for it end with what the others did (spec 03 §14.1). */
  serverLost(id: ServerId, nowS: number): void {
    const server = this.servers.get(id);
    if (server === undefined) return;
    if (!server.registered) this.registering -= 1;
    this.servers.remove(id);
    this.transfers.serverLost(id);
    for (const chunkId of this.copyTable.removeServer(id)) {
      const chunk = this.copyTable.find(chunkId);
      const copy = chunk?.copies.get(id);
      if (chunk === undefined || copy === undefined) continue;
      chunk.copies.delete(id);
      chunk.needsVersion = true;
      this.operations.copyGone(chunkId, chunk, copy.state);
    }
    this.lastLostS = nowS;
  }

  /** A server has a copy (registration part or CHUNK_NEW, spec 03 §13.1). */
  chunkReported(id: ServerId, chunkId: number, version: number, marked: boolean, nowS: number): void {
    if (chunkId === 0 || chunkId > this.nextChunkId() + MAX_CHUNK_ID_AHEAD) return;
    this.lastNewS = nowS;
    if (this.servers.get(id)?.registered === true) this.lastLateS = nowS;
    let known = this.table.version(chunkId);
    if (known === undefined) {
      this.table.add(chunkId, version, nowS + UNKNOWN_CHUNK_LOCK_S);
      known = version;
    }
    const chunk = this.copyTable.of(chunkId);
    const listed = chunk.copies.get(id);
    if (listed !== undefined) {
      listed.marked = marked;
      return;
    }
    this.copyTable.set(chunkId, chunk, id, { state: version === known ? 'valid' : 'wrongVersion', version, marked });
    chunk.needsVersion = true;
  }

  chunkLost(id: ServerId, chunkId: number, nowS: number): void {
    this.lastLostS = nowS;
    const chunk = this.copyTable.find(chunkId);
    const copy = chunk?.copies.get(id);
    if (chunk === undefined || copy === undefined) return;
    this.copyTable.drop(chunkId, chunk, id);
    chunk.needsVersion = true;
    this.operations.copyGone(chunkId, chunk, copy.state);
  }

  /** The copy is broken: it is deleted when good ones exist (spec 03 §13.2). */
  chunkDamaged(id: ServerId, chunkId: number, nowS: number): void {
    if (this.table.version(chunkId) === undefined) this.table.add(chunkId, 0, nowS + UNKNOWN_CHUNK_LOCK_S);
    const chunk = this.copyTable.of(chunkId);
    const before = chunk.copies.get(id)?.state;
    this.copyTable.set(chunkId, chunk, id, { state: 'invalid', version: 0, marked: false });
    chunk.needsVersion = true;
    if (before !== undefined) this.operations.copyGone(chunkId, chunk, before);
  }

  /** Answer to CREATE, SET_VERSION, DUPLICATE, TRUNCATE or DUPTRUNC (spec 03 §12). */
  operationAnswered(id: ServerId, chunkId: number, status: number): void {
    this.operations.answered(id, chunkId, status);
  }

  deleteAnswered(id: ServerId, chunkId: number, status: number): void {
    this.transfers.deleteEnded(id);
    const chunk = this.copyTable.find(chunkId);
    const copy = chunk?.copies.get(id);
    if (chunk === undefined || copy?.state !== 'deleting') return;
    if (status === MFS_STATUS_OK || status === MFS_ERROR_NOCHUNK) this.copyTable.drop(chunkId, chunk, id);
    else Object.assign(copy, { state: 'invalid', version: 0 }); // tried again by the loop (spec 03 §12)
  }

  replicationAnswered(id: ServerId, chunkId: number, version: number, status: number, nowS: number): void {
    this.transfers.replicationEnded(chunkId, id);
    const chunk = this.copyTable.find(chunkId);
    if (chunk === undefined || status !== MFS_STATUS_OK || chunk.copies.has(id)) return;
    const old = this.table.version(chunkId) !== version;
    const doubtful = chunk.operation !== undefined || this.table.lockedTo(chunkId) >= nowS;
    const state = old ? 'wrongVersion' : doubtful ? 'invalid' : 'valid';
    this.copyTable.set(chunkId, chunk, id, { state, version, marked: false });
  }

  // --- requests of clients -----------------------------------------------------------------------------------------

  isBusy(chunkId: number): boolean {
    return this.copyTable.find(chunkId)?.operation !== undefined;
  }

  /** Servers with a good copy, in random order. */
  locations(chunkId: number): ServerInfo[] {
    const found: ServerInfo[] = [];
    for (const [id, copy] of this.copyTable.find(chunkId)?.copies ?? []) {
      const server = this.servers.get(id);
      if (copy.state === 'valid' && server !== undefined) found.push(server);
    }
    return this.servers.shuffle(found);
  }

  /** Copies with their states, for CHECK (spec 02 §11.1). */
  copies(chunkId: number): { server: ServerInfo; state: CopyState; marked: boolean }[] {
    return [...(this.copyTable.find(chunkId)?.copies ?? [])].flatMap(([id, copy]) => {
      const server = this.servers.get(id);
      return server === undefined ? [] : [{ server, state: copy.state, marked: copy.marked }];
    });
  }

  /** Highest version of copies that have another than the chunk, for REPAIR (spec 09 §28.2); 0: there is none. */
  bestOtherVersion(chunkId: number): number {
    let best = 0;
    for (const copy of this.copyTable.find(chunkId)?.copies.values() ?? [])
      if (copy.state === 'wrongVersion') best = Math.max(best, copy.version);
    return best;
  }

  /** REPAIR has given the chunk the version of these copies: they are good now. */
  versionRestored(chunkId: number): void {
    const chunk = this.copyTable.find(chunkId);
    if (chunk === undefined) return;
    const version = this.table.version(chunkId);
    for (const copy of chunk.copies.values())
      if (copy.state === 'wrongVersion' && copy.version === version) copy.state = 'valid';
    chunk.needsVersion = true;
  }

  /** Copies on a server, in whatever state. */
  copiesOn(id: ServerId): number {
    return this.copyTable.countOn(id);
  }

  validCount(chunkId: number): number {
    let count = 0;
    for (const copy of this.copyTable.find(chunkId)?.copies.values() ?? [])
      if (copy.state === 'valid' || copy.state === 'busy') count += 1;
    return count;
  }

  /** The picture of the copies is still being made: what seems missing may yet turn up (spec 03 §16). */
  isSettling(nowS: number): boolean {
    return this.registering > 0 || nowS - this.startedS <= START_SETTLE_S || nowS - this.lastNewS < REPORTS_SETTLE_S;
  }

  /**
   * As {@link isSettling}, but over as soon as every server is back with all its folders. Good enough where a copy that turns up
   * later costs a replication, not data; it spares writers the rest of the ten seconds after a takeover.
   */
  private isIncomplete(nowS: number): boolean {
    if (!this.isSettling(nowS)) return false;
    if (this.registering > 0 || !this.allServersPresent() || nowS - this.lastLateS < REPORTS_SETTLE_S) return true;
    for (const { totalSpace, tdTotalSpace } of this.servers.all()) if (totalSpace + tdTotalSpace === 0) return true;
    return this.servers.count === 0;
  }

  private isStarting(nowS: number): boolean {
    return this.isIncomplete(nowS) && (this.registering > 0 || nowS - this.startedS <= START_RESCUE_S);
  }

  /** A read found no copy: is it certain that there is none? */
  isCertainlyLost(nowS: number, knownServers: number): boolean {
    return !this.isSettling(nowS) && this.servers.count >= knownServers && this.servers.count > 0;
  }

  /**
   * A request found no good copy: takes or raises copies of another version where that is safe, as the loop would do later.
   * True when the request should be tried again: at once if there are locations now, else when the chunk is free.
   */
  tryRepair(chunkId: number, nowS: number): boolean {
    const chunk = this.copyTable.find(chunkId);
    if (chunk === undefined || chunk.operation !== undefined) return chunk !== undefined;
    if (!this.isStarting(nowS) && this.operations.rescue(chunkId, chunk)) return true;
    return !this.isIncomplete(nowS) && acceptOtherVersion(chunkId, chunk, this.table, this.allServersPresent());
  }

  /** Whether a chunk can be created now; status 0 or why not (spec 02 §8.5). */
  canCreate(): number {
    if (this.servers.count === 0) return MFS_ERROR_NOCHUNKSERVERS;
    if (this.servers.choose(1, new Set()).length > 0) return MFS_STATUS_OK;
    return [...this.servers.all()].some((one) => one.totalSpace > 0 || !one.registered) && this.registering > 0
      ? MFS_ERROR_EAGAIN
      : MFS_ERROR_NOSPACE;
  }

  /** Creates a chunk that the metadata just got. `done` is called when the servers have answered. */
  create(chunkId: number, done: (status: number) => void): void {
    const chosen = this.servers.choose(this.table.goal(chunkId), new Set(), this.table.labels(chunkId));
    this.operations.create(chunkId, chosen, done);
  }

  /** Whether a write to an existing chunk may begin: 0, or EAGAIN, CHUNKLOST, CSNOTPRESENT (spec 02 §8.5). */
  canWrite(chunkId: number, nowS: number, knownServers: number): number {
    const valid = this.validCount(chunkId);
    if (valid < this.table.goal(chunkId) && this.isIncomplete(nowS)) return MFS_ERROR_EAGAIN;
    if (valid > 0) return MFS_STATUS_OK;
    if (this.tryRepair(chunkId, nowS) || this.isSettling(nowS)) return MFS_ERROR_EAGAIN;
    return this.servers.count >= knownServers ? MFS_ERROR_CHUNKLOST : MFS_ERROR_CSNOTPRESENT;
  }

  needsVersion(chunkId: number): boolean {
    return this.copyTable.find(chunkId)?.needsVersion ?? true;
  }

  /** Brings the chunk and all its good copies to a new version. */
  raiseVersion(chunkId: number, done: (status: number) => void): void {
    this.operations.change(
      chunkId,
      (newVersion, oldVersion) => ({ type: 'setVersion', chunkId, newVersion, oldVersion }),
      done,
    );
  }

  /** Cuts or extends all good copies to `lengthBytes`, and brings them and the chunk to a new version. */
  truncate(chunkId: number, lengthBytes: number, done: (status: number) => void): void {
    this.operations.change(
      chunkId,
      (newVersion, oldVersion) => ({ type: 'truncate', chunkId, length: lengthBytes, newVersion, oldVersion }),
      done,
    );
  }

  /** Makes `newChunkId`, which the metadata have reserved, a copy of `oldChunkId`, wherever that is; cut if a length is given. */
  duplicate(
    newChunkId: number,
    oldChunkId: number,
    lengthBytes: number | undefined,
    done: (status: number) => void,
  ): void {
    this.operations.duplicate(newChunkId, oldChunkId, lengthBytes, done);
  }

  // --- the loop ----------------------------------------------------------------------------------------------------

  /** Once a second: deletes what is too much, replicates what is too little. */
  tick(nowS: number): void {
    if (nowS - this.startedS < this.options.replicationsDelayInitS) return;
    if (this.registering > 0 || nowS - this.lastNewS < REPORTS_SETTLE_S || nowS - this.lastLostS < LOSSES_SETTLE_S)
      return;
    this.loop.tick(nowS);
  }
}
