/** Extended attributes and ACLs (spec 13 §4.9). */
import { type Caller, FuseError } from '@wapiti-fs/fuse';
import {
  MATTR_NOXATTR,
  MFS_XATTR_CREATE_ONLY,
  MFS_XATTR_CREATE_OR_REPLACE,
  MFS_XATTR_NAME_MAX,
  MFS_XATTR_REPLACE_ONLY,
  MFS_XATTR_SIZE_MAX,
} from '@wapiti-fs/protocol';

import { aclTypeOfName, decodeAclXattr, encodeAclXattr, NO_ACL } from './acl.js';
import type { MountContext } from './context.js';
import { EINVAL, ENODATA, ENOSYS, ERANGE, errnoOf, hasCode } from './errors.js';
import { ExpiringCache } from './expiring-cache.js';

const [XATTR_CREATE, XATTR_REPLACE] = [1, 2];
const MAX_ENTRIES = 100_000;
const ACCESS_ACL = Buffer.from('system.posix_acl_access');
/** The kernel asks for it before every write(2). */
const CAPABILITY = Buffer.from('security.capability');
const IMA = Buffer.from('security.ima');

/** A value, or the errno of the refusal. */
type Known = Buffer | number;

export class Xattrs {
  /** By attribute, then by who asked: what an attribute shows depends on it. */
  private readonly cache: ExpiringCache<string, Map<string, Known>>;
  /** Raised by every change of an attribute, so that an answer on its way back is not remembered. */
  private readonly changes = new Map<string, number>();

  constructor(private readonly context: MountContext) {
    this.cache = new ExpiringCache(context.clock, context.settings.xattrCacheMs, MAX_ENTRIES);
  }

  /** A new file has no capabilities: known without asking. */
  fileMade(inode: number, caller: Caller): void {
    for (const name of [CAPABILITY, IMA]) this.remember(anyone(inode, name), caller, ENODATA);
  }

  getxattr(caller: Caller, inode: number, name: Buffer): Buffer | Promise<Buffer> {
    this.start('getxattr', name);
    const known = this.cache.get(anyone(inode, name))?.get(callerKey(caller));
    if (known !== undefined) return valueOf(known);
    if (this.listedWithout(caller, inode)) throw new FuseError(ENODATA);
    return this.ask(caller, inode, name);
  }

  private async ask(caller: Caller, inode: number, name: Buffer): Promise<Buffer> {
    const { client } = this.context;
    const who = this.context.who(caller);
    const aclType = aclTypeOfName(name);
    const id = anyone(inode, name);
    const before = this.changes.get(id);
    const remember = (known: Known): void => {
      if (this.changes.get(id) === before) this.remember(id, caller, known);
    };
    try {
      const value =
        aclType === undefined
          ? await client.xattrs.get(who, inode, name)
          : encodeAclXattr(await client.xattrs.getAcl(who, inode, aclType));
      remember(value);
      return value;
    } catch (error) {
      // refusals of the master are as good as values; not what came of its absence
      if (hasCode(error, 'ENODATA')) remember(errnoOf(error) ?? ENODATA);
      throw error;
    }
  }

  async listxattr(caller: Caller, inode: number): Promise<Buffer> {
    this.start('listxattr');
    if (this.listedWithout(caller, inode)) return Buffer.alloc(0);
    const names = await this.context.client.xattrs.list(this.context.who(caller), inode);
    return Buffer.concat(names.flatMap((name) => [name, Buffer.alloc(1)]));
  }

  async setxattr(caller: Caller, inode: number, name: Buffer, value: Buffer, flags: number): Promise<void> {
    this.start('setxattr', name);
    if ((flags & XATTR_CREATE) !== 0 && (flags & XATTR_REPLACE) !== 0) throw new FuseError(EINVAL);
    if (value.length > MFS_XATTR_SIZE_MAX) throw new FuseError(ERANGE);
    const { client } = this.context;
    const who = this.context.who(caller);
    const aclType = aclTypeOfName(name);
    this.changed(inode, name);
    if (aclType !== undefined) {
      await client.xattrs.setAcl(who, inode, aclType, decodeAclXattr(value));
    } else {
      const mode =
        flags & XATTR_CREATE
          ? MFS_XATTR_CREATE_ONLY
          : flags & XATTR_REPLACE
            ? MFS_XATTR_REPLACE_ONLY
            : MFS_XATTR_CREATE_OR_REPLACE;
      await client.xattrs.set(who, inode, name, value, mode);
    }
    this.changed(inode, name);
  }

  async removexattr(caller: Caller, inode: number, name: Buffer): Promise<void> {
    this.start('removexattr', name);
    const { client } = this.context;
    const who = this.context.who(caller);
    const aclType = aclTypeOfName(name);
    if (aclType === undefined) await client.xattrs.remove(who, inode, name);
    else await client.xattrs.setAcl(who, inode, aclType, NO_ACL);
    this.changed(inode, name);
  }

  /** chmod changes the ACL too. */
  modeChanged(inode: number): void {
    this.changed(inode, ACCESS_ACL);
  }

  private start(operation: 'getxattr' | 'setxattr' | 'listxattr' | 'removexattr', name?: Buffer): void {
    if (!this.context.settings.xattrs) throw new FuseError(ENOSYS);
    this.context.counters.add(operation);
    if (name !== undefined && name.length > MFS_XATTR_NAME_MAX) throw new FuseError(ERANGE);
  }

  private remember(id: string, caller: Caller, known: Known): void {
    const byCaller = this.cache.get(id);
    if (byCaller === undefined) this.cache.set(id, new Map([[callerKey(caller), known]]));
    else byCaller.set(callerKey(caller), known);
  }

  private listedWithout(caller: Caller, inode: number): boolean {
    const listed = this.context.openDirectories.findInode(caller, inode);
    return listed?.attributes !== undefined && (listed.attributes.flags & MATTR_NOXATTR) !== 0;
  }

  private changed(inode: number, name: Buffer): void {
    const id = anyone(inode, name);
    if (this.changes.size >= MAX_ENTRIES) this.changes.clear();
    this.changes.set(id, (this.changes.get(id) ?? 0) + 1);
    this.cache.delete(id);
    this.context.openDirectories.inodeChanged(inode);
  }
}

function valueOf(known: Known): Buffer {
  if (typeof known === 'number') throw new FuseError(known);
  return known;
}

function anyone(inode: number, name: Buffer): string {
  return `${inode}/${name.toString('latin1')}`;
}

function callerKey(caller: Caller): string {
  return `${caller.uid}:${caller.gid}`;
}
