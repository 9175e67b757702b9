import {
  MFS_ERROR_CHUNKLOST,
  MFS_ERROR_CSNOTPRESENT,
  MFS_ERROR_EAGAIN,
  MFS_ERROR_NOCHUNK,
  MFS_ERROR_NOCHUNKSERVERS,
  MFS_ERROR_NOSPACE,
  MFS_ERROR_NOTDONE,
  MFS_STATUS_OK,
} from '@wapiti-fs/protocol';

import type { ChunkTable, Command } from './chunk-table.js';
import type { ServerId, ServerInfo, ServerTable } from './servers.js';

/**
 * Copies of chunks on connected servers (spec 10 §2): `valid`; `busy` in an operation; `wrongVersion`; `invalid` (broken or
 * doubtful); `deleting`.
 */
export type CopyState = 'valid' | 'busy' | 'wrongVersion' | 'invalid' | 'deleting';

interface Copy {
  state: CopyState;
  /** Version told by the server; 0 unknown. */
  version: number;
  /** On a disk marked for removal: readable, but not counted for the goal. */
  marked: boolean;
}

interface Operation {
  /** Something failed: remaining copies need another version before they are trusted. */
  interrupted: boolean;
  /** Only NOSPACE was answered by servers that failed. */
  onlyNoSpace: boolean;
  readonly done: (status: number) => void;
  /** What "nothing was done" means: the copy stays one version behind, or is dropped. */
  readonly untouched: 'behind' | 'dropped';
}

interface ChunkState {
  readonly copies: Map<ServerId, Copy>;
  operation: Operation | undefined;
  /** The set of copies has changed since the last version: the next write raises it first. */
  needsVersion: boolean;
  /** A replication to this server runs. */
  replicatingTo: ServerId | undefined;
}

/** A report of a chunk id so far beyond the newest one is nonsense (spec 03 §13.1). */
const MAX_CHUNK_ID_AHEAD = 1e9;
/** An unknown chunk is kept so long before it is deleted as unused (spec 03 §13.1). */
export const UNKNOWN_CHUNK_LOCK_S = 604_800;

export interface ChunkManagerOptions {
  /** Time after start without deletions and replications (spec 10 §16). */
  readonly replicationsDelayInitS: number;
  readonly maxDeletesPerServer: number;
  readonly maxReplicationsIn: number;
  readonly maxReplicationsOut: number;
}

export const DEFAULT_CHUNK_MANAGER_OPTIONS: ChunkManagerOptions = {
  replicationsDelayInitS: 60,
  maxDeletesPerServer: 10,
  maxReplicationsIn: 2,
  maxReplicationsOut: 10,
};

/** Chunks looked at in one turn of the loop. */
const CHUNKS_PER_TICK = 5000;
/** After the last report of new chunks, the picture counts as incomplete for so long (spec 03 §16). */
const REPORTS_SETTLE_S = 3;
const LOSSES_SETTLE_S = 1;
const START_SETTLE_S = 10;

/**
 * Decides where chunks live (spec 10), without I/O: events of servers and of clients go in with the time in seconds,
 * commands go out through `send`. Operations end by calling `done` with a status.
 */
export class ChunkManager {
  private readonly chunks = new Map<number, ChunkState>();
  private readonly byServer = new Map<ServerId, Set<number>>();
  private readonly deletes = new Map<ServerId, number>();
  private readonly replicationsIn = new Map<ServerId, number>();
  private readonly replicationsOut = new Map<ServerId, number>();
  private readonly replicationSource = new Map<string, ServerId>();
  private loop: Iterator<number> | undefined;
  private lastNewS = -Infinity;
  private lastLostS = -Infinity;
  registering = 0;

  constructor(
    private readonly table: ChunkTable,
    readonly servers: ServerTable,
    private readonly send: (server: ServerId, command: Command) => void,
    private readonly startedS: number,
    private readonly nextChunkId: () => number,
    /** An operation of a chunk has ended: waiting requests may go on. */
    private readonly onFree: (chunkId: number) => void = () => undefined,
    private readonly options: ChunkManagerOptions = DEFAULT_CHUNK_MANAGER_OPTIONS,
  ) {}

  // --- events of servers -------------------------------------------------------------------------------------------

  serverConnected(server: ServerInfo): void {
    this.servers.add(server);
    this.byServer.set(server.id, new Set());
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
    const lost = this.byServer.get(id) ?? new Set();
    this.byServer.delete(id);
    for (const counters of [this.deletes, this.replicationsIn, this.replicationsOut]) counters.delete(id);
    for (const chunkId of lost) {
      const chunk = this.chunks.get(chunkId);
      if (chunk === undefined) continue;
      const copy = chunk.copies.get(id);
      chunk.copies.delete(id);
      if (chunk.replicatingTo === id) this.endReplication(chunkId, chunk, id);
      if (copy !== undefined && copy.state !== 'invalid' && copy.state !== 'deleting') chunk.needsVersion = true;
      if (copy?.state === 'busy' && chunk.operation !== undefined) {
        chunk.operation.interrupted = true;
        this.checkOperation(chunkId, chunk);
      }
    }
    this.lastLostS = nowS;
  }

  /** A server has a copy (registration part or CHUNK_NEW, spec 03 §13.1). */
  chunkReported(id: ServerId, chunkId: number, version: number, marked: boolean, nowS: number): void {
    if (chunkId === 0 || chunkId > this.nextChunkId() + MAX_CHUNK_ID_AHEAD) return;
    this.lastNewS = nowS;
    let known = this.table.version(chunkId);
    if (known === undefined) {
      this.table.add(chunkId, version, nowS + UNKNOWN_CHUNK_LOCK_S);
      known = version;
    }
    const chunk = this.state(chunkId);
    const listed = chunk.copies.get(id);
    if (listed !== undefined) {
      listed.marked = marked;
      return;
    }
    this.setCopy(chunkId, chunk, id, { state: version === known ? 'valid' : 'wrongVersion', version, marked });
    chunk.needsVersion = true;
  }

  chunkLost(id: ServerId, chunkId: number, nowS: number): void {
    this.lastLostS = nowS;
    const chunk = this.chunks.get(chunkId);
    const copy = chunk?.copies.get(id);
    if (chunk === undefined || copy === undefined) return;
    this.dropCopy(chunkId, chunk, id);
    chunk.needsVersion = true;
    if (copy.state === 'busy' && chunk.operation !== undefined) {
      chunk.operation.interrupted = true;
      this.checkOperation(chunkId, chunk);
    }
  }

  /** The copy is broken: it is deleted when good ones exist (spec 03 §13.2). */
  chunkDamaged(id: ServerId, chunkId: number, nowS: number): void {
    if (this.table.version(chunkId) === undefined) this.table.add(chunkId, 0, nowS + UNKNOWN_CHUNK_LOCK_S);
    const chunk = this.state(chunkId);
    const busy = chunk.copies.get(id)?.state === 'busy';
    this.setCopy(chunkId, chunk, id, { state: 'invalid', version: 0, marked: false });
    chunk.needsVersion = true;
    if (busy && chunk.operation !== undefined) {
      chunk.operation.interrupted = true;
      this.checkOperation(chunkId, chunk);
    }
  }

  /** Answer to CREATE, SET_VERSION, DUPLICATE, TRUNCATE or DUPTRUNC (spec 03 §12). */
  operationAnswered(id: ServerId, chunkId: number, status: number): void {
    const chunk = this.chunks.get(chunkId);
    const copy = chunk?.copies.get(id);
    if (chunk === undefined || copy === undefined || copy.state !== 'busy') return;
    const operation = chunk.operation;
    if (status === MFS_STATUS_OK) {
      copy.state = 'valid';
      copy.version = this.table.version(chunkId) ?? copy.version;
    } else if (status === MFS_ERROR_NOTDONE) {
      if (operation?.untouched === 'dropped') this.dropCopy(chunkId, chunk, id);
      else copy.state = 'wrongVersion';
    } else {
      copy.state = 'invalid';
      copy.version = 0;
    }
    if (status !== MFS_STATUS_OK && operation !== undefined) {
      operation.interrupted = true;
      if (status !== MFS_ERROR_NOSPACE && status !== MFS_ERROR_NOTDONE) operation.onlyNoSpace = false;
    }
    this.checkOperation(chunkId, chunk);
  }

  deleteAnswered(id: ServerId, chunkId: number, status: number): void {
    this.count(this.deletes, id, -1);
    const chunk = this.chunks.get(chunkId);
    const copy = chunk?.copies.get(id);
    if (chunk === undefined || copy?.state !== 'deleting') return;
    if (status === MFS_STATUS_OK || status === MFS_ERROR_NOCHUNK) this.dropCopy(chunkId, chunk, id);
    else Object.assign(copy, { state: 'invalid', version: 0 }); // tried again by the loop (spec 03 §12)
  }

  replicationAnswered(id: ServerId, chunkId: number, version: number, status: number, nowS: number): void {
    const chunk = this.chunks.get(chunkId);
    if (chunk === undefined || chunk.replicatingTo !== id) return;
    this.endReplication(chunkId, chunk, id);
    if (status !== MFS_STATUS_OK || chunk.copies.has(id)) return;
    const trusted =
      chunk.operation === undefined && this.table.lockedTo(chunkId) < nowS && this.table.version(chunkId) === version;
    this.setCopy(chunkId, chunk, id, {
      state: trusted ? 'valid' : 'invalid',
      version: trusted ? version : 0,
      marked: false,
    });
  }

  // --- requests of clients -----------------------------------------------------------------------------------------

  isBusy(chunkId: number): boolean {
    return this.chunks.get(chunkId)?.operation !== undefined;
  }

  /** Servers with a good copy, in random order. */
  locations(chunkId: number): ServerInfo[] {
    const found: ServerInfo[] = [];
    for (const [id, copy] of this.chunks.get(chunkId)?.copies ?? []) {
      const server = this.servers.get(id);
      if (copy.state === 'valid' && server !== undefined) found.push(server);
    }
    return this.servers.shuffle(found);
  }

  /** Copies with their states, for CHECK (spec 02 §11.1). */
  copies(chunkId: number): { server: ServerInfo; state: CopyState; marked: boolean }[] {
    return [...(this.chunks.get(chunkId)?.copies ?? [])].flatMap(([id, copy]) => {
      const server = this.servers.get(id);
      return server === undefined ? [] : [{ server, state: copy.state, marked: copy.marked }];
    });
  }

  validCount(chunkId: number): number {
    let count = 0;
    for (const copy of this.chunks.get(chunkId)?.copies.values() ?? [])
      if (copy.state === 'valid' || copy.state === 'busy') count += 1;
    return count;
  }

  /** The picture of the copies is still being made: what seems missing may yet turn up (spec 03 §16). */
  isSettling(nowS: number): boolean {
    return this.registering > 0 || nowS - this.startedS <= START_SETTLE_S || nowS - this.lastNewS < REPORTS_SETTLE_S;
  }

  /** A read found no copy: is it certain that there is none? */
  isCertainlyLost(nowS: number, knownServers: number): boolean {
    return !this.isSettling(nowS) && this.servers.count >= knownServers && this.servers.count > 0;
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
    const version = this.table.version(chunkId) ?? 1;
    const chosen = this.servers.choose(this.table.goal(chunkId), new Set(), this.table.labels(chunkId));
    const chunk = this.state(chunkId);
    chunk.operation = { interrupted: false, onlyNoSpace: true, done, untouched: 'dropped' };
    for (const server of chosen) {
      this.setCopy(chunkId, chunk, server.id, { state: 'busy', version, marked: false });
      this.send(server.id, { type: 'create', chunkId, version });
    }
    this.checkOperation(chunkId, chunk);
  }

  /** Whether a write to an existing chunk may begin: 0, or EAGAIN, CHUNKLOST, CSNOTPRESENT (spec 02 §8.5). */
  canWrite(chunkId: number, nowS: number, knownServers: number): number {
    const valid = this.validCount(chunkId);
    if (valid < this.table.goal(chunkId) && this.isSettling(nowS)) return MFS_ERROR_EAGAIN;
    if (valid > 0) return MFS_STATUS_OK;
    return this.servers.count >= knownServers ? MFS_ERROR_CHUNKLOST : MFS_ERROR_CSNOTPRESENT;
  }

  needsVersion(chunkId: number): boolean {
    return this.chunks.get(chunkId)?.needsVersion ?? true;
  }

  /** Brings all good copies from `oldVersion` to the version that the metadata have now. */
  raiseVersion(chunkId: number, oldVersion: number, done: (status: number) => void): void {
    const newVersion = this.table.version(chunkId) ?? oldVersion;
    this.operate(chunkId, 'behind', done, () => ({ type: 'setVersion', chunkId, newVersion, oldVersion }));
  }

  /** Cuts or extends all good copies to `lengthBytes` and brings them to the version that the metadata have now. */
  truncate(chunkId: number, oldVersion: number, lengthBytes: number, done: (status: number) => void): void {
    const newVersion = this.table.version(chunkId) ?? oldVersion;
    this.operate(chunkId, 'behind', done, () => ({
      type: 'truncate',
      chunkId,
      length: lengthBytes,
      newVersion,
      oldVersion,
    }));
  }

  /** Makes `newChunkId`, which the metadata just got, a copy of `oldChunkId`, wherever that is; cut if a length is given. */
  duplicate(
    newChunkId: number,
    oldChunkId: number,
    lengthBytes: number | undefined,
    done: (status: number) => void,
  ): void {
    const newVersion = this.table.version(newChunkId) ?? 1;
    const oldVersion = this.table.version(oldChunkId) ?? 0;
    const source = this.chunks.get(oldChunkId);
    const chunk = this.state(newChunkId);
    chunk.operation = { interrupted: false, onlyNoSpace: true, done, untouched: 'dropped' };
    const ids = { newChunkId, newVersion, oldChunkId, oldVersion };
    for (const [id, copy] of source?.copies ?? []) {
      if (copy.state !== 'valid') continue;
      this.setCopy(newChunkId, chunk, id, { state: 'busy', version: newVersion, marked: copy.marked });
      this.send(
        id,
        lengthBytes === undefined ? { type: 'duplicate', ...ids } : { type: 'duptrunc', ...ids, length: lengthBytes },
      );
    }
    this.checkOperation(newChunkId, chunk);
  }

  // --- the loop ----------------------------------------------------------------------------------------------------

  /** Once a second: deletes what is too much, replicates what is too little. */
  tick(nowS: number): void {
    if (nowS - this.startedS < this.options.replicationsDelayInitS) return;
    if (this.registering > 0 || nowS - this.lastNewS < REPORTS_SETTLE_S || nowS - this.lastLostS < LOSSES_SETTLE_S)
      return;
    this.loop ??= this.table.chunkIds()[Symbol.iterator]();
    for (let i = 0; i < CHUNKS_PER_TICK; i++) {
      const next = this.loop.next();
      if (next.done === true) {
        this.loop = undefined;
        return;
      }
      this.look(next.value, nowS);
    }
  }

  private look(chunkId: number, nowS: number): void {
    const chunk = this.chunks.get(chunkId);
    const goal = this.table.goal(chunkId);
    const locked = this.table.lockedTo(chunkId) >= nowS;
    if (chunk?.operation !== undefined || locked) return;
    if (goal === 0) return this.removeUnused(chunkId, chunk);
    if (chunk === undefined) return;
    const good: ServerId[] = [];
    const marked: ServerId[] = [];
    for (const [id, copy] of chunk.copies) {
      if (copy.state === 'valid') (copy.marked ? marked : good).push(id);
    }
    if (good.length + marked.length > 0) {
      for (const [id, copy] of chunk.copies) {
        if (copy.state === 'invalid' || copy.state === 'wrongVersion') this.deleteCopy(chunkId, chunk, id, 0);
      }
    }
    if (good.length > goal) this.removeSurplus(chunkId, chunk, good, good.length - goal);
    else if (good.length >= goal) for (const id of marked) this.deleteCopy(chunkId, chunk, id, 0);
    else if (good.length + marked.length > 0) this.replicate(chunkId, chunk, [...good, ...marked]);
  }

  private removeUnused(chunkId: number, chunk: ChunkState | undefined): void {
    if (chunk === undefined || chunk.copies.size === 0) {
      this.chunks.delete(chunkId);
      this.table.delete(chunkId);
      return;
    }
    for (const [id, copy] of chunk.copies)
      this.deleteCopy(chunkId, chunk, id, copy.state === 'valid' ? copy.version : 0);
  }

  private removeSurplus(chunkId: number, chunk: ChunkState, good: readonly ServerId[], surplus: number): void {
    const usage = (id: ServerId): number => {
      const server = this.servers.get(id);
      return server === undefined || server.totalSpace === 0 ? 1 : server.usedSpace / server.totalSpace;
    };
    const fullest = [...good].sort((a, b) => usage(b) - usage(a));
    for (const id of fullest.slice(0, surplus)) {
      if (!this.deleteCopy(chunkId, chunk, id, 0)) return;
      chunk.needsVersion = true;
    }
  }

  private deleteCopy(chunkId: number, chunk: ChunkState, id: ServerId, version: number): boolean {
    const copy = chunk.copies.get(id);
    if (copy === undefined || copy.state === 'busy' || copy.state === 'deleting') return false;
    if ((this.deletes.get(id) ?? 0) >= this.options.maxDeletesPerServer) return false;
    this.count(this.deletes, id, 1);
    copy.state = 'deleting';
    this.send(id, { type: 'delete', chunkId, version });
    return true;
  }

  private replicate(chunkId: number, chunk: ChunkState, sources: readonly ServerId[]): void {
    const version = this.table.version(chunkId);
    if (chunk.replicatingTo !== undefined || version === undefined) return;
    const source = sources.find((id) => (this.replicationsOut.get(id) ?? 0) < this.options.maxReplicationsOut);
    const from = source === undefined ? undefined : this.servers.get(source);
    const exclude = new Set(chunk.copies.keys());
    const target = this.servers
      .choose(this.servers.count, exclude)
      .find((one) => (this.replicationsIn.get(one.id) ?? 0) < this.options.maxReplicationsIn);
    if (from === undefined || target === undefined) return;
    this.count(this.replicationsOut, from.id, 1);
    this.count(this.replicationsIn, target.id, 1);
    this.replicationSource.set(`${chunkId}/${target.id}`, from.id);
    chunk.replicatingTo = target.id;
    this.send(target.id, { type: 'replicate', chunkId, version, sourceIp: from.ip, sourcePort: from.port });
  }

  // --- shared ------------------------------------------------------------------------------------------------------

  private state(chunkId: number): ChunkState {
    let chunk = this.chunks.get(chunkId);
    if (chunk === undefined) {
      chunk = { copies: new Map(), operation: undefined, needsVersion: false, replicatingTo: undefined };
      this.chunks.set(chunkId, chunk);
    }
    return chunk;
  }

  private setCopy(chunkId: number, chunk: ChunkState, id: ServerId, copy: Copy): void {
    chunk.copies.set(id, copy);
    this.byServer.get(id)?.add(chunkId);
  }

  private dropCopy(chunkId: number, chunk: ChunkState, id: ServerId): void {
    chunk.copies.delete(id);
    this.byServer.get(id)?.delete(chunkId);
  }

  private count(counters: Map<ServerId, number>, id: ServerId, change: number): void {
    counters.set(id, Math.max(0, (counters.get(id) ?? 0) + change));
  }

  private endReplication(chunkId: number, chunk: ChunkState, id: ServerId): void {
    const key = `${chunkId}/${id}`;
    const source = this.replicationSource.get(key);
    this.replicationSource.delete(key);
    chunk.replicatingTo = undefined;
    this.count(this.replicationsIn, id, -1);
    if (source !== undefined) this.count(this.replicationsOut, source, -1);
  }

  private operate(
    chunkId: number,
    untouched: Operation['untouched'],
    done: (status: number) => void,
    command: () => Command,
  ): void {
    const chunk = this.state(chunkId);
    chunk.operation = { interrupted: false, onlyNoSpace: true, done, untouched };
    for (const [id, copy] of chunk.copies) {
      if (copy.state !== 'valid') continue;
      copy.state = 'busy';
      this.send(id, command());
    }
    this.checkOperation(chunkId, chunk);
  }

  /** When no copy is busy any more: success, another version for the remaining copies, or failure (spec 03 §12). */
  private checkOperation(chunkId: number, chunk: ChunkState): void {
    const operation = chunk.operation;
    if (operation === undefined) return;
    let good = 0;
    for (const copy of chunk.copies.values()) {
      if (copy.state === 'busy') return;
      if (copy.state === 'valid') good += 1;
    }
    if (good > 0 && operation.interrupted) {
      const oldVersion = this.table.version(chunkId) ?? 1;
      this.table.setVersion(chunkId, oldVersion + 1);
      operation.interrupted = false;
      for (const [id, copy] of chunk.copies) {
        if (copy.state !== 'valid') continue;
        copy.state = 'busy';
        this.send(id, { type: 'setVersion', chunkId, newVersion: oldVersion + 1, oldVersion });
      }
      return;
    }
    chunk.operation = undefined;
    if (good > 0) chunk.needsVersion = false;
    else this.restoreBehind(chunkId, chunk, operation);
    operation.done(good > 0 ? MFS_STATUS_OK : operation.onlyNoSpace ? MFS_ERROR_NOSPACE : MFS_ERROR_NOTDONE);
    this.onFree(chunkId);
  }

  /** No server carried the operation out: copies that are certainly untouched are good again, one version lower. */
  private restoreBehind(chunkId: number, chunk: ChunkState, operation: Operation): void {
    if (operation.untouched !== 'behind') return;
    const version = this.table.version(chunkId) ?? 1;
    const behind = [...chunk.copies.values()].filter(
      (copy) => copy.state === 'wrongVersion' && copy.version === version - 1,
    );
    if (behind.length === 0) return;
    this.table.setVersion(chunkId, version - 1);
    for (const copy of behind) copy.state = 'valid';
    chunk.needsVersion = true;
  }
}
