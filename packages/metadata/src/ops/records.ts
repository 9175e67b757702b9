/** The records that {@link applyRecord} carries out. Argument names and order are those of spec 08 §6; results are included. */
import type { Quota, SessionParameters } from '../store/tables.js';

interface Arguments {
  SETMETAID: { metaid: bigint };
  IDLE: object;
  RENUMERATEEDGES: { nextEdgeId: bigint };
  CREATE: {
    parent: number;
    name: Buffer;
    type: number;
    mode: number;
    cumask: number;
    uid: number;
    gid: number;
    rdev: number;
    inode: number;
  };
  SYMLINK: { parent: number; name: Buffer; target: Buffer; uid: number; gid: number; inode: number };
  LINK: { inode: number; parent: number; name: Buffer };
  UNLINK: { parent: number; name: Buffer; inode: number };
  MOVE: { srcParent: number; srcName: Buffer; dstParent: number; dstName: Buffer; inode: number };
  ATTR: {
    inode: number;
    mode: number;
    uid: number;
    gid: number;
    atime: number;
    mtime: number;
    winattr: number;
    aclmode: number;
  };
  ACCESS: { inode: number };
  AMTIME: { inode: number; atime: number; mtime: number; ctime: number };
  LENGTH: { inode: number; length: number; canmodmtime: number };
  TRUNC: { inode: number; index: number; chunkId: number };
  WRITE: { inode: number; index: number; opflag: number; canmodmtime: number; chunkId: number };
  UNLOCK: { chunkId: number };
  ROLLBACK: { inode: number; index: number; previousChunkId: number; chunkId: number };
  CHUNKADD: { chunkId: number; version: number; lockedTo: number };
  CHUNKDEL: { chunkId: number; version: number };
  SETVERSION: { chunkId: number; version: number };
  ACQUIRE: { sessionId: number; inode: number };
  RELEASE: { sessionId: number; inode: number };
  SESADD: SessionParameters & { sessionId: number };
  SESCHANGED: SessionParameters & { sessionId: number };
  SESDISCONNECTED: { sessionId: number };
  SESDEL: { sessionId: number };
  EMPTYTRASH: { bucket: number; freed: number; sustained: number; checksum: number };
  EMPTYSUSTAINED: { bucket: number; freed: number; checksum: number };
  FREEINODES: { delay: number; freed: number; requeued: number; checksum: number };
  PURGE: { inode: number };
  CSDBOP: { operation: number; ip: number; port: number; argument: number };
  SETEATTR: { inode: number; uid: number; eattr: number; smode: number } & WalkCounters;
  /** `trashtime` in seconds. */
  SETTRASHTIME: { inode: number; uid: number; trashtime: number; smode: number } & WalkCounters;
  SETSCLASS: { inode: number; uid: number; src: number; dst: number; smode: number } & WalkCounters;
  SETXATTR: { inode: number; name: Buffer; value: Buffer; mode: number };
  SETACL: {
    inode: number;
    mode: number;
    changectime: number;
    acltype: number;
    user: number;
    group: number;
    other: number;
    mask: number;
    nusers: number;
    ngroups: number;
    blob: Buffer;
  };
  QUOTA: Quota;
  /** `from` and `to` are absent in old records: all of `src`. */
  APPEND: { dst: number; src: number; from?: number; to?: number };
  REPAIR: { inode: number; index: number; version: number };
  SETFILECHUNK: { inode: number; index: number; chunkId: number };
  ARCHCHG: { inode: number; uid: number; cmd: number } & WalkCounters;
  /** `created` is the counter called `new` in spec 08 §6.6. */
  SNAPSHOT: {
    src: number;
    dstParent: number;
    name: Buffer;
    smode: number;
    sesflags: number;
    uid: number;
    gids: readonly number[];
    cumask: number;
    checksum: number;
    removed: number;
    same: number;
    existing: number;
    hardlinks: number;
    created: number;
  };
  SETPATH: { inode: number; path: Buffer };
  UNDEL: { inode: number };
  FLOCK: { inode: number; sessionId: number; owner: bigint; kind: LockKind };
  POSIXLOCK: {
    inode: number;
    sessionId: number;
    owner: bigint;
    kind: LockKind;
    start: bigint;
    end: bigint;
    pid: number;
  };
  /** `isNew` 1 = the class is made; label expressions are 4 masks each. */
  SCSET: {
    name: Buffer;
    isNew: number;
    mode: number;
    archDelayDays: number;
    adminOnly: number;
    create: number[][];
    keep: number[][];
    arch: number[][];
    id: number;
  };
  SCDUP: { oldName: Buffer; newName: Buffer; oldId: number; newId: number };
  SCREN: { oldName: Buffer; newName: Buffer; id: number };
  SCDEL: { name: Buffer; id: number };
  /** Obsolete (spec 08 §6.12): takes the next session id. */
  SESSION: { sessionId: number };
  /** Obsolete: raises the version of a chunk by one. */
  INCVERSION: { chunkId: number };
  /** Obsolete: sets the next chunk id. */
  NEXTCHUNKID: { chunkId: number };
}

/** R shared, W exclusive, U unlock. */
export type LockKind = 'R' | 'W' | 'U';

/** Results of an operation that walks over inodes. */
interface WalkCounters {
  changed: number;
  notchanged: number;
  denied: number;
}

export type ChangeOp = keyof Arguments;
/** `ts` = time of the change in seconds. */
export type ChangeOf<K extends ChangeOp> = { readonly op: K; readonly ts: number } & Readonly<Arguments[K]>;
export type Change = { [K in ChangeOp]: ChangeOf<K> }[ChangeOp];
