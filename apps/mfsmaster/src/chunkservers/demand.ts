import type { MetadataStore } from '@wapiti-fs/metadata';

export interface Demand {
  /** 0: no file refers to the chunk. */
  readonly sclass: number;
  /** Copies wanted. */
  readonly goal: number;
}

const NONE: Demand = { sclass: 0, goal: 0 };

/** What the files that refer to a chunk ask for: the class with the largest demand counts (spec 10 §3.3). */
export function demandOf(store: MetadataStore, slot: number): Demand {
  const { chunks, tables } = store;
  let sclass = 0;
  let most = 0;
  for (const candidate of chunks.classCounts(slot).keys()) {
    const copies = store.goalFactor(candidate);
    if (copies > most) [sclass, most] = [candidate, copies];
  }
  if (sclass === 0) return NONE;
  const definition = tables.sclasses.get(sclass);
  if (definition === undefined) return { sclass, goal: 1 };
  const list = chunks.archived(slot) ? definition.arch : definition.keep;
  // whatever a class says, a chunk that is referred to is not one to delete
  return { sclass, goal: Math.max(1, list.length) };
}
