import { MFS_ROOT_ID } from '@wapiti-fs/protocol';
import { EDGE_ID_LIMIT } from '../store/edges.js';
import type { MetadataStore } from '../store/store.js';
import { ImageError } from './error.js';

/** There is a root, every other node has a name, and every directory is below the root. */
export function checkTree(store: MetadataStore, offset: number): void {
  const { nodes, edges } = store;
  const fail = (reason: string): never => {
    throw new ImageError('TREE', offset, 0, reason);
  };
  if (!nodes.isDirectory(MFS_ROOT_ID)) fail('root node not found');
  for (const inode of nodes.inodes())
    if (inode !== MFS_ROOT_ID && nodes.firstParentEdge.get(inode) === 0) fail(`found orphaned inode: ${inode}`);
  let reached = 0;
  const open = [MFS_ROOT_ID];
  for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
    reached++;
    for (const edge of edges.childEdges(directory)) {
      const child = edges.child(edge);
      if (nodes.isDirectory(child)) open.push(child);
    }
  }
  if (reached !== nodes.directoryCount) fail(`${nodes.directoryCount - reached} directories are not below the root`);
}

/** Whether a master has to journal RENUMERATEEDGES after loading (spec 07 §3.4). */
export function needsEdgeRenumbering(store: MetadataStore): boolean {
  const { nodes, edges } = store;
  if (edges.nextEdgeId === EDGE_ID_LIMIT) return true;
  for (const inode of nodes.inodes()) {
    if (!nodes.isDirectory(inode)) continue;
    let last = -1n;
    for (const edge of edges.childEdges(inode)) {
      const id = edges.edgeId(edge);
      if (id <= last) return true;
      last = id;
    }
  }
  return false;
}
