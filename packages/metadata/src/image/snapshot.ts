import { AclTable, XattrTable } from '../store/packed.js';
import type { MetadataStore } from '../store/store.js';
import { writeSource } from './write.js';
import { writeTables } from './write-tables.js';

/** The metadata at one moment, to be written while they go on changing. */
export interface ImageSnapshot {
  /** Number of the next change at that moment: the version in the image. */
  readonly version: number;
  readonly metaid: bigint;
  /**
   * Pieces of the image (spec 07), byte for byte what `writeImage` would have given at that moment. Some pieces are empty: after any
   * piece the caller may go and serve requests for a while. A piece takes a few milliseconds.
   * @param now seconds: chunk locks that ended before are written as 0
   */
  write(now?: number): Generator<Buffer>;
  /** Ends the sharing of memory; may be called at any time and more than once. A snapshot must be released in the end. */
  release(): void;
}

const shared = new WeakMap<MetadataStore, { snapshots: number }>();

/**
 * Freezes the metadata for an image: the pages of nodes, names, chunks, attributes and ACLs are shared with the store, which copies a page before it
 * first writes into it, so that memory grows by the pages changed meanwhile. The small tables are written into memory at once.
 *
 * @example
 * const snapshot = takeSnapshot(store);
 * try {
 *   for (const piece of snapshot.write(nowS)) {
 *     await file.write(piece); // requests are served while this waits
 *   }
 * } finally {
 *   snapshot.release();
 * }
 */
export function takeSnapshot(store: MetadataStore): ImageSnapshot {
  const { version, metaid } = store;
  const nodes = store.nodes.freeze();
  const edges = store.edges.freeze(nodes);
  const xattrs = new XattrTable(store.tables.xattrs.packed.freeze());
  xattrs.attributes = store.tables.xattrs.attributes;
  const acls = new AclTable(store.tables.acls.packed.freeze());
  const chunks = store.chunks.freeze();
  const source = { version, metaid, nodes, edges, chunks, xattrs, acls, tables: writeTables(store) };
  const sharing = shared.get(store) ?? { snapshots: 0 };
  sharing.snapshots++;
  shared.set(store, sharing);
  let released = false;
  return {
    version,
    metaid,
    write: (now = 0) => writeSource(source, now),
    release: () => {
      if (released) return;
      released = true;
      sharing.snapshots--;
      // Pages may still be shared with another snapshot.
      const { xattrs: liveXattrs, acls: liveAcls } = store.tables;
      const parts = [store.nodes, store.edges, store.chunks, liveXattrs.packed, liveAcls.packed];
      if (sharing.snapshots === 0) for (const part of parts) part.endSharing();
    },
  };
}
