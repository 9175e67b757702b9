/**
 * Operations on all good copies of a chunk at once (spec 10 §7): create, set version, truncate, duplicate. Each ends with one
 * status, when every server has answered or is gone and the remaining copies have a version that no other copy can have.
 */
import { MFS_ERROR_NOSPACE, MFS_ERROR_NOTDONE, MFS_STATUS_OK } from '@wapiti-fs/protocol';

import type { ChunkTable, Command } from './chunk-table.js';
import type { ChunkState, CopyState, CopyTable } from './copies.js';
import type { ServerId, ServerInfo } from './servers.js';

export interface Operation {
  /** A copy was lost or spoilt: the others need another version before they are trusted. */
  interrupted: boolean;
  /** A copy that nobody sees now may have the version that the operation gives. */
  uncertain: boolean;
  /** Every server that failed said so, and that there is no space. One that went away says nothing: trying again may help. */
  onlyNoSpace: boolean;
  /** The client is told that nothing was done, however what still runs ends. */
  failed: boolean;
  /** Version of copies that are untouched; undefined: the chunk is new, untouched copies do not exist. */
  readonly fromVersion: number | undefined;
  /** Version of the chunk before its last raise. */
  readonly versionBefore: number;
  readonly done: (status: number) => void;
}

export class Operations {
  constructor(
    private readonly table: ChunkTable,
    private readonly copies: CopyTable,
    private readonly send: (server: ServerId, command: Command) => void,
    private readonly onFree: (chunkId: number) => void,
    /** No server that may hold copies is missing. */
    private readonly allServersPresent: () => boolean,
  ) {}

  create(chunkId: number, servers: readonly ServerInfo[], done: (status: number) => void): void {
    const version = this.table.version(chunkId) ?? 1;
    const chunk = this.copies.of(chunkId);
    begin(chunk, newOperation(undefined, version, done));
    for (const server of servers) {
      this.copies.set(chunkId, chunk, server.id, { state: 'busy', version, marked: false });
      this.send(server.id, { type: 'create', chunkId, version });
    }
    this.check(chunkId, chunk);
  }

  /** Gives the chunk a new version, with one command to every valid copy. */
  change(
    chunkId: number,
    command: (newVersion: number, oldVersion: number) => Command,
    done: (status: number) => void,
  ): void {
    const chunk = this.copies.of(chunkId);
    const oldVersion = this.table.version(chunkId) ?? 1;
    const newVersion = this.unusedVersion(chunkId, chunk);
    begin(chunk, newOperation(oldVersion, oldVersion, done));
    this.table.setVersion(chunkId, newVersion);
    this.sendToValid(chunk, command(newVersion, oldVersion));
    this.check(chunkId, chunk);
  }

  /**
   * A version that no copy has: above all that are in sight, and above the one that a former master may have given to a server out
   * of sight without living to tell anybody.
   */
  private unusedVersion(chunkId: number, chunk: ChunkState): number {
    let version = this.table.version(chunkId) ?? 1;
    for (const copy of chunk.copies.values()) version = Math.max(version, copy.version);
    return version + (chunk.inherited && !this.allServersPresent() ? 2 : 1);
  }

  /** Makes `newChunkId` a copy of another chunk, wherever that is valid; cut if a length is given. */
  duplicate(
    newChunkId: number,
    oldChunkId: number,
    lengthBytes: number | undefined,
    done: (status: number) => void,
  ): void {
    const newVersion = this.table.version(newChunkId) ?? 1;
    const oldVersion = this.table.version(oldChunkId) ?? 0;
    const chunk = this.copies.of(newChunkId);
    begin(chunk, newOperation(undefined, newVersion, done));
    const ids = { newChunkId, newVersion, oldChunkId, oldVersion };
    const command: Command =
      lengthBytes === undefined ? { type: 'duplicate', ...ids } : { type: 'duptrunc', ...ids, length: lengthBytes };
    for (const [id, copy] of this.copies.find(oldChunkId)?.copies ?? []) {
      if (copy.state !== 'valid') continue;
      this.copies.set(newChunkId, chunk, id, { state: 'busy', version: newVersion, marked: copy.marked });
      this.send(id, command);
    }
    this.check(newChunkId, chunk);
  }

  /** Answer of a server to any of the commands (spec 03 §12). */
  answered(id: ServerId, chunkId: number, status: number): void {
    const chunk = this.copies.find(chunkId);
    const copy = chunk?.copies.get(id);
    const operation = chunk?.operation;
    if (chunk === undefined || copy?.state !== 'busy' || operation === undefined) return;
    if (status === MFS_STATUS_OK) {
      copy.state = 'valid';
      copy.version = this.table.version(chunkId) ?? copy.version;
    } else {
      operation.interrupted = true;
      if (status === MFS_ERROR_NOTDONE) {
        if (operation.fromVersion === undefined) this.copies.drop(chunkId, chunk, id);
        else {
          copy.state = 'wrongVersion';
          operation.onlyNoSpace = false;
        }
      } else {
        copy.state = 'invalid';
        copy.version = 0;
        operation.uncertain = true;
        if (status !== MFS_ERROR_NOSPACE) operation.onlyNoSpace = false;
      }
    }
    this.check(chunkId, chunk);
  }

  /**
   * A copy is out of sight: its server is gone, or says that it is lost or damaged. One that has answered already counts as well:
   * it would come back with the version that is now written to without it.
   */
  copyGone(chunkId: number, chunk: ChunkState, state: CopyState): void {
    if (chunk.operation === undefined || (state !== 'busy' && state !== 'valid')) return;
    chunk.operation.interrupted = true;
    chunk.operation.uncertain = true;
    chunk.operation.onlyNoSpace = false;
    this.check(chunkId, chunk);
  }

  /** Raises copies that hold all that was acknowledged to a usable version; false when there are none. */
  rescue(chunkId: number, chunk: ChunkState): boolean {
    if (chunk.operation !== undefined || chunk.rescueVersion === undefined) return false;
    const operation = newOperation(chunk.rescueVersion, this.table.version(chunkId) ?? 0, () => undefined);
    if (!this.raiseUntouched(chunkId, chunk, operation)) return false;
    this.check(chunkId, chunk);
    return true;
  }

  private sendToValid(chunk: ChunkState, command: Command): void {
    for (const [id, copy] of chunk.copies) {
      if (copy.state !== 'valid') continue;
      copy.state = 'busy';
      this.send(id, command);
    }
  }

  /** When no copy is busy any more: success, another version for the remaining copies, or failure. */
  private check(chunkId: number, chunk: ChunkState): void {
    const { operation } = chunk;
    if (operation === undefined) return;
    let good = 0;
    for (const copy of chunk.copies.values()) {
      if (copy.state === 'busy') return;
      if (copy.state === 'valid') good += 1;
    }
    if (good > 0) {
      if (operation.interrupted) return this.raiseRemaining(chunkId, chunk, operation);
      if (operation.failed) chunk.needsVersion = true;
      chunk.rescueVersion = undefined;
      return this.finish(chunkId, chunk, operation, operation.failed ? MFS_ERROR_NOTDONE : MFS_STATUS_OK);
    }
    if (this.recoverUntouched(chunkId, chunk, operation)) return;
    this.finish(chunkId, chunk, operation, operation.onlyNoSpace ? MFS_ERROR_NOSPACE : MFS_ERROR_NOTDONE);
  }

  /** Emergency increase (spec 10 §7.4): the copies that are good leave behind the one that was lost. */
  private raiseRemaining(chunkId: number, chunk: ChunkState, operation: Operation): void {
    const oldVersion = this.table.version(chunkId) ?? 1;
    const newVersion = this.unusedVersion(chunkId, chunk);
    begin(chunk, {
      ...operation,
      interrupted: false,
      uncertain: false,
      fromVersion: oldVersion,
      versionBefore: oldVersion,
    });
    this.table.setVersion(chunkId, newVersion);
    this.sendToValid(chunk, { type: 'setVersion', chunkId, newVersion, oldVersion });
    this.check(chunkId, chunk);
  }

  /** Nobody carried the operation out for certain: what is untouched is used again. True when commands were sent. */
  private recoverUntouched(chunkId: number, chunk: ChunkState, operation: Operation): boolean {
    const { fromVersion, versionBefore } = operation;
    if (fromVersion === undefined) return false;
    chunk.needsVersion = true;
    if (!operation.uncertain) {
      // Nobody has the new version: it may be given to the next operation (spec 10 §7.2).
      this.table.setVersion(chunkId, versionBefore);
      for (const copy of chunk.copies.values())
        if (copy.state === 'wrongVersion' && copy.version === versionBefore) copy.state = 'valid';
      return false;
    }
    chunk.rescueVersion = Math.min(chunk.rescueVersion ?? fromVersion, fromVersion);
    // A failed rescue is left to the loop, so that an overloaded server is not asked without end.
    return !operation.failed && this.raiseUntouched(chunkId, chunk, operation);
  }

  /** Brings untouched copies to a version that nobody can have; false when there are none. */
  private raiseUntouched(chunkId: number, chunk: ChunkState, operation: Operation): boolean {
    const { rescueVersion } = chunk;
    const newVersion = this.unusedVersion(chunkId, chunk);
    const versionBefore = this.table.version(chunkId) ?? 0;
    let raised = false;
    for (const [id, copy] of chunk.copies) {
      if (rescueVersion === undefined || copy.state !== 'wrongVersion') continue;
      if (copy.version < rescueVersion) continue;
      if (!raised) this.table.setVersion(chunkId, newVersion);
      raised = true;
      copy.state = 'busy';
      this.send(id, { type: 'setVersion', chunkId, newVersion, oldVersion: copy.version });
    }
    if (raised) begin(chunk, { ...operation, interrupted: false, uncertain: false, failed: true, versionBefore });
    return raised;
  }

  private finish(chunkId: number, chunk: ChunkState, operation: Operation, status: number): void {
    chunk.operation = undefined;
    operation.done(status);
    this.onFree(chunkId);
  }
}

/** What happens to copies from now on calls for another version again. */
function begin(chunk: ChunkState, operation: Operation): void {
  chunk.operation = operation;
  chunk.needsVersion = false;
  chunk.inherited = false;
}

function newOperation(
  fromVersion: number | undefined,
  versionBefore: number,
  done: (status: number) => void,
): Operation {
  return { interrupted: false, uncertain: false, onlyNoSpace: true, failed: false, fromVersion, versionBefore, done };
}
