/** Effects on the attributes of one inode: spec 08 §6.3. */
import { MFS_ERROR_EINVAL } from '@wapiti-fs/protocol';
import { ACL_ACCESS } from '../../store/tables.js';
import { check, checkNode, type Handlers } from './checks.js';

export const attributesEffects = {
  ATTR(store, change) {
    const { nodes } = store;
    const { inode } = change;
    checkNode(store, change, inode);
    check(change.mode <= 0o7777, change, MFS_ERROR_EINVAL, `mode ${change.mode}`);
    nodes.mode.set(inode, change.mode);
    nodes.uid.set(inode, change.uid);
    nodes.gid.set(inode, change.gid);
    nodes.atime.set(inode, change.atime);
    nodes.mtime.set(inode, change.mtime);
    nodes.winattr.set(inode, change.winattr);
    nodes.ctime.set(inode, change.ts);
    const acl = store.acl(inode, ACL_ACCESS);
    if (acl === undefined) return;
    const mode = (change.aclmode & 4096) !== 0 ? change.aclmode : (change.mode & 0o707) | 0o070;
    acl.user = (acl.user & ~7) | ((mode >> 6) & 7);
    acl.mask = (acl.mask & ~7) | ((mode >> 3) & 7);
    acl.other = (acl.other & ~7) | (mode & 7);
    store.setAcl(inode, ACL_ACCESS, acl);
  },
  ACCESS(store, change) {
    checkNode(store, change, change.inode);
    store.nodes.atime.set(change.inode, change.ts);
  },
  AMTIME(store, change) {
    checkNode(store, change, change.inode);
    store.nodes.atime.set(change.inode, change.atime);
    store.nodes.mtime.set(change.inode, change.mtime);
    store.nodes.ctime.set(change.inode, change.ctime);
  },
} satisfies Handlers;
