/** Who may do what, what of the tree a session sees, and the attribute record: spec 09 §3.4, §4, §5. */
import {
  type AttributeRecord,
  directorySizeValue,
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_NOACACHE,
  EATTR_NODATACACHE,
  EATTR_NOECACHE,
  EATTR_NOOWNER,
  EATTR_UNDELETABLE,
  LOOKUP_ACCESS_BY_TRIPLET,
  MATTR_ALLOWDATACACHE,
  MATTR_DIRECTMODE,
  MATTR_NOACACHE,
  MATTR_NOECACHE,
  MATTR_NOXATTR,
  MATTR_UNDELETABLE,
  MFS_ROOT_ID,
  SESFLAG_IGNOREGID,
  SESFLAG_MAPALL,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SUSTAINED,
  TYPE_SYMLINK,
  TYPE_TRASH,
} from '@wapiti-fs/protocol';
import type { MetadataStore } from '../store/store.js';
import { ACL_ACCESS } from '../store/tables.js';
import { isAtOrAbove } from './primitives.js';

/** What of a session the operations look at; the stored session record fits. */
export interface SessionView {
  readonly id: number;
  /** 0 = meta session. */
  readonly rootInode: number;
  readonly sesflags: number;
  readonly umask: number;
  readonly disables: number;
}

/** A caller: ids after the session's mapping (`uid`, `gids`), and as sent (`auid`, `agid`). `now` in seconds. */
export interface Ctx {
  readonly now: number;
  readonly session: SessionView;
  readonly uid: number;
  readonly gids: readonly number[];
  readonly auid: number;
  readonly agid: number;
}

/** What access checks look at; a {@link Ctx} fits. */
export interface Caller {
  readonly uid: number;
  readonly gids: readonly number[];
  readonly session: { readonly sesflags: number };
}

export const PROTECTED = EATTR_UNDELETABLE | EATTR_IMMUTABLE | EATTR_APPENDONLY;

/**
 * The node that an inode number of a request means in the session, 0 = none (spec 09 §3.4).
 * @param opened the request is about an open file: no look at ancestors
 */
export function resolve(store: MetadataStore, session: SessionView, inode: number, opened = false): number {
  const { nodes } = store;
  const root = session.rootInode;
  const type = nodes.type.get(inode);
  if (root === 0) return type === TYPE_TRASH || type === TYPE_SUSTAINED ? inode : 0;
  if (root !== MFS_ROOT_ID) {
    if (!nodes.isDirectory(root)) return 0;
    if (inode === MFS_ROOT_ID) return root;
    if (type === 0) return 0;
    if (opened) return inode;
    for (const edge of store.edges.parentEdges(inode)) {
      const parent = store.edges.parent(edge);
      if (parent !== 0 && isAtOrAbove(store, root, parent)) return inode;
    }
    return 0;
  }
  return type === 0 ? 0 : inode;
}

const triplet = (rights: number): number => LOOKUP_ACCESS_BY_TRIPLET[rights & 7] ?? 1;

/** The 8-bit set of granted request masks (spec 09 §4.1, §20.2). */
export function accessSet(store: MetadataStore, ctx: Caller, inode: number): number {
  const { nodes } = store;
  if (ctx.uid === 0) return 0xff;
  const owner = nodes.uid.get(inode);
  const group = nodes.gid.get(inode);
  const acl = store.acl(inode, ACL_ACCESS);
  if (acl !== undefined) {
    if (ctx.uid === owner) return triplet(acl.user);
    const named = acl.users.find((user) => user.id === ctx.uid);
    if (named !== undefined) return triplet(named.perm & acl.mask);
    let set = 0;
    for (const gid of ctx.gids) {
      if (gid === group) set |= triplet(acl.group & acl.mask);
      for (const entry of acl.groups) if (entry.id === gid) set |= triplet(entry.perm & acl.mask);
    }
    return set === 0 ? triplet(acl.other) : set;
  }
  const mode = nodes.mode.get(inode);
  if (ctx.uid === owner || (nodes.eattr.get(inode) & EATTR_NOOWNER) !== 0) return triplet(mode >> 6);
  if ((ctx.session.sesflags & SESFLAG_IGNOREGID) !== 0) return triplet((mode >> 3) | mode);
  return triplet(ctx.gids.includes(group) ? mode >> 3 : mode);
}

export function mayAccess(store: MetadataStore, ctx: Caller, inode: number, mask: number): boolean {
  return (accessSet(store, ctx, inode) & (1 << (mask & 7))) !== 0;
}

/** Sticky rule of spec 09 §4.2. */
export function stickyAllows(store: MetadataStore, ctx: Ctx, directory: number, child: number): boolean {
  const { nodes } = store;
  if (ctx.uid === 0 || (nodes.mode.get(directory) & 0o1000) === 0) return true;
  return [directory, child].some(
    (inode) => nodes.uid.get(inode) === ctx.uid || (nodes.eattr.get(inode) & EATTR_NOOWNER) !== 0,
  );
}

/** The record of spec 09 §5 as the caller's session sees it. `parent`: directory of the name in the reply, if it has one. */
export function attributeRecord(store: MetadataStore, ctx: Ctx, inode: number, parent = 0): AttributeRecord {
  const { nodes } = store;
  const eattr = nodes.eattr.get(inode);
  const mapAll = (ctx.session.sesflags & SESFLAG_MAPALL) !== 0;
  const stored = nodes.type.get(inode);
  const type = stored === TYPE_TRASH || stored === TYPE_SUSTAINED ? TYPE_FILE : stored;
  const noOwner = (eattr & EATTR_NOOWNER) !== 0;
  let flags = mapAll || (eattr & (EATTR_NOOWNER | EATTR_NOACACHE)) !== 0 ? MATTR_NOACACHE : 0;
  if (parent !== 0 && (nodes.eattr.get(parent) & EATTR_NOECACHE) !== 0) flags |= MATTR_NOECACHE;
  flags |= (eattr & EATTR_NODATACACHE) !== 0 ? MATTR_DIRECTMODE : MATTR_ALLOWDATACACHE;
  if (nodes.flags.get(inode) === 0) flags |= MATTR_NOXATTR;
  if ((eattr & PROTECTED) !== 0) flags |= MATTR_UNDELETABLE;
  let mode = nodes.mode.get(inode);
  const acl = store.acl(inode, ACL_ACCESS);
  if (acl !== undefined) mode = (mode & 0o7000) | ((acl.user & 7) << 6) | ((acl.mask & 7) << 3) | (acl.other & 7);
  let uid = nodes.uid.get(inode);
  let gid = nodes.gid.get(inode);
  if (noOwner && ctx.uid !== 0) {
    const own = (mode >> 6) & 7;
    mode = (mode & 0o7700) | (own << 3) | own;
    uid = mapAll ? ctx.auid : ctx.uid;
    gid = mapAll ? ctx.agid : (ctx.gids[0] ?? 0);
  } else if (mapAll && ctx.auid !== 0) {
    uid = uid === ctx.uid ? ctx.auid : 0;
    gid = gid === (ctx.gids[0] ?? 0) ? ctx.agid : 0;
  }
  let length = 0;
  if (type === TYPE_FILE) length = nodes.length.get(inode);
  else if (type === TYPE_DIRECTORY) length = directorySizeValue(store.stats.of(inode).length);
  else if (type === TYPE_SYMLINK) length = nodes.symlinkLength(inode);
  const rdev = type === TYPE_BLOCKDEV || type === TYPE_CHARDEV ? nodes.rdev(inode) : 0;
  const nlink = stored === TYPE_TRASH || stored === TYPE_SUSTAINED ? 0 : nodes.nlink.get(inode);
  return {
    flags,
    type,
    mode,
    uid,
    gid,
    atime: nodes.atime.get(inode),
    mtime: nodes.mtime.get(inode),
    ctime: nodes.ctime.get(inode),
    nlink,
    length,
    rdev,
    winattr: nodes.winattr.get(inode),
  };
}
