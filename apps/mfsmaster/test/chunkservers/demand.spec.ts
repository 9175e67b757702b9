import { MetadataStore } from '@wapiti-fs/metadata';

import { demandOf } from '../../src/chunkservers/demand.js';

const anywhere = (copies: number): number[][] => Array.from({ length: copies }, () => [0, 0, 0, 0]);

/** Spec 10 §3.3. */
describe('demand for a chunk', () => {
  let store: MetadataStore;
  const slotOf = (archived: boolean, ...classes: number[]): number => {
    const slot = store.chunks.add(store.chunks.count + 1, 1, 0, archived);
    for (const sclass of classes) store.chunks.addReference(slot, sclass);
    return slot;
  };

  beforeEach(() => {
    store = MetadataStore.empty(0);
    const common = { adminOnly: false, mode: 1, archDelayDays: 1 };
    const copies = (keep: number, arch: number) => ({
      create: anywhere(keep),
      keep: anywhere(keep),
      arch: anywhere(arch),
    });
    store.tables.sclasses.set(10, { id: 10, name: Buffer.from('cold'), ...common, ...copies(3, 1) });
  });

  it('is that of the class that wants most', () => {
    expect(demandOf(store, slotOf(false))).toEqual({ sclass: 0, goal: 0 });
    expect(demandOf(store, slotOf(false, 2))).toEqual({ sclass: 2, goal: 2 });
    expect(demandOf(store, slotOf(false, 2, 10, 1))).toEqual({ sclass: 10, goal: 3 });
  });

  it('is that of the archive once the chunk is archived', () => {
    expect(demandOf(store, slotOf(true, 10))).toEqual({ sclass: 10, goal: 1 });
    expect(demandOf(store, slotOf(true, 2))).toEqual({ sclass: 2, goal: 2 });
  });
});
