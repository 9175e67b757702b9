/** Extended attributes and ACLs (spec 02 §10). */
import { getAcl, getXattr, listXattrs, setAcl, setXattr } from '@wapiti-fs/metadata';
import {
  CLTOMA_FUSE_GETFACL,
  CLTOMA_FUSE_GETXATTR,
  CLTOMA_FUSE_SETFACL,
  CLTOMA_FUSE_SETXATTR,
  MATOCL_FUSE_GETFACL,
  MATOCL_FUSE_GETXATTR,
  MATOCL_FUSE_SETFACL,
  MATOCL_FUSE_SETXATTR,
  MFS_ERROR_EINVAL,
} from '@wapiti-fs/protocol';

import type { Request, Requests } from './request.js';

const DATA = 0;
const LENGTH_ONLY = 1;
const NUL = Buffer.alloc(1);
const NO_BYTES = Buffer.alloc(0);

const getxattr: Request = (client, payload) => {
  const { msgid, inode, name, mode, opened, uid, gids } = CLTOMA_FUSE_GETXATTR.decode(payload);
  const { metadata } = client.service.master;
  const ctx = client.context(uid, gids);
  const refuse = (status: number): Buffer => MATOCL_FUSE_GETXATTR.encode({ variant: 'status', msgid, status });
  if (mode > LENGTH_ONLY) return refuse(MFS_ERROR_EINVAL);
  let value: Buffer;
  if (name.length === 0) {
    const listed = listXattrs(metadata, ctx, inode, opened !== 0);
    if (!('names' in listed)) return refuse(listed.status);
    value = Buffer.concat(listed.names.flatMap((one) => [one, NUL]));
  } else {
    const found = getXattr(metadata, ctx, inode, name, opened !== 0);
    if (!('value' in found)) return refuse(found.status);
    ({ value } = found);
  }
  return MATOCL_FUSE_GETXATTR.encode({
    variant: 'ok',
    msgid,
    length: value.length,
    value: mode === DATA ? value : NO_BYTES,
  });
};

const setxattr: Request = (client, payload) => {
  const { msgid, inode, name, value, mode, opened, uid, gids } = CLTOMA_FUSE_SETXATTR.decode(payload);
  const { metadata } = client.service.master;
  // name and value stay in the metadata; the payload does not
  const [ownName, ownValue] = [Buffer.from(name), Buffer.from(value)];
  const { status } = setXattr(metadata, client.context(uid, gids), inode, ownName, ownValue, mode, opened !== 0);
  return MATOCL_FUSE_SETXATTR.encode({ msgid, status });
};

const getfacl: Request = (client, payload) => {
  const { msgid, inode, aclType } = CLTOMA_FUSE_GETFACL.decode(payload);
  const found = getAcl(client.service.master.metadata, client.anonymous(), inode, aclType, true);
  if (!('acl' in found)) return MATOCL_FUSE_GETFACL.encode({ variant: 'status', msgid, status: found.status });
  const { user, group, other, mask, users, groups } = found.acl;
  return MATOCL_FUSE_GETFACL.encode({
    variant: 'ok',
    msgid,
    userPerm: user,
    groupPerm: group,
    otherPerm: other,
    mask,
    namedUserCount: users.length,
    namedGroupCount: groups.length,
    namedUsers: users,
    namedGroups: groups,
  });
};

const setfacl: Request = (client, payload) => {
  const request = CLTOMA_FUSE_SETFACL.decode(payload);
  const { msgid, inode, uid, aclType } = request;
  const { status } = setAcl(client.service.master.metadata, client.context(uid, [0]), inode, aclType, {
    user: request.userPerm,
    group: request.groupPerm,
    other: request.otherPerm,
    mask: request.mask,
    users: request.namedUsers,
    groups: request.namedGroups,
  });
  return MATOCL_FUSE_SETFACL.encode({ msgid, status });
};

export const extendedRequests: Requests = new Map<number, Request>([
  [CLTOMA_FUSE_GETXATTR.type, getxattr],
  [CLTOMA_FUSE_SETXATTR.type, setxattr],
  [CLTOMA_FUSE_GETFACL.type, getfacl],
  [CLTOMA_FUSE_SETFACL.type, setfacl],
]);
