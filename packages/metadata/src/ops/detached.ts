/** Trash and sustained files as meta sessions see them: spec 09 §13.3. */
import {
  type AttributeRecord,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MFS_PATH_MAX,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
  TYPE_SUSTAINED,
  TYPE_TRASH,
} from '@wapiti-fs/protocol';
import { attributeRecord, type Ctx } from './access.js';
import { planUndelete } from './apply/trash.js';
import { isReadOnly } from './entries.js';
import type { Metadata } from './metadata.js';
import { OK, refuse, type Refused } from './results.js';

const SHOWN_BYTES = 240;
const KEPT_BYTES = 235;
const SLASH = 0x2f;
const BAR = 0x7c;

export interface DetachedFile {
  /** Old path with `|` for `/`; of a long one only the end. */
  readonly name: Buffer;
  readonly inode: number;
}

const isMeta = (ctx: Ctx): boolean => ctx.session.rootInode === 0;

/** GETTRASH, GETSUSTAINED. @param bucket one list; what is not a list number means all lists */
export function listDetached(
  metadata: Metadata,
  ctx: Ctx,
  kind: 'trash' | 'sustained',
  bucket = Infinity,
): Refused | { status: 0; files: DetachedFile[] } {
  if (!isMeta(ctx)) return refuse(MFS_ERROR_EPERM);
  const { edges } = metadata.store;
  const limit = kind === 'trash' ? TRASH_BUCKETS : SUSTAINED_BUCKETS;
  const lists = bucket < limit ? [bucket] : Array.from({ length: limit }, (_, i) => i);
  const files: DetachedFile[] = [];
  for (const list of lists)
    for (const edge of edges.detachedEdges(kind, list)) {
      const path = edges.name(edge).map((byte) => (byte === SLASH ? BAR : byte));
      const long = path.length > SHOWN_BYTES;
      const name = long ? Buffer.concat([Buffer.from('(...)'), path.subarray(-KEPT_BYTES)]) : Buffer.from(path);
      files.push({ name, inode: edges.child(edge) });
    }
  return { ...OK, files };
}

/** GETDETACHEDATTR. @param wanted 0 both, 1 trash, 2 sustained */
export function detachedAttributes(
  metadata: Metadata,
  ctx: Ctx,
  inode: number,
  wanted: number,
): Refused | { status: 0; attributes: AttributeRecord } {
  if (!isMeta(ctx)) return refuse(MFS_ERROR_EPERM);
  if (wanted > 2) return refuse(MFS_ERROR_EINVAL);
  const type = metadata.store.nodes.type.get(inode);
  const matches = (type === TYPE_TRASH && wanted !== 2) || (type === TYPE_SUSTAINED && wanted !== 1);
  if (!matches) return refuse(MFS_ERROR_ENOENT);
  const root = { ...ctx, uid: 0, auid: 0, gids: [0], agid: 0 };
  return { ...OK, attributes: attributeRecord(metadata.store, root, inode) };
}

function checkTrash(metadata: Metadata, ctx: Ctx, inode: number, changes: boolean): number {
  if (!isMeta(ctx)) return MFS_ERROR_EPERM;
  if (changes && isReadOnly(ctx)) return MFS_ERROR_EROFS;
  return metadata.store.nodes.type.get(inode) === TYPE_TRASH ? 0 : MFS_ERROR_ENOENT;
}

/** GETTRASHPATH. */
export function trashPath(metadata: Metadata, ctx: Ctx, inode: number): Refused | { status: 0; path: Buffer } {
  const status = checkTrash(metadata, ctx, inode, false);
  if (status !== 0) return refuse(status);
  const { nodes, edges } = metadata.store;
  return { ...OK, path: edges.name(nodes.firstParentEdge.get(inode)) };
}

/** SETTRASHPATH; NULs at the end are no part of the path. */
export function setTrashPath(metadata: Metadata, ctx: Ctx, inode: number, path: Buffer): Refused {
  if (!isMeta(ctx)) return refuse(MFS_ERROR_EPERM);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  let length = path.length;
  while (length > 0 && path[length - 1] === 0) length--;
  const clean = Buffer.from(path.subarray(0, length));
  if (length === 0 || length > MFS_PATH_MAX || clean.includes(0)) return refuse(MFS_ERROR_EINVAL);
  const status = checkTrash(metadata, ctx, inode, true);
  if (status !== 0) return refuse(status);
  metadata.commit({ op: 'SETPATH', ts: ctx.now, inode, path: clean });
  return OK;
}

/** UNDEL: back to its path, with the directories that are missing. */
export function undelete(metadata: Metadata, ctx: Ctx, inode: number): Refused {
  const status = checkTrash(metadata, ctx, inode, true);
  if (status !== 0) return refuse(status);
  const plan = planUndelete(metadata.store, inode);
  if ('status' in plan) return refuse(plan.status);
  metadata.commit({ op: 'UNDEL', ts: ctx.now, inode });
  return OK;
}

/** PURGE. */
export function purge(metadata: Metadata, ctx: Ctx, inode: number): Refused {
  const status = checkTrash(metadata, ctx, inode, true);
  if (status !== 0) return refuse(status);
  metadata.commit({ op: 'PURGE', ts: ctx.now, inode });
  return OK;
}
