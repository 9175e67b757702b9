/** Deletions and replications under way, and the limits of each server (spec 10 §17). */
import type { ServerId } from './servers.js';

export interface TransferLimits {
  readonly maxDeletesPerServer: number;
  readonly maxReplicationsIn: number;
  readonly maxReplicationsOut: number;
}

interface Replication {
  readonly target: ServerId;
  /** Undefined when it has gone meanwhile. */
  source: ServerId | undefined;
  readonly startedS: number;
}

/** An answer that takes longer does not come (spec 10 §15, step 3.1). */
export const REPLICATION_TIMEOUT_S = 120;

export class Transfers {
  private readonly deletes = new Map<ServerId, number>();
  private readonly incoming = new Map<ServerId, number>();
  private readonly outgoing = new Map<ServerId, number>();
  private readonly replications = new Map<number, Replication>();

  constructor(private readonly limits: TransferLimits) {}

  mayDelete(id: ServerId): boolean {
    return (this.deletes.get(id) ?? 0) < this.limits.maxDeletesPerServer;
  }

  deleteStarted(id: ServerId): void {
    add(this.deletes, id, 1);
  }

  deleteEnded(id: ServerId): void {
    add(this.deletes, id, -1);
  }

  mayReceive(id: ServerId): boolean {
    return (this.incoming.get(id) ?? 0) < this.limits.maxReplicationsIn;
  }

  maySend(id: ServerId): boolean {
    return (this.outgoing.get(id) ?? 0) < this.limits.maxReplicationsOut;
  }

  /** One replication of a chunk at a time; one that was never answered makes room for the next. */
  isReplicating(chunkId: number, nowS: number): boolean {
    const running = this.replications.get(chunkId);
    if (running === undefined) return false;
    if (nowS - running.startedS <= REPLICATION_TIMEOUT_S) return true;
    this.replicationEnded(chunkId, running.target);
    return false;
  }

  replicationStarted(chunkId: number, source: ServerId, target: ServerId, startedS: number): void {
    this.replications.set(chunkId, { source, target, startedS });
    add(this.outgoing, source, 1);
    add(this.incoming, target, 1);
  }

  /** An answer of `target`, perhaps one that nobody waits for any more. */
  replicationEnded(chunkId: number, target: ServerId): void {
    const running = this.replications.get(chunkId);
    if (running?.target !== target) return;
    this.replications.delete(chunkId);
    add(this.incoming, target, -1);
    if (running.source !== undefined) add(this.outgoing, running.source, -1);
  }

  /** Nothing that it was told is answered any more. */
  serverLost(id: ServerId): void {
    for (const [chunkId, running] of this.replications) {
      if (running.target === id) this.replicationEnded(chunkId, id);
      else if (running.source === id) running.source = undefined;
    }
    for (const counters of [this.deletes, this.incoming, this.outgoing]) counters.delete(id);
  }
}

function add(counters: Map<ServerId, number>, id: ServerId, change: number): void {
  counters.set(id, Math.max(0, (counters.get(id) ?? 0) + change));
}
