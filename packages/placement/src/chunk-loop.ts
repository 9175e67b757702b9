/** The walk over all chunks that brings each to its goal (spec 10 §15): deletes what is too much, replicates what is too little. */
import type { ChunkTable, Command } from './chunk-table.js';
import type { ChunkState, CopyTable } from './copies.js';
import type { Operations } from './operations.js';
import { acceptOtherVersion } from './repair.js';
import type { ServerId, ServerTable } from './servers.js';
import type { Transfers } from './transfers.js';

/** Chunks looked at in one turn of the loop. */
const CHUNKS_PER_TICK = 5000;

export class ChunkLoop {
  private position: Iterator<number> | undefined;

  constructor(
    private readonly table: ChunkTable,
    private readonly servers: ServerTable,
    private readonly copies: CopyTable,
    private readonly operations: Operations,
    private readonly transfers: Transfers,
    private readonly send: (server: ServerId, command: Command) => void,
    /** No server that may hold copies is missing. */
    private readonly allServersPresent: () => boolean,
  ) {}

  tick(nowS: number): void {
    this.position ??= this.table.chunkIds()[Symbol.iterator]();
    for (let i = 0; i < CHUNKS_PER_TICK; i++) {
      const next = this.position.next();
      if (next.done === true) {
        this.position = undefined;
        return;
      }
      this.look(next.value, nowS);
    }
  }

  private look(chunkId: number, nowS: number): void {
    const chunk = this.copies.find(chunkId);
    if (chunk?.operation !== undefined || this.table.lockedTo(chunkId) >= nowS) return;
    const goal = this.table.goal(chunkId);
    if (goal === 0) return this.removeUnused(chunkId, chunk);
    if (chunk === undefined) return;
    const good: ServerId[] = [];
    const marked: ServerId[] = [];
    const bad: ServerId[] = [];
    for (const [id, copy] of chunk.copies) {
      if (copy.state === 'valid') (copy.marked ? marked : good).push(id);
      else if (copy.state === 'invalid' || copy.state === 'wrongVersion') bad.push(id);
    }
    if (good.length + marked.length === 0) return this.repair(chunkId, chunk);
    for (const id of bad) this.deleteCopy(chunkId, chunk, id, 0);
    if (good.length > goal) this.removeSurplus(chunkId, chunk, good, good.length - goal);
    else if (good.length === goal) for (const id of marked) this.deleteCopy(chunkId, chunk, id, 0);
    else this.replicate(chunkId, chunk, [...good, ...marked], nowS);
  }

  private removeUnused(chunkId: number, chunk: ChunkState | undefined): void {
    if (chunk === undefined || chunk.copies.size === 0) {
      // A server that is away may come back with a copy, which would then be unknown.
      if (!this.allServersPresent()) return;
      this.copies.forget(chunkId);
      this.table.delete(chunkId);
      return;
    }
    for (const [id, copy] of chunk.copies)
      this.deleteCopy(chunkId, chunk, id, copy.state === 'valid' ? copy.version : 0);
  }

  /** No good copy: what is known to hold everything is raised; else copies of a version that explains itself are taken. */
  private repair(chunkId: number, chunk: ChunkState): void {
    if (this.operations.rescue(chunkId, chunk)) return;
    acceptOtherVersion(chunkId, chunk, this.table, this.allServersPresent());
  }

  private removeSurplus(chunkId: number, chunk: ChunkState, good: readonly ServerId[], surplus: number): void {
    const usage = (id: ServerId): number => {
      const server = this.servers.get(id);
      return server === undefined || server.totalSpace === 0 ? 1 : server.usedSpace / server.totalSpace;
    };
    const fullest = [...good].sort((a, b) => usage(b) - usage(a));
    for (const id of fullest.slice(0, surplus)) if (!this.deleteCopy(chunkId, chunk, id, 0)) return;
  }

  private deleteCopy(chunkId: number, chunk: ChunkState, id: ServerId, version: number): boolean {
    const copy = chunk.copies.get(id);
    if (copy === undefined || copy.state === 'busy' || copy.state === 'deleting') return false;
    if (!this.transfers.mayDelete(id)) return false;
    // Whether it is deleted is not certain before the answer; a good copy left behind must not be taken for one later.
    if (copy.state === 'valid') chunk.needsVersion = true;
    this.transfers.deleteStarted(id);
    copy.state = 'deleting';
    this.send(id, { type: 'delete', chunkId, version });
    return true;
  }

  private replicate(chunkId: number, chunk: ChunkState, sources: readonly ServerId[], nowS: number): void {
    const version = this.table.version(chunkId);
    if (version === undefined || this.transfers.isReplicating(chunkId, nowS)) return;
    const source = sources.find((id) => this.transfers.maySend(id));
    const from = source === undefined ? undefined : this.servers.get(source);
    const target = this.servers
      .choose(this.servers.count, new Set(chunk.copies.keys()))
      .find((one) => this.transfers.mayReceive(one.id));
    if (from === undefined || target === undefined) return;
    // The chunk stays writable: a write meanwhile gets another version first, and the copy is then found to be old.
    chunk.needsVersion = true;
    this.transfers.replicationStarted(chunkId, from.id, target.id, nowS);
    this.send(target.id, { type: 'replicate', chunkId, version, sourceIp: from.ip, sourcePort: from.port });
  }
}
