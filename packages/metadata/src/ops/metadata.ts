/** Live operations: checks in the order of spec 09, then one record, journalled and applied. */
import {
  type AttributeRecord,
  DISABLE_CREATE,
  DISABLE_LINK,
  DISABLE_MKDEV,
  DISABLE_MKDIR,
  DISABLE_MKFIFO,
  DISABLE_MKSOCK,
  DISABLE_MOVE,
  DISABLE_READDIR,
  DISABLE_RENAME,
  DISABLE_RMDIR,
  DISABLE_SYMLINK,
  DISABLE_UNLINK,
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_NODATACACHE,
  EATTR_NOECACHE,
  LOOKUP_ACCESS_MODES_RO,
  LOOKUP_APPENDONLY,
  LOOKUP_DIRECTMODE,
  LOOKUP_IMMUTABLE,
  LOOKUP_RO_FILESYSTEM,
  MFS_ERROR_EACCES,
  MFS_ERROR_EEXIST,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOENT,
  MFS_ERROR_ENOENT_NOCACHE,
  MFS_ERROR_ENOTDIR,
  MFS_ERROR_ENOTEMPTY,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MFS_ERROR_NOSPACE,
  MFS_ROOT_ID,
  MFS_STATUS_OK,
  MFS_SYMLINK_MAX,
  MODE_MASK_R,
  MODE_MASK_W,
  MODE_MASK_X,
  SESFLAG_READONLY,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_FIFO,
  TYPE_FILE,
  TYPE_SOCKET,
  TYPE_SUSTAINED,
  TYPE_SYMLINK,
  TYPE_TRASH,
} from '@wapiti-fs/protocol';
import type { MetadataStore } from '../store/store.js';
import type { SessionParameters } from '../store/tables.js';
import { accessSet, attributeRecord, type Ctx, mayAccess, PROTECTED, resolve, stickyAllows } from './access.js';
import { applyRecord, isTrashDue } from './apply.js';
import { isAtOrAbove, isLegalName } from './primitives.js';
import type { Change } from './records.js';

/** Called with each change and its number before it is applied. */
export type Journal = (version: number, change: Change) => void;

export interface MetadataOptions {
  readonly maxHardLinks: number;
  /** Seconds before the number of a removed inode may be used again. */
  readonly inodeReuseDelayS: number;
}

export const DEFAULT_METADATA_OPTIONS: MetadataOptions = { maxHardLinks: 32767, inodeReuseDelayS: 86400 };

/** A refusal: a status other than 0, and nothing else. */
export interface Refused {
  readonly status: number;
}
export interface Entry {
  readonly status: 0;
  readonly inode: number;
  readonly attributes: AttributeRecord;
}
export interface DirectoryEntry {
  readonly name: Buffer;
  /** As shown to the session: its root is 1. */
  readonly inode: number;
  readonly attributes: AttributeRecord;
}

const OK = { status: MFS_STATUS_OK } as const;
const refuse = (status: number): Refused => ({ status });
const isEntry = (result: object): result is { edge: number; parent: number } => 'edge' in result;
const DISABLE_BY_TYPE: Readonly<Record<number, number>> = {
  [TYPE_FILE]: DISABLE_CREATE,
  [TYPE_FIFO]: DISABLE_MKFIFO,
  [TYPE_BLOCKDEV]: DISABLE_MKDEV,
  [TYPE_CHARDEV]: DISABLE_MKDEV,
  [TYPE_SOCKET]: DISABLE_MKSOCK,
};
const READDIR_END = 0x7fffffffffffffffn;

export class Metadata {
  constructor(
    readonly store: MetadataStore,
    private readonly journal: Journal,
    private readonly options: MetadataOptions = DEFAULT_METADATA_OPTIONS,
  ) {}

  /** Journals and applies a planned change. */
  commit(change: Change): void {
    this.journal(this.store.version, change);
    applyRecord(this.store, change);
  }

  // --- reading -----------------------------------------------------------------------------------------------------

  /** Spec 09 §6.2. `flags` is the flags word of the reply without the cache and chunk-0 bits. */
  lookup(ctx: Ctx, parentInode: number, name: Buffer): Refused | (Entry & { flags: number }) {
    const { nodes, edges } = this.store;
    const parent = resolve(this.store, ctx.session, parentInode);
    if (parent === 0) return refuse(MFS_ERROR_ENOENT_NOCACHE);
    if (!nodes.isDirectory(parent)) return refuse(MFS_ERROR_ENOTDIR);
    if (!mayAccess(this.store, ctx, parent, MODE_MASK_X)) return refuse(MFS_ERROR_EACCES);
    let inode: number;
    if (name.equals(Buffer.from('.'))) inode = parent;
    else if (name.equals(Buffer.from('..'))) inode = this.parentOf(ctx, parent);
    else {
      if (!isLegalName(name)) return refuse(MFS_ERROR_EINVAL);
      const edge = edges.find(parent, name);
      if (edge === 0)
        return refuse((nodes.eattr.get(parent) & EATTR_NOECACHE) !== 0 ? MFS_ERROR_ENOENT_NOCACHE : MFS_ERROR_ENOENT);
      inode = edges.child(edge);
    }
    const eattr = nodes.eattr.get(inode);
    let flags = accessSet(this.store, ctx, inode);
    if ((eattr & EATTR_IMMUTABLE) !== 0) flags = (flags & LOOKUP_ACCESS_MODES_RO) | LOOKUP_IMMUTABLE;
    if ((eattr & EATTR_APPENDONLY) !== 0) flags |= LOOKUP_APPENDONLY;
    if ((eattr & EATTR_NODATACACHE) !== 0) flags |= LOOKUP_DIRECTMODE;
    if (isReadOnly(ctx)) flags |= LOOKUP_RO_FILESYSTEM;
    return { ...this.entry(ctx, inode, parent), flags };
  }

  /** Spec 09 §6.3. */
  getattr(ctx: Ctx, inodeNumber: number, opened = false): Refused | { status: 0; attributes: AttributeRecord } {
    const inode = resolve(this.store, ctx.session, inodeNumber, opened);
    if (inode === 0) return refuse(MFS_ERROR_ENOENT);
    return { ...OK, attributes: attributeRecord(this.store, ctx, inode) };
  }

  /** Spec 09 §6.1. */
  access(ctx: Ctx, inodeNumber: number, mask: number): Refused {
    const writes = (mask & MODE_MASK_W) !== 0;
    if (writes && isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
    const inode = resolve(this.store, ctx.session, inodeNumber, true);
    if (inode === 0) return refuse(MFS_ERROR_ENOENT);
    if (writes && (this.store.nodes.eattr.get(inode) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
    return mayAccess(this.store, ctx, inode, mask) ? OK : refuse(MFS_ERROR_EACCES);
  }

  /** Spec 09 §6.6. */
  readlink(ctx: Ctx, inodeNumber: number): Refused | { status: 0; target: Buffer } {
    const inode = resolve(this.store, ctx.session, inodeNumber);
    if (inode === 0) return refuse(MFS_ERROR_ENOENT);
    if (this.store.nodes.type.get(inode) !== TYPE_SYMLINK) return refuse(MFS_ERROR_EINVAL);
    return { ...OK, target: this.store.nodes.symlink(inode) };
  }

  /** Spec 09 §24: `.` (cookie 0), `..` (1), then children newest first; `next` is the cookie to go on with. */
  readdir(
    ctx: Ctx,
    inodeNumber: number,
    cookie: bigint,
    maxEntries: number,
    withAttributes: boolean,
  ): Refused | { status: 0; entries: DirectoryEntry[]; next: bigint } {
    const { nodes, edges } = this.store;
    if ((ctx.session.disables & DISABLE_READDIR) !== 0) return refuse(MFS_ERROR_EPERM);
    const directory = resolve(this.store, ctx.session, inodeNumber);
    if (directory === 0) return refuse(MFS_ERROR_ENOENT);
    if (!nodes.isDirectory(directory)) return refuse(MFS_ERROR_ENOTDIR);
    const mask = withAttributes ? MODE_MASK_R | MODE_MASK_X : MODE_MASK_R;
    if (cookie === 0n && !mayAccess(this.store, ctx, directory, mask)) return refuse(MFS_ERROR_EACCES);
    const entries: DirectoryEntry[] = [];
    const add = (name: Buffer, inode: number, parent: number): void => {
      entries.push({
        name,
        inode: this.shown(ctx, inode),
        attributes: attributeRecord(this.store, ctx, inode, parent),
      });
    };
    if (cookie === 0n && entries.length < maxEntries) add(Buffer.from('.'), directory, 0);
    if (cookie <= 1n && entries.length < maxEntries) add(Buffer.from('..'), this.parentOf(ctx, directory), 0);
    else if (cookie <= 1n) return { ...OK, entries, next: cookie + BigInt(entries.length) };
    for (const edge of edges.childEdges(directory)) {
      const id = edges.edgeId(edge);
      if (cookie > 1n && id < cookie) continue;
      if (entries.length >= maxEntries) return { ...OK, entries, next: id };
      add(edges.name(edge), edges.child(edge), directory);
    }
    return { ...OK, entries, next: READDIR_END };
  }

  // --- names -------------------------------------------------------------------------------------------------------

  /** Spec 09 §6.4, also mkdir (type directory). `copySgid`: see §2.4. */
  mknod(
    ctx: Ctx,
    parentInode: number,
    name: Buffer,
    type: number,
    mode: number,
    cumask: number,
    rdev = 0,
    copySgid = false,
  ): Refused | Entry {
    const { nodes } = this.store;
    const isMkdir = type === TYPE_DIRECTORY && copySgid;
    const disable = type === TYPE_DIRECTORY ? DISABLE_MKDIR : (DISABLE_BY_TYPE[type] ?? 0);
    if ((ctx.session.disables & disable) !== 0) return refuse(MFS_ERROR_EPERM);
    if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
    if (type < TYPE_FILE || type > TYPE_SOCKET || type === TYPE_SYMLINK) return refuse(MFS_ERROR_EINVAL);
    const place = this.placeForName(ctx, parentInode, name);
    if ('status' in place) return place;
    const { parent } = place;
    const inheritsGroup = (nodes.mode.get(parent) & 0o2000) !== 0;
    const gid = inheritsGroup ? nodes.gid.get(parent) : (ctx.gids[0] ?? 0);
    const finalMode = isMkdir && inheritsGroup ? mode | 0o2000 : mode;
    const inode = this.store.freeInodes.next();
    this.commit({
      op: 'CREATE',
      ts: ctx.now,
      parent,
      name,
      type,
      mode: finalMode,
      cumask: cumask | ctx.session.umask,
      uid: ctx.uid,
      gid,
      rdev,
      inode,
    });
    return this.entry(ctx, inode, parent);
  }

  /** Spec 09 §6.5. */
  symlink(ctx: Ctx, parentInode: number, name: Buffer, target: Buffer): Refused | Entry {
    if ((ctx.session.disables & DISABLE_SYMLINK) !== 0) return refuse(MFS_ERROR_EPERM);
    if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
    let length = target.length;
    while (length > 0 && target[length - 1] === 0) length--;
    const clean = target.subarray(0, length);
    if (length === 0 || length > MFS_SYMLINK_MAX || clean.includes(0)) return refuse(MFS_ERROR_EINVAL);
    const place = this.placeForName(ctx, parentInode, name);
    if ('status' in place) return place;
    const inode = this.store.freeInodes.next();
    this.commit({
      op: 'SYMLINK',
      ts: ctx.now,
      parent: place.parent,
      name,
      target: clean,
      uid: ctx.uid,
      gid: ctx.gids[0] ?? 0,
      inode,
    });
    return this.entry(ctx, inode, place.parent);
  }

  /** Spec 09 §6.9. */
  link(ctx: Ctx, inodeNumber: number, parentInode: number, name: Buffer): Refused | Entry {
    const { nodes } = this.store;
    if ((ctx.session.disables & DISABLE_LINK) !== 0) return refuse(MFS_ERROR_EPERM);
    if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
    const inode = resolve(this.store, ctx.session, inodeNumber);
    if (inode === 0 || resolve(this.store, ctx.session, parentInode) === 0) return refuse(MFS_ERROR_ENOENT);
    const type = nodes.type.get(inode);
    if ((nodes.eattr.get(inode) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
    if (type === TYPE_TRASH || type === TYPE_SUSTAINED) return refuse(MFS_ERROR_ENOENT);
    if (type === TYPE_DIRECTORY) return refuse(MFS_ERROR_EPERM);
    if (nodes.nlink.get(inode) >= this.options.maxHardLinks) return refuse(MFS_ERROR_NOSPACE);
    const place = this.placeForName(ctx, parentInode, name);
    if ('status' in place) return place;
    this.commit({ op: 'LINK', ts: ctx.now, inode, parent: place.parent, name });
    return this.entry(ctx, inode, place.parent);
  }

  /** Spec 09 §6.7: unlink, or rmdir with `directory`. */
  unlink(ctx: Ctx, parentInode: number, name: Buffer, directory: boolean): Refused | { status: 0; inode: number } {
    const { nodes, edges } = this.store;
    if ((ctx.session.disables & (directory ? DISABLE_RMDIR : DISABLE_UNLINK)) !== 0) return refuse(MFS_ERROR_EPERM);
    if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
    const found = this.removableEntry(ctx, parentInode, name);
    if (!isEntry(found)) return found;
    const inode = edges.child(found.edge);
    if ((nodes.eattr.get(inode) & PROTECTED) !== 0) return refuse(MFS_ERROR_EPERM);
    if (directory !== nodes.isDirectory(inode)) return refuse(directory ? MFS_ERROR_ENOTDIR : MFS_ERROR_EPERM);
    if (directory && nodes.firstChild(inode) !== 0) return refuse(MFS_ERROR_ENOTEMPTY);
    this.commit({ op: 'UNLINK', ts: ctx.now, parent: found.parent, name, inode });
    return { ...OK, inode };
  }

  /** Spec 09 §6.8, with the safe answers of §33 nos. 1-4. */
  rename(ctx: Ctx, srcParentInode: number, srcName: Buffer, dstParentInode: number, dstName: Buffer): Refused | Entry {
    const { nodes, edges } = this.store;
    const { disables } = ctx.session;
    const renames = !srcName.equals(dstName);
    const moves = srcParentInode !== dstParentInode;
    const noRename = (disables & DISABLE_RENAME) !== 0;
    const noMove = (disables & DISABLE_MOVE) !== 0;
    if ((noRename && noMove) || (noRename && renames) || (noMove && moves)) return refuse(MFS_ERROR_EPERM);
    if (isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
    const dstParent = resolve(this.store, ctx.session, dstParentInode);
    if (resolve(this.store, ctx.session, srcParentInode) === 0 || dstParent === 0) return refuse(MFS_ERROR_ENOENT);
    const found = this.removableEntry(ctx, srcParentInode, srcName);
    if (!isEntry(found)) return found;
    const inode = edges.child(found.edge);
    const isDirectory = nodes.isDirectory(inode);
    if (!nodes.isDirectory(dstParent)) return refuse(MFS_ERROR_ENOTDIR);
    if ((nodes.eattr.get(dstParent) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
    if (!mayAccess(this.store, ctx, dstParent, MODE_MASK_W | MODE_MASK_X)) return refuse(MFS_ERROR_EACCES);
    if ((nodes.eattr.get(inode) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
    if (isDirectory && isAtOrAbove(this.store, inode, dstParent)) return refuse(MFS_ERROR_EINVAL);
    if (isDirectory && found.parent !== dstParent && !mayAccess(this.store, ctx, inode, MODE_MASK_W))
      return refuse(MFS_ERROR_EACCES);
    if (!isLegalName(dstName)) return refuse(MFS_ERROR_EINVAL);
    const target = edges.find(dstParent, dstName);
    if (target !== 0) {
      const replaced = edges.child(target);
      const overDirectory = nodes.isDirectory(replaced);
      if ((disables & (overDirectory ? DISABLE_RMDIR : DISABLE_UNLINK)) !== 0) return refuse(MFS_ERROR_EPERM);
      if (replaced === inode) return this.entry(ctx, inode, dstParent);
      if (isDirectory !== overDirectory) return refuse(isDirectory ? MFS_ERROR_ENOTDIR : MFS_ERROR_EPERM);
      if (overDirectory && nodes.firstChild(replaced) !== 0) return refuse(MFS_ERROR_ENOTEMPTY);
      if (!stickyAllows(this.store, ctx, dstParent, replaced)) return refuse(MFS_ERROR_EPERM);
      if ((nodes.eattr.get(replaced) & PROTECTED) !== 0) return refuse(MFS_ERROR_EPERM);
    }
    this.commit({ op: 'MOVE', ts: ctx.now, srcParent: found.parent, srcName, dstParent, dstName, inode });
    return this.entry(ctx, inode, dstParent);
  }

  // --- sessions, open files, timers ----------------------------------------------------------------------------------

  /** A new session (spec 09 §3.6). */
  createSession(now: number, parameters: SessionParameters): number {
    const sessionId = this.store.tables.nextSessionId;
    this.commit({ op: 'SESADD', ts: now, ...parameters, sessionId });
    return sessionId;
  }

  /** An existing session registered anew. */
  changeSession(now: number, sessionId: number, parameters: SessionParameters): boolean {
    if (!this.store.tables.sessions.has(sessionId)) return false;
    this.commit({ op: 'SESCHANGED', ts: now, ...parameters, sessionId });
    return true;
  }

  disconnectSession(now: number, sessionId: number): void {
    if (this.store.tables.sessions.has(sessionId)) this.commit({ op: 'SESDISCONNECTED', ts: now, sessionId });
  }

  removeSession(now: number, sessionId: number): void {
    if (this.store.tables.sessions.has(sessionId)) this.commit({ op: 'SESDEL', ts: now, sessionId });
  }

  /** Adds a file to the session's open set. */
  acquire(now: number, sessionId: number, inode: number): void {
    if (!this.store.tables.openFiles.has(sessionId, inode)) this.commit({ op: 'ACQUIRE', ts: now, sessionId, inode });
  }

  /** Replaces the session's whole open set (spec 09 §23). */
  setOpenFiles(now: number, sessionId: number, inodes: readonly number[]): void {
    const wanted = new Set(inodes.filter((inode) => inode !== 0));
    for (const inode of [...(this.store.tables.openFiles.bySession.get(sessionId) ?? [])]) {
      if (!wanted.has(inode)) this.commit({ op: 'RELEASE', ts: now, sessionId, inode });
    }
    for (const inode of [...wanted].sort((a, b) => a - b)) this.acquire(now, sessionId, inode);
  }

  /** One list of the trash and of the sustained files; call each second with a counter (spec 09 §13.2). */
  emptyDetached(now: number, tick: number): void {
    const { edges, tables } = this.store;
    const trash = {
      op: 'EMPTYTRASH',
      ts: now,
      bucket: tick % TRASH_BUCKETS,
      freed: 0,
      sustained: 0,
      checksum: 0,
    } as const;
    const due = [...edges.detachedEdges('trash', trash.bucket)]
      .map((e) => edges.child(e))
      .filter((i) => isTrashDue(this.store, i, now));
    if (due.length > 0) {
      const sustained = due.filter((inode) => tables.openFiles.isOpen(inode)).length;
      this.commit({ ...trash, freed: due.length - sustained, sustained, checksum: xor(due) });
    }
    const bucket = tick % SUSTAINED_BUCKETS;
    const closed = [...edges.detachedEdges('sustained', bucket)]
      .map((e) => edges.child(e))
      .filter((i) => !tables.openFiles.isOpen(i));
    if (closed.length > 0)
      this.commit({ op: 'EMPTYSUSTAINED', ts: now, bucket, freed: closed.length, checksum: xor(closed) });
  }

  /** Releases inode numbers whose delay is over; call each minute (spec 09 §25). */
  releaseInodes(now: number): void {
    const delay = this.options.inodeReuseDelayS;
    const due: number[] = [];
    for (const { inode, time } of this.store.freeInodes.entries()) {
      if (Math.min(time, now) + delay >= now) break;
      due.push(inode);
    }
    if (due.length === 0) return;
    const requeued = due.filter((inode) => this.store.tables.openFiles.isOpen(inode)).length;
    this.commit({ op: 'FREEINODES', ts: now, delay, freed: due.length - requeued, requeued, checksum: xor(due) });
  }

  // --- shared ------------------------------------------------------------------------------------------------------

  private entry(ctx: Ctx, inode: number, parent: number): Entry {
    return { ...OK, inode: this.shown(ctx, inode), attributes: attributeRecord(this.store, ctx, inode, parent) };
  }

  private shown(ctx: Ctx, inode: number): number {
    return inode === ctx.session.rootInode ? MFS_ROOT_ID : inode;
  }

  private parentOf(ctx: Ctx, directory: number): number {
    const edge = this.store.nodes.firstParentEdge.get(directory);
    if (directory === ctx.session.rootInode || edge === 0) return ctx.session.rootInode;
    return this.store.edges.parent(edge);
  }

  /** find, dir, imm, wx, name, free of spec 09 §6. */
  private placeForName(ctx: Ctx, parentInode: number, name: Buffer): Refused | { parent: number } {
    const { nodes, edges } = this.store;
    const parent = resolve(this.store, ctx.session, parentInode);
    if (parent === 0) return refuse(MFS_ERROR_ENOENT);
    if (!nodes.isDirectory(parent)) return refuse(MFS_ERROR_ENOTDIR);
    if ((nodes.eattr.get(parent) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
    if (!mayAccess(this.store, ctx, parent, MODE_MASK_W | MODE_MASK_X)) return refuse(MFS_ERROR_EACCES);
    if (!isLegalName(name)) return refuse(MFS_ERROR_EINVAL);
    if (edges.find(parent, name) !== 0) return refuse(MFS_ERROR_EEXIST);
    return { parent };
  }

  /** The checks that unlink, rmdir and rename make on the entry they take away. */
  private removableEntry(ctx: Ctx, parentInode: number, name: Buffer): Refused | { edge: number; parent: number } {
    const { nodes, edges } = this.store;
    const parent = resolve(this.store, ctx.session, parentInode);
    if (parent === 0) return refuse(MFS_ERROR_ENOENT);
    if (!nodes.isDirectory(parent)) return refuse(MFS_ERROR_ENOTDIR);
    if ((nodes.eattr.get(parent) & (EATTR_IMMUTABLE | EATTR_APPENDONLY)) !== 0) return refuse(MFS_ERROR_EPERM);
    if (!mayAccess(this.store, ctx, parent, MODE_MASK_W | MODE_MASK_X)) return refuse(MFS_ERROR_EACCES);
    if (!isLegalName(name)) return refuse(MFS_ERROR_EINVAL);
    const edge = edges.find(parent, name);
    if (edge === 0) return refuse(MFS_ERROR_ENOENT);
    if (!stickyAllows(this.store, ctx, parent, edges.child(edge))) return refuse(MFS_ERROR_EPERM);
    return { edge, parent };
  }
}

const isReadOnly = (ctx: Ctx): boolean => (ctx.session.sesflags & SESFLAG_READONLY) !== 0;
const xor = (inodes: readonly number[]): number => inodes.reduce((sum, inode) => (sum ^ inode) >>> 0, 0);
