/** Effects on extended attributes, ACLs and quotas: spec 08 §6.3. */
import {
  MFS_ERROR_EEXIST,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOATTR,
  MFS_ERROR_EPERM,
  MFS_ERROR_ERANGE,
  MFS_ERROR_MISMATCH,
  MFS_XATTR_CREATE_ONLY,
  MFS_XATTR_LIST_MAX,
  MFS_XATTR_NAME_MAX,
  MFS_XATTR_REMOVE,
  MFS_XATTR_REPLACE_ONLY,
  MFS_XATTR_SIZE_MAX,
} from '@wapiti-fs/protocol';
import { ACL_ACCESS, ACL_DEFAULT, type Acl } from '../../store/tables.js';
import { check, checkNode, type Handlers } from './checks.js';

const ABSENT = 0xffff;
const ENTRY_BYTES = 6;

const entries = (blob: Buffer, from: number, count: number): { id: number; perm: number }[] =>
  Array.from({ length: count }, (_, i) => ({
    id: blob.readUInt32BE((from + i) * ENTRY_BYTES),
    perm: blob.readUInt16BE((from + i) * ENTRY_BYTES + 4),
  }));

/** An access ACL that says no more than the mode does. */
export const isPlainAcl = ({ user, group, other, mask, users, groups }: Acl): boolean =>
  users.length + groups.length === 0 && user <= 7 && group <= 7 && other <= 7 && mask === ABSENT;

export const extendedEffects = {
  SETXATTR(store, change) {
    const { inode, name, value, mode, ts } = change;
    checkNode(store, change, inode);
    check(name.length > 0 && name.length <= MFS_XATTR_NAME_MAX, change, MFS_ERROR_EINVAL, 'illegal name');
    check(!name.includes(0) && mode <= MFS_XATTR_REMOVE, change, MFS_ERROR_EINVAL, `name with NUL, or mode ${mode}`);
    const old = store.tables.xattrs.get(inode) ?? [];
    const at = old.findIndex((attribute) => attribute.name.equals(name));
    const needed = mode === MFS_XATTR_REPLACE_ONLY || mode === MFS_XATTR_REMOVE;
    check(at >= 0 || !needed, change, MFS_ERROR_ENOATTR, 'no such attribute');
    check(at < 0 || mode !== MFS_XATTR_CREATE_ONLY, change, MFS_ERROR_EEXIST, 'the attribute exists');
    check(value.length <= MFS_XATTR_SIZE_MAX, change, MFS_ERROR_ERANGE, `value of ${value.length} bytes`);
    if (mode === MFS_XATTR_REMOVE) store.setXattrs(inode, old.toSpliced(at, 1));
    else if (at >= 0) store.setXattrs(inode, old.with(at, { name, value }));
    else {
      const namesBytes = old.reduce((sum, attribute) => sum + attribute.name.length + 1, name.length + 1);
      check(namesBytes <= MFS_XATTR_LIST_MAX, change, MFS_ERROR_ERANGE, `names of ${namesBytes} bytes`);
      store.setXattrs(inode, [{ name, value }, ...old]);
    }
    store.nodes.ctime.set(inode, ts);
  },
  SETACL(store, change) {
    const { inode, acltype, user, group, other, mask, nusers, ngroups, blob } = change;
    checkNode(store, change, inode);
    check(acltype === ACL_ACCESS || acltype === ACL_DEFAULT, change, MFS_ERROR_EINVAL, `ACL type ${acltype}`);
    const expected = (nusers + ngroups) * ENTRY_BYTES;
    check(blob.length === expected, change, MFS_ERROR_MISMATCH, `entries of ${blob.length} bytes, not ${expected}`);
    if (blob.length === 0 && [user, group, other, mask].every((value) => value === ABSENT)) {
      store.setAcl(inode, acltype, undefined);
      return;
    }
    const acl = { user, group, other, mask, users: entries(blob, 0, nusers), groups: entries(blob, nusers, ngroups) };
    store.nodes.mode.set(inode, change.mode & 0o7777);
    if (change.changectime !== 0) store.nodes.ctime.set(inode, change.ts);
    store.setAcl(inode, acltype, acltype === ACL_ACCESS && isPlainAcl(acl) ? undefined : acl);
  },
  QUOTA(store, change) {
    const { inode } = change;
    const { quotas } = store.tables;
    checkNode(store, change, inode);
    check(store.nodes.isDirectory(inode), change, MFS_ERROR_EPERM, `inode ${inode} is no directory`);
    if (change.flags === 0) {
      quotas.delete(inode);
      return;
    }
    const { exceeded, flags, stimestamp, sinodes, hinodes, slength, hlength, ssize, hsize, srealsize, hrealsize } =
      change;
    const values = { exceeded, flags, stimestamp, sinodes, hinodes, slength, hlength };
    const graceperiod = change.graceperiod === 0 ? (quotas.get(inode)?.graceperiod ?? 0) : change.graceperiod;
    quotas.set(inode, { inode, graceperiod, ...values, ssize, hsize, srealsize, hrealsize });
  },
} satisfies Handlers;
