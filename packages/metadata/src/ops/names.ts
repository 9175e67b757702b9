/** Live operations on names: spec 09 §6. Checks in the order given there, then one change. */
import {
  DISABLE_CREATE,
  DISABLE_LINK,
  DISABLE_MKDEV,
  DISABLE_MKDIR,
  DISABLE_MKFIFO,
  DISABLE_MKSOCK,
  DISABLE_MOVE,
  DISABLE_RENAME,
  DISABLE_RMDIR,
  DISABLE_SYMLINK,
  DISABLE_UNLINK,
  EATTR_IMMUTABLE,
  MFS_ERROR_EACCES,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOENT,
  MFS_ERROR_ENOTDIR,
  MFS_ERROR_ENOTEMPTY,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MFS_ERROR_NOSPACE,
  MFS_ERROR_QUOTA,
  MFS_SYMLINK_MAX,
  MODE_MASK_W,
  MODE_MASK_X,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_FIFO,
  TYPE_FILE,
  TYPE_SOCKET,
  TYPE_SUSTAINED,
  TYPE_SYMLINK,
  TYPE_TRASH,
} from '@wapiti-fs/protocol';
import { type Ctx, mayAccess, PROTECTED, resolve, stickyAllows } from './access.js';
import { entry, placeForName, removableEntry, isReadOnly } from './entries.js';
import type { Metadata } from './metadata.js';
import { quotaAllows, renameAllowed } from './quota.js';
import { isAtOrAbove, isLegalName } from './primitives.js';
import { type Refused, type Entry, OK, refuse } from './results.js';

const isEntry = (result: object): result is { edge: number; parent: number } => 'edge' in result;
const DISABLE_BY_TYPE: Readonly<Record<number, number>> = {
  [TYPE_FILE]: DISABLE_CREATE,
  [TYPE_FIFO]: DISABLE_MKFIFO,
  [TYPE_BLOCKDEV]: DISABLE_MKDEV,
  [TYPE_CHARDEV]: DISABLE_MKDEV,
  [TYPE_SOCKET]: DISABLE_MKSOCK,
};

/** Spec 09 §6.4, also mkdir (type directory). `copySgid`: see §2.4. */
export function mknod(
  metadata: Metadata,
  ctx: Ctx,
  parentInode: number,
  name: Buffer,
  type: number,
  mode: number,
  cumask: number,
  rdev = 0,
  copySgid = false,
): Refused | Entry {
  const { nodes } = metadata.store;
  const isMkdir = type === TYPE_DIRECTORY && copySgid;
  const disable = type === TYPE_DIRECTORY ? DISABLE_MKDIR : (DISABLE_BY_TYPE[type] ?? 0);
  if ((ctx.session.disables & disable) !== 0) return refuse(MFS_ERROR_EPERM);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  if (type < TYPE_FILE || type > TYPE_SOCKET || type === TYPE_SYMLINK) return refuse(MFS_ERROR_EINVAL);
  const place = placeForName(metadata.store, ctx, parentInode, name);
  if ('status' in place) return place;
  const { parent } = place;
  if (!quotaAllows(metadata.store, parent, { inodes: 1 })) return refuse(MFS_ERROR_QUOTA);
  const inheritsGroup = (nodes.mode.get(parent) & 0o2000) !== 0;
  const gid = inheritsGroup ? nodes.gid.get(parent) : (ctx.gids[0] ?? 0);
  const finalMode = isMkdir && inheritsGroup ? mode | 0o2000 : mode;
  const inode = metadata.store.freeInodes.next();
  metadata.commit({
    op: 'CREATE',
    ts: ctx.now,
    parent,
    name,
    type,
    mode: finalMode,
    cumask: cumask | ctx.session.umask,
    uid: ctx.uid,
    gid,
    rdev,
    inode,
  });
  return entry(metadata.store, ctx, inode, parent);
}

/** Spec 09 §6.5. */
export function symlink(
  metadata: Metadata,
  ctx: Ctx,
  parentInode: number,
  name: Buffer,
  target: Buffer,
): Refused | Entry {
  if ((ctx.session.disables & DISABLE_SYMLINK) !== 0) return refuse(MFS_ERROR_EPERM);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  let length = target.length;
  while (length > 0 && target[length - 1] === 0) length--;
  const clean = target.subarray(0, length);
  if (length === 0 || length > MFS_SYMLINK_MAX || clean.includes(0)) return refuse(MFS_ERROR_EINVAL);
  const place = placeForName(metadata.store, ctx, parentInode, name);
  if ('status' in place) return place;
  if (!quotaAllows(metadata.store, place.parent, { inodes: 1, length })) return refuse(MFS_ERROR_QUOTA);
  const inode = metadata.store.freeInodes.next();
  metadata.commit({
    op: 'SYMLINK',
    ts: ctx.now,
    parent: place.parent,
    name,
    target: clean,
    uid: ctx.uid,
    gid: ctx.gids[0] ?? 0,
    inode,
  });
  return entry(metadata.store, ctx, inode, place.parent);
}

/** Spec 09 §6.9. */
export function link(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  parentInode: number,
  name: Buffer,
): Refused | Entry {
  const { nodes } = metadata.store;
  if ((ctx.session.disables & DISABLE_LINK) !== 0) return refuse(MFS_ERROR_EPERM);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  const inode = resolve(metadata.store, ctx.session, inodeNumber);
  if (inode === 0 || resolve(metadata.store, ctx.session, parentInode) === 0) return refuse(MFS_ERROR_ENOENT);
  const type = nodes.type.get(inode);
  if ((nodes.eattr.get(inode) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
  if (type === TYPE_TRASH || type === TYPE_SUSTAINED) return refuse(MFS_ERROR_ENOENT);
  if (type === TYPE_DIRECTORY) return refuse(MFS_ERROR_EPERM);
  if (nodes.nlink.get(inode) >= metadata.options.maxHardLinks) return refuse(MFS_ERROR_NOSPACE);
  const place = placeForName(metadata.store, ctx, parentInode, name);
  if ('status' in place) return place;
  const { inodes, length, size, realsize } = metadata.store.stats.contribution(inode);
  const demand = { inodes, length, size, realsize };
  if (!quotaAllows(metadata.store, place.parent, demand)) return refuse(MFS_ERROR_QUOTA);
  metadata.commit({ op: 'LINK', ts: ctx.now, inode, parent: place.parent, name });
  return entry(metadata.store, ctx, inode, place.parent);
}

/** Spec 09 §6.7: unlink, or rmdir with `directory`. */
export function unlink(
  metadata: Metadata,
  ctx: Ctx,
  parentInode: number,
  name: Buffer,
  directory: boolean,
): Refused | { status: 0; inode: number } {
  const { nodes, edges } = metadata.store;
  if ((ctx.session.disables & (directory ? DISABLE_RMDIR : DISABLE_UNLINK)) !== 0) return refuse(MFS_ERROR_EPERM);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  const found = removableEntry(metadata.store, ctx, parentInode, name);
  if (!isEntry(found)) return found;
  const inode = edges.child(found.edge);
  if ((nodes.eattr.get(inode) & PROTECTED) !== 0) return refuse(MFS_ERROR_EPERM);
  if (directory !== nodes.isDirectory(inode)) return refuse(directory ? MFS_ERROR_ENOTDIR : MFS_ERROR_EPERM);
  if (directory && nodes.firstChild(inode) !== 0) return refuse(MFS_ERROR_ENOTEMPTY);
  metadata.commit({ op: 'UNLINK', ts: ctx.now, parent: found.parent, name, inode });
  return { ...OK, inode };
}

/** Spec 09 §6.8, with the safe answers of §33 nos. 1-4. */
export function rename(
  metadata: Metadata,
  ctx: Ctx,
  srcParentInode: number,
  srcName: Buffer,
  dstParentInode: number,
  dstName: Buffer,
): Refused | Entry {
  const { nodes, edges } = metadata.store;
  const { disables } = ctx.session;
  const renames = !srcName.equals(dstName);
  const moves = srcParentInode !== dstParentInode;
  const noRename = (disables & DISABLE_RENAME) !== 0;
  const noMove = (disables & DISABLE_MOVE) !== 0;
  if ((noRename && noMove) || (noRename && renames) || (noMove && moves)) return refuse(MFS_ERROR_EPERM);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  const dstParent = resolve(metadata.store, ctx.session, dstParentInode);
  if (resolve(metadata.store, ctx.session, srcParentInode) === 0 || dstParent === 0) return refuse(MFS_ERROR_ENOENT);
  const found = removableEntry(metadata.store, ctx, srcParentInode, srcName);
  if (!isEntry(found)) return found;
  const inode = edges.child(found.edge);
  const isDirectory = nodes.isDirectory(inode);
  if (!nodes.isDirectory(dstParent)) return refuse(MFS_ERROR_ENOTDIR);
  if ((nodes.eattr.get(dstParent) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
  if (!mayAccess(metadata.store, ctx, dstParent, MODE_MASK_W | MODE_MASK_X)) return refuse(MFS_ERROR_EACCES);
  if ((nodes.eattr.get(inode) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
  if (isDirectory && isAtOrAbove(metadata.store, inode, dstParent)) return refuse(MFS_ERROR_EINVAL);
  if (isDirectory && found.parent !== dstParent && !mayAccess(metadata.store, ctx, inode, MODE_MASK_W))
    return refuse(MFS_ERROR_EACCES);
  if (!isLegalName(dstName)) return refuse(MFS_ERROR_EINVAL);
  const target = edges.find(dstParent, dstName);
  if (target === 0 && !renameAllowed(metadata.store, found.parent, dstParent, inode, 0)) return refuse(MFS_ERROR_QUOTA);
  if (target !== 0) {
    const replaced = edges.child(target);
    const overDirectory = nodes.isDirectory(replaced);
    if ((disables & (overDirectory ? DISABLE_RMDIR : DISABLE_UNLINK)) !== 0) return refuse(MFS_ERROR_EPERM);
    if (replaced === inode) return entry(metadata.store, ctx, inode, dstParent);
    if (!renameAllowed(metadata.store, found.parent, dstParent, inode, replaced)) return refuse(MFS_ERROR_QUOTA);
    if (isDirectory !== overDirectory) return refuse(isDirectory ? MFS_ERROR_ENOTDIR : MFS_ERROR_EPERM);
    if (overDirectory && nodes.firstChild(replaced) !== 0) return refuse(MFS_ERROR_ENOTEMPTY);
    if (!stickyAllows(metadata.store, ctx, dstParent, replaced)) return refuse(MFS_ERROR_EPERM);
    if ((nodes.eattr.get(replaced) & PROTECTED) !== 0) return refuse(MFS_ERROR_EPERM);
  }
  metadata.commit({ op: 'MOVE', ts: ctx.now, srcParent: found.parent, srcName, dstParent, dstName, inode });
  return entry(metadata.store, ctx, inode, dstParent);
}
