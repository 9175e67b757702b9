/** Names of inodes as administrators are shown them (spec 11 §3.13), from the root of the file system. */
import { type MetadataStore, paths } from '@wapiti-fs/metadata';
import { MFS_ROOT_ID } from '@wapiti-fs/protocol';

import type { MasterContext } from '../context.js';

const SEPARATOR = Buffer.from('/');
const DELETED = [Buffer.from('(deleted)')];

/** All paths of an inode, without a leading `/`. */
export function pathsOf({ metadata, nowS }: MasterContext, inode: number): Buffer[] {
  const session = { id: 0, rootInode: MFS_ROOT_ID, sesflags: 0, umask: 0, disables: 0 };
  const found = paths(metadata, { now: nowS(), session, uid: 0, gids: [0], auid: 0, agid: 0 }, inode);
  return 'paths' in found ? found.paths : DELETED;
}

/** One path of a directory, with a leading `/`. */
export function directoryPath({ nodes, edges }: MetadataStore, directory: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = directory; at !== MFS_ROOT_ID;) {
    const edge = nodes.firstParentEdge.get(at);
    if (edge === 0) break;
    parts.unshift(SEPARATOR, edges.name(edge));
    at = edges.parent(edge);
  }
  return parts.length === 0 ? SEPARATOR : Buffer.concat(parts);
}
