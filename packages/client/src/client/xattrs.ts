import {
  CLTOMA_FUSE_GETFACL,
  CLTOMA_FUSE_GETXATTR,
  CLTOMA_FUSE_SETFACL,
  CLTOMA_FUSE_SETXATTR,
  MATOCL_FUSE_GETFACL,
  MATOCL_FUSE_GETXATTR,
  MATOCL_FUSE_SETFACL,
  MATOCL_FUSE_SETXATTR,
  type MessageValue,
  MFS_ERROR_EEXIST,
  MFS_ERROR_ENOATTR,
  MFS_XATTR_CREATE_ONLY,
  MFS_XATTR_CREATE_OR_REPLACE,
  MFS_XATTR_GETA_DATA,
  MFS_XATTR_NAME_MAX,
  MFS_XATTR_REMOVE,
  MFS_XATTR_SIZE_MAX,
} from '@wapiti-fs/protocol';

import { MfsError } from '../errors.js';
import { type Asker, at, identity } from './caller.js';
import type { Caller } from './types.js';

/** An ACL as the wire has it (spec 02 §10.3). */
export type Acl = Omit<
  MessageValue<typeof CLTOMA_FUSE_SETFACL>,
  'msgid' | 'inode' | 'uid' | 'aclType' | 'namedUserCount' | 'namedGroupCount'
>;

/** Extended attributes and ACLs (spec 02 §10). Missing attributes are ENODATA. */
export class Xattrs {
  constructor(private readonly asker: Asker) {}

  async get(caller: Caller, inode: number, name: Buffer): Promise<Buffer> {
    if (name.length === 0 || name.length > MFS_XATTR_NAME_MAX) throw this.range('getxattr', inode, name);
    return this.value(caller, inode, name, 'getxattr');
  }

  async list(caller: Caller, inode: number): Promise<Buffer[]> {
    const names = await this.value(caller, inode, Buffer.alloc(0), 'listxattr');
    const found: Buffer[] = [];
    for (let from = 0; from < names.length;) {
      const end = names.indexOf(0, from);
      if (end < 0) break;
      found.push(names.subarray(from, end));
      from = end + 1;
    }
    return found;
  }

  /** `mode`: MFS_XATTR_CREATE_OR_REPLACE (default), CREATE_ONLY, REPLACE_ONLY. */
  async set(
    caller: Caller,
    inode: number,
    name: Buffer,
    value: Buffer,
    mode = MFS_XATTR_CREATE_OR_REPLACE,
  ): Promise<void> {
    // Such would make changelogs of the reference master unreadable (spec 02 §10.2).
    if (name.length === 0 || name.length > MFS_XATTR_NAME_MAX || value.length > MFS_XATTR_SIZE_MAX)
      throw this.range('setxattr', inode, name);
    await this.asker.tell(
      CLTOMA_FUSE_SETXATTR,
      MATOCL_FUSE_SETXATTR,
      { inode, name, value, mode, opened: 0, ...identity(caller) },
      at('setxattr', caller, inode, name),
      async (status) =>
        mode === MFS_XATTR_CREATE_ONLY &&
        status === MFS_ERROR_EEXIST &&
        (await this.value(caller, inode, name, 'setxattr')).equals(value)
          ? true
          : undefined,
    );
  }

  remove(caller: Caller, inode: number, name: Buffer): Promise<void> {
    return this.asker.tell(
      CLTOMA_FUSE_SETXATTR,
      MATOCL_FUSE_SETXATTR,
      { inode, name, value: Buffer.alloc(0), mode: MFS_XATTR_REMOVE, opened: 0, ...identity(caller) },
      at('removexattr', caller, inode, name),
      async (status) => (status === MFS_ERROR_ENOATTR ? true : undefined),
    );
  }

  /** `aclType`: POSIX_ACL_ACCESS or POSIX_ACL_DEFAULT. */
  async getAcl(caller: Caller, inode: number, aclType: number): Promise<Acl> {
    const { userPerm, groupPerm, otherPerm, mask, namedUsers, namedGroups } = await this.asker.ask(
      CLTOMA_FUSE_GETFACL,
      MATOCL_FUSE_GETFACL,
      { inode, aclType, ignored: Buffer.alloc(0) },
      at('getfacl', caller, inode),
    );
    return { userPerm, groupPerm, otherPerm, mask, namedUsers, namedGroups };
  }

  setAcl(caller: Caller, inode: number, aclType: number, acl: Acl): Promise<void> {
    return this.asker.tell(
      CLTOMA_FUSE_SETFACL,
      MATOCL_FUSE_SETFACL,
      {
        inode,
        uid: caller.uid,
        aclType,
        ...acl,
        namedUserCount: acl.namedUsers.length,
        namedGroupCount: acl.namedGroups.length,
      },
      at('setfacl', caller, inode),
    );
  }

  private async value(caller: Caller, inode: number, name: Buffer, operation: string): Promise<Buffer> {
    const { value } = await this.asker.ask(
      CLTOMA_FUSE_GETXATTR,
      MATOCL_FUSE_GETXATTR,
      { inode, name, mode: MFS_XATTR_GETA_DATA, opened: 0, ...identity(caller) },
      at(operation, caller, inode, name),
    );
    return value;
  }

  private range(operation: string, inode: number, name: Buffer): MfsError {
    return new MfsError('name or value too long, or no name', {
      code: 'ERANGE',
      operation,
      inode,
      path: name.toString(),
    });
  }
}
