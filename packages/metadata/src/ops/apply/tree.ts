/** Effects on names: spec 08 §6.2, and renumbering of edges (§6.1). */
import {
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOENT,
  MFS_ERROR_ENOTDIR,
  MFS_ERROR_EPERM,
  MFS_ROOT_ID,
  MFS_SYMLINK_MAX,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SOCKET,
  TYPE_SUSTAINED,
  TYPE_SYMLINK,
  TYPE_TRASH,
} from '@wapiti-fs/protocol';
import { FIRST_EDGE_ID } from '../../store/edges.js';
import type { MetadataStore } from '../../store/store.js';
import { dropEdge, isAtOrAbove, isLegalName, linkEdge, newNode, unlinkEdge } from '../primitives.js';
import { check, checkResult, checkNode, checkFreeName, findEdge, checkEmpty, type Handlers } from './checks.js';

function renumberEdges(store: MetadataStore): void {
  const { nodes, edges } = store;
  let next = FIRST_EDGE_ID;
  const pending = [MFS_ROOT_ID];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    const children = [...edges.childEdges(directory)];
    next -= BigInt(children.length);
    children.forEach((edge, i) => edges.setEdgeId(edge, next + BigInt(i)));
    for (const edge of children.reverse()) if (nodes.isDirectory(edges.child(edge))) pending.push(edges.child(edge));
  }
  edges.nextEdgeId = next;
}

export const treeEffects = {
  RENUMERATEEDGES(store, change) {
    renumberEdges(store);
    checkResult(change, 'next edge id', change.nextEdgeId, store.edges.nextEdgeId);
  },
  CREATE(store, change) {
    const { type } = change;
    checkFreeName(store, change, change.parent, change.name);
    check(type >= TYPE_FILE && type <= TYPE_SOCKET && type !== TYPE_SYMLINK, change, MFS_ERROR_EINVAL, `type ${type}`);
    checkResult(change, 'new inode', change.inode, store.freeInodes.next());
    const inode = newNode(store, change);
    if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) store.nodes.setRdev(inode, change.rdev);
  },
  SYMLINK(store, change) {
    checkFreeName(store, change, change.parent, change.name);
    const { target } = change;
    check(
      target.length > 0 && target.length <= MFS_SYMLINK_MAX && !target.includes(0),
      change,
      MFS_ERROR_EINVAL,
      'illegal target',
    );
    checkResult(change, 'new inode', change.inode, store.freeInodes.next());
    newNode(store, { ...change, type: TYPE_SYMLINK, mode: 0o777, cumask: 0 }, (inode) => {
      store.nodes.setSymlink(inode, target);
    });
  },
  LINK(store, change) {
    const type = store.nodes.type.get(change.inode);
    check(
      type !== 0 && type !== TYPE_TRASH && type !== TYPE_SUSTAINED,
      change,
      MFS_ERROR_ENOENT,
      `no inode ${change.inode}`,
    );
    check(type !== TYPE_DIRECTORY, change, MFS_ERROR_EPERM, 'a directory');
    checkFreeName(store, change, change.parent, change.name);
    linkEdge(store, change.ts, change.parent, change.inode, change.name);
  },
  UNLINK(store, change) {
    const edge = findEdge(store, change, change.parent, change.name);
    const child = store.edges.child(edge);
    checkEmpty(store, change, child);
    checkResult(change, 'inode', change.inode, child);
    unlinkEdge(store, change.ts, edge);
  },
  MOVE(store, change) {
    const { edges } = store;
    const source = findEdge(store, change, change.srcParent, change.srcName);
    const inode = edges.child(source);
    checkResult(change, 'inode', change.inode, inode);
    checkNode(store, change, change.dstParent);
    check(
      store.nodes.isDirectory(change.dstParent),
      change,
      MFS_ERROR_ENOTDIR,
      `inode ${change.dstParent} is no directory`,
    );
    check(isLegalName(change.dstName), change, MFS_ERROR_EINVAL, 'illegal name');
    const loops = store.nodes.isDirectory(inode) && isAtOrAbove(store, inode, change.dstParent);
    check(!loops, change, MFS_ERROR_EINVAL, 'a directory would be below itself');
    const target = edges.find(change.dstParent, change.dstName);
    if (target === source) return;
    if (target !== 0) {
      checkEmpty(store, change, edges.child(target));
      unlinkEdge(store, change.ts, target);
    }
    dropEdge(store, change.ts, source);
    linkEdge(store, change.ts, change.dstParent, inode, change.dstName);
  },
} satisfies Handlers;
