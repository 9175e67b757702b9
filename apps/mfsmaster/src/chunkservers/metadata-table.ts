import type { Metadata } from '@wapiti-fs/metadata';
import type { ChunkTable } from '@wapiti-fs/placement';

import { type Demand, demandOf } from './demand.js';

/** The metadata's chunk table as placement wants it; changes are journalled (spec 08 §6.5). */
export class MetadataChunkTable implements ChunkTable {
  constructor(
    private readonly metadata: Metadata,
    private readonly nowS: () => number,
  ) {}

  private slot(chunkId: number): number {
    return this.metadata.store.chunks.find(chunkId);
  }

  version(chunkId: number): number | undefined {
    const slot = this.slot(chunkId);
    return slot === 0 ? undefined : this.metadata.store.chunks.version(slot);
  }

  private demand(chunkId: number): Demand | undefined {
    const slot = this.slot(chunkId);
    return slot === 0 ? undefined : demandOf(this.metadata.store, slot);
  }

  goal(chunkId: number): number {
    return this.demand(chunkId)?.goal ?? 0;
  }

  labels(chunkId: number): readonly (readonly number[])[] {
    return this.metadata.store.tables.sclasses.get(this.demand(chunkId)?.sclass ?? 0)?.create ?? [];
  }

  lockedTo(chunkId: number): number {
    const slot = this.slot(chunkId);
    return slot === 0 ? 0 : this.metadata.store.chunks.lockedTo(slot);
  }

  heldFrom(chunkId: number): number | undefined {
    return this.metadata.store.unfinished.raisedFrom.get(chunkId);
  }

  *chunkIds(): Iterable<number> {
    const { chunks } = this.metadata.store;
    for (const slot of chunks.entries()) yield chunks.id(slot);
  }

  add(chunkId: number, version: number, lockedTo: number): void {
    this.metadata.commit({ op: 'CHUNKADD', ts: this.nowS(), chunkId, version, lockedTo });
  }

  delete(chunkId: number): void {
    const version = this.version(chunkId);
    if (version !== undefined) this.metadata.commit({ op: 'CHUNKDEL', ts: this.nowS(), chunkId, version });
  }

  setVersion(chunkId: number, version: number): void {
    this.metadata.commit({ op: 'SETVERSION', ts: this.nowS(), chunkId, version });
  }
}
