/** Extended attributes and ACLs (spec 02 §10, 09 §19, §20). */
import { ACL_ACCESS, ACL_DEFAULT, mayAccess, resolve } from '@wapiti-fs/metadata';
import {
  CLTOMA_FUSE_GETFACL,
  CLTOMA_FUSE_GETXATTR,
  MATOCL_FUSE_GETFACL,
  MATOCL_FUSE_GETXATTR,
  MFS_ERROR_EACCES,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOATTR,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MODE_MASK_R,
} from '@wapiti-fs/protocol';

import type { Request, Requests } from './request.js';

const DATA = 0;
const LENGTH_ONLY = 1;
const NUL = Buffer.alloc(1);

const getxattr: Request = (client, payload) => {
  const { msgid, inode, name, mode, opened, uid, gids } = CLTOMA_FUSE_GETXATTR.decode(payload);
  const { store } = client.service.master.metadata;
  const ctx = client.context(uid, gids);
  const refuse = (status: number): Buffer => MATOCL_FUSE_GETXATTR.encode({ variant: 'status', msgid, status });
  if (mode > LENGTH_ONLY) return refuse(MFS_ERROR_EINVAL);
  const node = resolve(store, ctx.session, inode, opened !== 0);
  if (node === 0) return refuse(MFS_ERROR_ENOENT);
  if (name.length > 0 && ctx.uid !== 0 && name.toString('latin1').startsWith('trusted.'))
    return refuse(MFS_ERROR_EPERM);
  if (opened === 0 && !mayAccess(store, ctx, node, MODE_MASK_R)) return refuse(MFS_ERROR_EACCES);
  if (name.includes(0)) return refuse(MFS_ERROR_EINVAL);
  const attributes = store.tables.xattrs.get(node) ?? [];
  const value =
    name.length === 0
      ? Buffer.concat(attributes.flatMap((one) => [one.name, NUL]))
      : attributes.find((one) => one.name.equals(name))?.value;
  if (value === undefined) return refuse(MFS_ERROR_ENOATTR);
  const shown = mode === DATA ? value : Buffer.alloc(0);
  return MATOCL_FUSE_GETXATTR.encode({ variant: 'ok', msgid, length: value.length, value: shown });
};

const getfacl: Request = (client, payload) => {
  const { msgid, inode, aclType } = CLTOMA_FUSE_GETFACL.decode(payload);
  const { store } = client.service.master.metadata;
  const refuse = (status: number): Buffer => MATOCL_FUSE_GETFACL.encode({ variant: 'status', msgid, status });
  const node = resolve(store, client.anonymous().session, inode, true);
  if (node === 0) return refuse(MFS_ERROR_ENOENT);
  const acl = aclType === ACL_ACCESS || aclType === ACL_DEFAULT ? store.acl(node, aclType) : undefined;
  if (acl === undefined) return refuse(MFS_ERROR_ENOATTR);
  return MATOCL_FUSE_GETFACL.encode({
    variant: 'ok',
    msgid,
    userPerm: acl.user,
    groupPerm: acl.group,
    otherPerm: acl.other,
    mask: acl.mask,
    namedUserCount: acl.users.length,
    namedGroupCount: acl.groups.length,
    namedUsers: acl.users,
    namedGroups: acl.groups,
  });
};

export const extendedRequests: Requests = new Map<number, Request>([
  [CLTOMA_FUSE_GETXATTR.type, getxattr],
  [CLTOMA_FUSE_GETFACL.type, getfacl],
]);
