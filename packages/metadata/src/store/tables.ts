/** The small tables of an image: mostly plain objects in Maps whose insertion order is from oldest to newest (spec 07 §3.14). */
import { AclTable, XattrTable } from './packed.js';

/** Session record (spec 07 §3.1). `rootInode` 0 = meta session. */
export interface SessionParameters {
  exportsChecksum: bigint;
  rootInode: number;
  sesflags: number;
  umask: number;
  rootuid: number;
  rootgid: number;
  mapalluid: number;
  mapallgid: number;
  mingoal: number;
  maxgoal: number;
  mintrashtime: number;
  maxtrashtime: number;
  disables: number;
  peerIp: number;
  info: Buffer;
}

export const SESSION_STATS = 16;

export interface Session extends SessionParameters {
  readonly id: number;
  /** Time (s) of the loss of the last connection; 0 = connected. */
  disconnected: number;
  /** Counters of the current and of the last hour (not journalled). */
  current: number[];
  lastHour: number[];
}

/** Storage class (spec 07 §3.2); a label expression is 4 masks. */
export interface StorageClass {
  readonly id: number;
  name: Buffer;
  adminOnly: boolean;
  mode: number;
  archDelayDays: number;
  create: number[][];
  keep: number[][];
  arch: number[][];
}

export interface Quota {
  readonly inode: number;
  graceperiod: number;
  exceeded: number;
  flags: number;
  stimestamp: number;
  sinodes: number;
  hinodes: number;
  slength: number;
  hlength: number;
  ssize: number;
  hsize: number;
  srealsize: number;
  hrealsize: number;
}

export interface Acl {
  user: number;
  group: number;
  other: number;
  mask: number;
  users: { id: number; perm: number }[];
  groups: { id: number; perm: number }[];
}

export const ACL_ACCESS = 1;
export const ACL_DEFAULT = 2;
/** Key of an ACL in {@link Tables.acls}. */
export const aclKey = (inode: number, type: number): number => inode * 4 + type;

export interface FlockLock {
  readonly sessionId: number;
  readonly owner: bigint;
  exclusive: boolean;
}

export interface PosixRange {
  start: bigint;
  end: bigint;
  write: boolean;
}

export interface PosixOwner {
  readonly sessionId: number;
  readonly owner: bigint;
  pid: number;
  /** Ascending, not overlapping. */
  ranges: PosixRange[];
}

export interface Chunkserver {
  ip: number;
  port: number;
  csid: number;
  maintenance: number;
  maintenanceTimeout: number;
}

/** Set of (session, inode) pairs: files that sessions have open. */
export class OpenFiles {
  /** session -> inodes, oldest first. */
  readonly bySession = new Map<number, Set<number>>();
  private readonly byInode = new Map<number, Set<number>>();

  has(sessionId: number, inode: number): boolean {
    return this.bySession.get(sessionId)?.has(inode) ?? false;
  }
  isOpen(inode: number): boolean {
    return this.byInode.has(inode);
  }
  sessionsOf(inode: number): ReadonlySet<number> {
    return this.byInode.get(inode) ?? new Set();
  }
  add(sessionId: number, inode: number): void {
    addTo(this.bySession, sessionId, inode);
    addTo(this.byInode, inode, sessionId);
  }
  delete(sessionId: number, inode: number): void {
    deleteFrom(this.bySession, sessionId, inode);
    deleteFrom(this.byInode, inode, sessionId);
  }
}

function addTo(map: Map<number, Set<number>>, key: number, value: number): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

function deleteFrom(map: Map<number, Set<number>>, key: number, value: number): void {
  const set = map.get(key);
  set?.delete(value);
  if (set?.size === 0) map.delete(key);
}

export class Tables {
  nextSessionId = 1;
  readonly sessions = new Map<number, Session>();
  readonly sclasses = new Map<number, StorageClass>();
  readonly quotas = new Map<number, Quota>();
  readonly xattrs = new XattrTable();
  readonly acls = new AclTable();
  readonly openFiles = new OpenFiles();
  /** inode -> locks, newest first. */
  readonly flocks = new Map<number, FlockLock[]>();
  /** inode -> owners in order of their first lock. */
  readonly posixLocks = new Map<number, PosixOwner[]>();
  readonly chunkservers: Chunkserver[] = [];
}

/** The class that exists from the start: `goal` copies anywhere (spec 07 §7). */
export function goalClass(goal: number): StorageClass {
  const anywhere = (): number[][] => Array.from({ length: goal }, () => [0, 0, 0, 0]);
  return {
    id: goal,
    name: Buffer.from(String(goal)),
    adminOnly: false,
    mode: 1,
    archDelayDays: 0,
    create: anywhere(),
    keep: anywhere(),
    arch: anywhere(),
  };
}
