/** Steps that operations on names share: spec 09 §6. */
import {
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  MFS_ERROR_EACCES,
  MFS_ERROR_EEXIST,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOENT,
  MFS_ERROR_ENOTDIR,
  MFS_ERROR_EPERM,
  MFS_ROOT_ID,
  MODE_MASK_W,
  MODE_MASK_X,
  SESFLAG_READONLY,
} from '@wapiti-fs/protocol';
import type { MetadataStore } from '../store/store.js';
import { type Ctx, attributeRecord, mayAccess, resolve, stickyAllows } from './access.js';
import { isLegalName } from './primitives.js';
import { type Refused, type Entry, refuse } from './results.js';

export function entry(store: MetadataStore, ctx: Ctx, inode: number, parent: number): Entry {
  return { status: 0, inode: shown(ctx, inode), attributes: attributeRecord(store, ctx, inode, parent) };
}

export function shown(ctx: Ctx, inode: number): number {
  return inode === ctx.session.rootInode ? MFS_ROOT_ID : inode;
}

export function parentOf(store: MetadataStore, ctx: Ctx, directory: number): number {
  const edge = store.nodes.firstParentEdge.get(directory);
  if (directory === ctx.session.rootInode || edge === 0) return ctx.session.rootInode;
  return store.edges.parent(edge);
}

/** find, dir, imm, wx, name, free of spec 09 §6. */
export function placeForName(
  store: MetadataStore,
  ctx: Ctx,
  parentInode: number,
  name: Buffer,
): Refused | { parent: number } {
  const { nodes, edges } = store;
  const parent = resolve(store, ctx.session, parentInode);
  if (parent === 0) return refuse(MFS_ERROR_ENOENT);
  if (!nodes.isDirectory(parent)) return refuse(MFS_ERROR_ENOTDIR);
  if ((nodes.eattr.get(parent) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
  if (!mayAccess(store, ctx, parent, MODE_MASK_W | MODE_MASK_X)) return refuse(MFS_ERROR_EACCES);
  if (!isLegalName(name)) return refuse(MFS_ERROR_EINVAL);
  if (edges.find(parent, name) !== 0) return refuse(MFS_ERROR_EEXIST);
  return { parent };
}

/** The checks that unlink, rmdir and rename make on the entry they take away. */
export function removableEntry(
  store: MetadataStore,
  ctx: Ctx,
  parentInode: number,
  name: Buffer,
): Refused | { edge: number; parent: number } {
  const { nodes, edges } = store;
  const parent = resolve(store, ctx.session, parentInode);
  if (parent === 0) return refuse(MFS_ERROR_ENOENT);
  if (!nodes.isDirectory(parent)) return refuse(MFS_ERROR_ENOTDIR);
  if ((nodes.eattr.get(parent) & (EATTR_IMMUTABLE | EATTR_APPENDONLY)) !== 0) return refuse(MFS_ERROR_EPERM);
  if (!mayAccess(store, ctx, parent, MODE_MASK_W | MODE_MASK_X)) return refuse(MFS_ERROR_EACCES);
  if (!isLegalName(name)) return refuse(MFS_ERROR_EINVAL);
  const edge = edges.find(parent, name);
  if (edge === 0) return refuse(MFS_ERROR_ENOENT);
  if (!stickyAllows(store, ctx, parent, edges.child(edge))) return refuse(MFS_ERROR_EPERM);
  return { edge, parent };
}

export const isReadOnly = (ctx: Ctx): boolean => (ctx.session.sesflags & SESFLAG_READONLY) !== 0;
