/** POSIX ACLs between their extended attributes, as the kernel gives them, and messages of the master (spec 13 §4.9). */
import type { Acl } from '@wapiti-fs/client';
import { FuseError } from '@wapiti-fs/fuse';

type AclEntry = Acl['namedUsers'][number];

/** A permission of 0…7, or this. */
export const ACL_ABSENT = 0xffff;
export const ACL_ACCESS = 1;
export const ACL_DEFAULT = 2;
export const NO_ACL: Acl = {
  userPerm: ACL_ABSENT,
  groupPerm: ACL_ABSENT,
  otherPerm: ACL_ABSENT,
  mask: ACL_ABSENT,
  namedUsers: [],
  namedGroups: [],
};

const EINVAL = 22;
const VERSION = 2;
const UNNAMED = 0xffffffff;
const [USER, NAMED_USER, GROUP, NAMED_GROUP, MASK, OTHER] = [1, 2, 4, 8, 16, 32];

/** ACL_ACCESS or ACL_DEFAULT for the name of an ACL's attribute. */
export function aclTypeOfName(name: Buffer): number | undefined {
  const text = name.toString('latin1');
  if (text === 'system.posix_acl_access') return ACL_ACCESS;
  return text === 'system.posix_acl_default' ? ACL_DEFAULT : undefined;
}

export function encodeAclXattr(acl: Acl): Buffer {
  const entries: [tag: number, perm: number, id: number][] = [];
  const unnamed = (tag: number, perm: number): void => {
    if (perm !== ACL_ABSENT) entries.push([tag, perm, UNNAMED]);
  };
  unnamed(USER, acl.userPerm);
  for (const { id, perm } of acl.namedUsers) entries.push([NAMED_USER, perm, id]);
  unnamed(GROUP, acl.groupPerm);
  for (const { id, perm } of acl.namedGroups) entries.push([NAMED_GROUP, perm, id]);
  unnamed(MASK, acl.mask);
  unnamed(OTHER, acl.otherPerm);
  const value = Buffer.alloc(4 + 8 * entries.length);
  value.writeUInt32LE(VERSION, 0);
  entries.forEach(([tag, perm, id], index) => {
    value.writeUInt16LE(tag, 4 + 8 * index);
    value.writeUInt16LE(perm, 6 + 8 * index);
    value.writeUInt32LE(id, 8 + 8 * index);
  });
  return value;
}

/** Throws FuseError(EINVAL) for what is no ACL, or names somebody without having a mask. */
export function decodeAclXattr(value: Buffer): Acl {
  if (value.length % 8 !== 4 || value.readUInt32LE(0) !== VERSION) throw new FuseError(EINVAL, 'not an ACL');
  const unnamed = new Map<number, number>();
  const namedUsers: AclEntry[] = [];
  const namedGroups: AclEntry[] = [];
  for (let at = 4; at < value.length; at += 8) {
    const tag = value.readUInt16LE(at);
    const perm = value.readUInt16LE(at + 2);
    const id = value.readUInt32LE(at + 4);
    if (perm > 7) throw new FuseError(EINVAL, `ACL permission ${perm}`);
    if (tag === NAMED_USER) namedUsers.push({ id, perm });
    else if (tag === NAMED_GROUP) namedGroups.push({ id, perm });
    else if (![USER, GROUP, MASK, OTHER].includes(tag) || unnamed.has(tag))
      throw new FuseError(EINVAL, `ACL tag ${tag}`);
    else unnamed.set(tag, perm);
  }
  const isTwice = (list: readonly AclEntry[]): boolean => new Set(list.map(({ id }) => id)).size < list.length;
  if (isTwice(namedUsers) || isTwice(namedGroups)) throw new FuseError(EINVAL, 'ACL entry given twice');
  if (namedUsers.length + namedGroups.length > 0 && !unnamed.has(MASK)) throw new FuseError(EINVAL, 'ACL without mask');
  return {
    userPerm: unnamed.get(USER) ?? ACL_ABSENT,
    groupPerm: unnamed.get(GROUP) ?? ACL_ABSENT,
    otherPerm: unnamed.get(OTHER) ?? ACL_ABSENT,
    mask: unnamed.get(MASK) ?? ACL_ABSENT,
    namedUsers,
    namedGroups,
  };
}
