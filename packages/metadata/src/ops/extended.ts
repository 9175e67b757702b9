/** Live extended attributes and ACLs: spec 09 §19, §20. */
import {
  DISABLE_SETFACL,
  DISABLE_SETXATTR,
  EATTR_IMMUTABLE,
  EATTR_NOOWNER,
  MFS_ERROR_EACCES,
  MFS_ERROR_EEXIST,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOATTR,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MFS_ERROR_ERANGE,
  MFS_ERROR_EROFS,
  MFS_XATTR_CREATE_ONLY,
  MFS_XATTR_LIST_MAX,
  MFS_XATTR_NAME_MAX,
  MFS_XATTR_REMOVE,
  MFS_XATTR_REPLACE_ONLY,
  MFS_XATTR_SIZE_MAX,
  MODE_MASK_R,
  MODE_MASK_W,
} from '@wapiti-fs/protocol';
import { ACL_ACCESS, ACL_DEFAULT, type Acl } from '../store/tables.js';
import { type Ctx, mayAccess, resolve } from './access.js';
import { isReadOnly } from './entries.js';
import type { Metadata } from './metadata.js';
import { OK, refuse, type Refused } from './results.js';

const KEEP = 0xffff;

/** GETXATTR of one name. `opened`: through an open file, no rights are looked at. */
export function getXattr(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  name: Buffer,
  opened: boolean,
): Refused | { status: 0; value: Buffer } {
  const { store } = metadata;
  const inode = resolve(store, ctx.session, inodeNumber, opened);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (ctx.uid !== 0 && name.toString('latin1').startsWith('trusted.')) return refuse(MFS_ERROR_EPERM);
  if (!opened && !mayAccess(store, ctx, inode, MODE_MASK_R)) return refuse(MFS_ERROR_EACCES);
  if (name.includes(0)) return refuse(MFS_ERROR_EINVAL);
  const found = store.tables.xattrs.get(inode)?.find((attribute) => attribute.name.equals(name));
  return found === undefined ? refuse(MFS_ERROR_ENOATTR) : { ...OK, value: found.value };
}

/** GETXATTR with an empty name: names, newest first. */
export function listXattrs(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  opened: boolean,
): Refused | { status: 0; names: Buffer[] } {
  const { store } = metadata;
  const inode = resolve(store, ctx.session, inodeNumber, opened);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (!opened && !mayAccess(store, ctx, inode, MODE_MASK_R)) return refuse(MFS_ERROR_EACCES);
  return { ...OK, names: (store.tables.xattrs.get(inode) ?? []).map(({ name }) => name) };
}

/** SETXATTR; `mode` MFS_XATTR_*. Closes the gaps of spec 09 §33 no. 10. */
export function setXattr(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  name: Buffer,
  value: Buffer,
  mode: number,
  opened: boolean,
): Refused {
  const { store } = metadata;
  if ((ctx.session.disables & DISABLE_SETXATTR) !== 0) return refuse(MFS_ERROR_EPERM);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  const inode = resolve(store, ctx.session, inodeNumber, opened);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  const text = name.toString('latin1');
  const eattr = store.nodes.eattr.get(inode);
  if (ctx.uid !== 0) {
    if (text.startsWith('trusted.') || text.startsWith('security.')) return refuse(MFS_ERROR_EPERM);
    const owns = ctx.uid === store.nodes.uid.get(inode) || (eattr & EATTR_NOOWNER) !== 0;
    if (!owns && text.startsWith('system.')) return refuse(MFS_ERROR_EPERM);
  }
  if ((eattr & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
  if (!opened && !mayAccess(store, ctx, inode, MODE_MASK_W)) return refuse(MFS_ERROR_EACCES);
  if (name.includes(0) || name.length === 0 || name.length > MFS_XATTR_NAME_MAX || mode > MFS_XATTR_REMOVE)
    return refuse(MFS_ERROR_EINVAL);
  const old = store.tables.xattrs.get(inode) ?? [];
  const exists = old.some((attribute) => attribute.name.equals(name));
  if (!exists && (mode === MFS_XATTR_REPLACE_ONLY || mode === MFS_XATTR_REMOVE)) return refuse(MFS_ERROR_ENOATTR);
  if (exists && mode === MFS_XATTR_CREATE_ONLY) return refuse(MFS_ERROR_EEXIST);
  if (value.length > MFS_XATTR_SIZE_MAX) return refuse(MFS_ERROR_ERANGE);
  const namesBytes = old.reduce((sum, attribute) => sum + attribute.name.length + 1, name.length + 1);
  if (!exists && namesBytes > MFS_XATTR_LIST_MAX) return refuse(MFS_ERROR_ERANGE);
  const stored = mode === MFS_XATTR_REMOVE ? Buffer.alloc(0) : Buffer.from(value);
  metadata.commit({ op: 'SETXATTR', ts: ctx.now, inode, name: Buffer.from(name), value: stored, mode });
  return OK;
}

/** GETFACL; `type` ACL_ACCESS or ACL_DEFAULT. */
export function getAcl(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  type: number,
  opened = false,
): Refused | { status: 0; acl: Acl } {
  const inode = resolve(metadata.store, ctx.session, inodeNumber, opened);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  const acl = metadata.store.acl(inode, type);
  return acl === undefined ? refuse(MFS_ERROR_ENOATTR) : { ...OK, acl };
}

/** SETFACL; 0xFFFF in user, group and other = as the mode says, in all four and no names = remove. */
export function setAcl(metadata: Metadata, ctx: Ctx, inodeNumber: number, type: number, wanted: Acl): Refused {
  const { store } = metadata;
  const { nodes } = store;
  if ((ctx.session.disables & DISABLE_SETFACL) !== 0) return refuse(MFS_ERROR_EPERM);
  if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  const inode = resolve(store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  const eattr = nodes.eattr.get(inode);
  const foreign = ctx.uid !== 0 && ctx.uid !== nodes.uid.get(inode) && (eattr & EATTR_NOOWNER) === 0;
  if (foreign || (eattr & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
  if (type !== ACL_ACCESS && type !== ACL_DEFAULT) return refuse(MFS_ERROR_EINVAL);
  const named = [...wanted.users, ...wanted.groups];
  const removes = named.length === 0 && [wanted.user, wanted.group, wanted.other, wanted.mask].every((v) => v === KEEP);
  const oldMode = nodes.mode.get(inode);
  let { user, group, other } = wanted;
  let mode = oldMode;
  if (!removes) {
    if (user === KEEP) user = (oldMode >> 6) & 7;
    if (group === KEEP) group = (oldMode >> 3) & 7;
    if (other === KEEP) other = oldMode & 7;
    if (type === ACL_ACCESS) mode = aclMode(oldMode, user, group, other);
  }
  const blob = Buffer.alloc(named.length * 6);
  named.forEach(({ id, perm }, i) => {
    blob.writeUInt32BE(id, i * 6);
    blob.writeUInt16BE(perm, i * 6 + 4);
  });
  const changectime = mode !== oldMode || nodes.ctime.get(inode) === ctx.now ? 1 : 0;
  const counts = { nusers: wanted.users.length, ngroups: wanted.groups.length };
  const fields = { acltype: type, user, group, other, mask: wanted.mask, ...counts };
  metadata.commit({ op: 'SETACL', ts: ctx.now, inode, mode, changectime, ...fields, blob });
  return OK;
}

const aclMode = (mode: number, user: number, group: number, other: number): number =>
  (mode & 0o7000) | ((user & 7) << 6) | ((group & 7) << 3) | (other & 7);
