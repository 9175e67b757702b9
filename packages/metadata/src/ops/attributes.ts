/** Live setattr and open: spec 09 §7. */
import {
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_NOOWNER,
  MFS_ERROR_EACCES,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MFS_STATUS_OK,
  MODE_MASK_R,
  MODE_MASK_W,
  OPEN_AFTER_CREATE,
  OPEN_READ,
  OPEN_TRUNCATE,
  OPEN_WRITE,
  SESFLAG_IGNOREGID,
  SESFLAG_MAPALL,
  SESFLAG_READONLY,
  SET_ATIME_FLAG,
  SET_ATIME_NOW_FLAG,
  SET_GID_FLAG,
  SET_MODE_FLAG,
  SET_MTIME_FLAG,
  SET_MTIME_NOW_FLAG,
  SET_UID_FLAG,
  SET_WINATTR_FLAG,
  DISABLE_CHMOD,
  DISABLE_CHOWN,
  DISABLE_TRUNCATE,
  SUGID_CLEAR_MODE_ALWAYS,
  SUGID_CLEAR_MODE_BSD,
  SUGID_CLEAR_MODE_EXT,
  SUGID_CLEAR_MODE_OSX,
  SUGID_CLEAR_MODE_XFS,
} from '@wapiti-fs/protocol';
import { ACL_ACCESS } from '../store/tables.js';
import { type Ctx, mayAccess, resolve } from './access.js';
import type { Metadata } from './metadata.js';
import { refuse, type Refused } from './results.js';

export interface SetattrRequest {
  /** SET_*_FLAG bits. */
  readonly setmask: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly atime: number;
  readonly mtime: number;
  readonly winattr: number;
  readonly sugidClearMode: number;
}

function clearedMode(code: number, mode: number, directory: boolean, root: boolean, gidChanges: boolean): number {
  const ext = directory ? mode : mode & ((mode & 0o010) !== 0 ? 0o1777 : 0o3777);
  if (code === SUGID_CLEAR_MODE_ALWAYS || (code === SUGID_CLEAR_MODE_OSX && !root)) return mode & 0o1777;
  if (code === SUGID_CLEAR_MODE_BSD && !root && gidChanges) return mode & 0o1777;
  if (code === SUGID_CLEAR_MODE_EXT) return ext;
  if (code === SUGID_CLEAR_MODE_XFS) return directory && !root ? mode & 0o1777 : ext;
  return mode;
}

/** Spec 09 §7.1. Answer with `metadata.getattr`. */
export function setattr(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  opened: boolean,
  request: SetattrRequest,
): Refused {
  const { store } = metadata;
  const { nodes } = store;
  const { setmask } = request;
  const has = (flags: number): boolean => (setmask & flags) !== 0;
  const owners = has(SET_UID_FLAG | SET_GID_FLAG);
  const root = ctx.uid === 0;
  const { disables, sesflags } = ctx.session;
  if (owners && (disables & DISABLE_CHOWN) !== 0) return refuse(MFS_ERROR_EPERM);
  if (has(SET_MODE_FLAG) && (disables & DISABLE_CHMOD) !== 0) return refuse(MFS_ERROR_EPERM);
  if ((sesflags & SESFLAG_READONLY) !== 0) return refuse(MFS_ERROR_EROFS);
  const inode = resolve(store, ctx.session, inodeNumber, opened);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  const eattr = nodes.eattr.get(inode);
  if ((eattr & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
  let mode = nodes.mode.get(inode);
  const kernelClears = setmask === SET_MODE_FLAG && request.mode === (mode & 0o1777) && (mode & 0o6000) !== 0;
  if (!root && !kernelClears) {
    if ((sesflags & SESFLAG_MAPALL) !== 0 && owners) return refuse(MFS_ERROR_EPERM);
    if ((eattr & EATTR_NOOWNER) === 0 && ctx.uid !== nodes.uid.get(inode)) {
      if (owners || has(SET_MODE_FLAG | SET_ATIME_FLAG | SET_MTIME_FLAG)) return refuse(MFS_ERROR_EPERM);
      const now = has(SET_ATIME_NOW_FLAG | SET_MTIME_NOW_FLAG);
      if (now && !mayAccess(store, ctx, inode, MODE_MASK_W)) return refuse(MFS_ERROR_EACCES);
    }
    if (has(SET_UID_FLAG) && request.uid !== ctx.uid) return refuse(MFS_ERROR_EPERM);
    const foreignGroup = has(SET_GID_FLAG) && (sesflags & SESFLAG_IGNOREGID) === 0 && !ctx.gids.includes(request.gid);
    if (foreignGroup) return refuse(MFS_ERROR_EPERM);
  }
  let wanted = request.mode & 0o7777;
  if (owners && has(SET_MODE_FLAG)) wanted |= mode & 0o6000;
  if (owners && (mode & 0o6000) !== 0) {
    const gidChanges = has(SET_GID_FLAG) && request.gid !== nodes.gid.get(inode);
    const clear = (m: number): number =>
      clearedMode(request.sugidClearMode, m, nodes.isDirectory(inode), root, gidChanges);
    mode = clear(mode);
    wanted = clear(wanted);
  }
  const gid = has(SET_GID_FLAG) ? request.gid : nodes.gid.get(inode);
  const acl = store.acl(inode, ACL_ACCESS);
  let aclmode = acl === undefined ? 0 : 4096 | ((acl.user & 7) << 6) | ((acl.mask & 7) << 3) | (acl.other & 7);
  if (has(SET_MODE_FLAG)) {
    if (!root && !ctx.gids.includes(gid)) wanted &= ~0o2000;
    if (acl === undefined) mode = wanted;
    else {
      aclmode = 4096 | (wanted & 0o777);
      mode = (wanted & ~0o070) | (mode & 0o070);
    }
  }
  const time = (given: number, nowFlag: number, setFlag: number, value: number): number =>
    has(nowFlag) ? ctx.now : has(setFlag) ? value : given;
  metadata.commit({
    op: 'ATTR',
    ts: ctx.now,
    inode,
    mode,
    uid: has(SET_UID_FLAG) ? request.uid : nodes.uid.get(inode),
    gid,
    atime: time(nodes.atime.get(inode), SET_ATIME_NOW_FLAG, SET_ATIME_FLAG, request.atime),
    mtime: time(nodes.mtime.get(inode), SET_MTIME_NOW_FLAG, SET_MTIME_FLAG, request.mtime),
    winattr: has(SET_WINATTR_FLAG) ? request.winattr : nodes.winattr.get(inode),
    aclmode,
  });
  return { status: MFS_STATUS_OK };
}

/** Spec 09 §7.3; a truncating open is refused on a read-only session. */
export function open(metadata: Metadata, ctx: Ctx, inodeNumber: number, flags: number): Refused {
  const { store } = metadata;
  const { nodes } = store;
  const truncates = (flags & OPEN_TRUNCATE) !== 0;
  const changes = (flags & (OPEN_WRITE | OPEN_TRUNCATE)) !== 0;
  if (truncates && (ctx.session.disables & DISABLE_TRUNCATE) !== 0) return refuse(MFS_ERROR_EPERM);
  if (changes && (ctx.session.sesflags & SESFLAG_READONLY) !== 0) return refuse(MFS_ERROR_EROFS);
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  const eattr = nodes.eattr.get(inode);
  if (!nodes.isFile(inode)) return refuse(MFS_ERROR_EPERM);
  if ((changes && (eattr & EATTR_IMMUTABLE) !== 0) || (truncates && (eattr & EATTR_APPENDONLY) !== 0))
    return refuse(MFS_ERROR_EPERM);
  if ((flags & OPEN_AFTER_CREATE) === 0) {
    const mask = ((flags & OPEN_READ) !== 0 ? MODE_MASK_R : 0) | (changes ? MODE_MASK_W : 0);
    if (!mayAccess(store, ctx, inode, mask)) return refuse(MFS_ERROR_EACCES);
    if (truncates) {
      metadata.commit({ op: 'LENGTH', ts: ctx.now, inode, length: 0, canmodmtime: 1 });
      metadata.reservations.delete(inode);
    }
  }
  metadata.acquire(ctx.now, ctx.session.id, inode);
  return { status: MFS_STATUS_OK };
}
