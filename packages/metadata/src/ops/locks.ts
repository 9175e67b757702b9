/**
 * Live flock and POSIX locks: spec 09 §21, §22. Locks that are held are in the store and in the journal; requests that wait are only
 * here, and are lost with the process as the reference loses them.
 */
import {
  FLOCK_INTERRUPT,
  FLOCK_LOCK_EXCLUSIVE,
  FLOCK_LOCK_SHARED,
  FLOCK_RELEASE,
  FLOCK_TRY_EXCLUSIVE,
  FLOCK_TRY_SHARED,
  FLOCK_UNLOCK,
  MFS_ERROR_EAGAIN,
  MFS_ERROR_ECANCELED,
  MFS_ERROR_EINTR,
  MFS_ERROR_EINVAL,
  MFS_ERROR_NOTOPENED,
  MFS_STATUS_OK,
  POSIX_LOCK_CMD_GET,
  POSIX_LOCK_CMD_INT,
  POSIX_LOCK_CMD_TRY,
  POSIX_LOCK_RDLCK,
  POSIX_LOCK_UNLCK,
  POSIX_LOCK_WRLCK,
} from '@wapiti-fs/protocol';
import type { FlockLock } from '../store/tables.js';
import { posixConflict } from './apply/locks.js';
import type { Metadata } from './metadata.js';
import { refuse, type Refused } from './results.js';

/** A session's request; an answer that comes later carries `messageId`. */
export interface LockRequest {
  readonly now: number;
  readonly sessionId: number;
  readonly inode: number;
  readonly owner: bigint;
  readonly requestId: number;
  readonly messageId: number;
}

export interface PosixLockRequest extends LockRequest {
  readonly pid: number;
  /** POSIX_LOCK_CMD_*. */
  readonly command: number;
  /** POSIX_LOCK_UNLCK, RDLCK or WRLCK. */
  readonly type: number;
  /** Bytes [start, end). */
  readonly start: bigint;
  readonly end: bigint;
}

/** The lock that a POSIX_LOCK_CMD_GET found; type POSIX_LOCK_UNLCK = none. */
export interface PosixLockFound {
  readonly status: 0;
  readonly type: number;
  readonly start: bigint;
  readonly end: bigint;
  readonly pid: number;
}

/** The late answer to a request that waited. */
export interface LockAnswer {
  readonly kind: 'flock' | 'posix';
  readonly sessionId: number;
  readonly messageId: number;
  readonly status: number;
}

interface FlockWaiter {
  readonly sessionId: number;
  readonly owner: bigint;
  exclusive: boolean;
  requests: { requestId: number; messageId: number }[];
}

type Holder = { readonly sessionId: number; readonly owner: bigint };
const isSame = (a: Holder, b: Holder): boolean => a.sessionId === b.sessionId && a.owner === b.owner;
const NO_LOCK: PosixLockFound = { status: MFS_STATUS_OK, type: POSIX_LOCK_UNLCK, start: 0n, end: 0n, pid: 0 };

export class LockOperations {
  /** Where late answers go. */
  onAnswer: (answer: LockAnswer) => void = () => undefined;
  private readonly flockWaiters = new Map<number, FlockWaiter[]>();
  private readonly posixWaiters = new Map<number, PosixLockRequest[]>();

  constructor(private readonly metadata: Metadata) {}

  /** @returns the status, or undefined: the answer comes through {@link onAnswer}. */
  flock(request: LockRequest, command: number): number | undefined {
    const { inode, sessionId } = request;
    const lasting = command !== FLOCK_INTERRUPT && command !== FLOCK_RELEASE;
    if (lasting && !this.metadata.store.tables.openFiles.has(sessionId, inode)) return MFS_ERROR_NOTOPENED;
    if (command > FLOCK_RELEASE) return MFS_ERROR_EINVAL;
    if (command === FLOCK_INTERRUPT) return this.interruptFlock(request);
    const held = this.active(inode).find((lock) => isSame(lock, request));
    if (held !== undefined) return this.changeFlock(request, command, held);
    const waiter = this.flockWaiters.get(inode)?.find((other) => isSame(other, request));
    if (waiter !== undefined) return this.changeFlockWaiter(request, command, waiter);
    if (command === FLOCK_UNLOCK || command === FLOCK_RELEASE) return MFS_STATUS_OK;
    return this.newFlock(request, command);
  }

  /** @returns the status or what was found, or undefined: the answer comes through {@link onAnswer}. */
  posixLock(request: PosixLockRequest): Refused | PosixLockFound | undefined {
    const { inode, sessionId, command, type, start, end } = request;
    const { tables } = this.metadata.store;
    if (command === POSIX_LOCK_CMD_INT) {
      const waiters = this.posixWaiters.get(inode) ?? [];
      const waiter = waiters.find((w) => w.sessionId === sessionId && w.requestId === request.requestId);
      if (waiter !== undefined) {
        this.setPosixWaiters(
          inode,
          waiters.filter((w) => w !== waiter),
        );
        this.answer('posix', waiter, MFS_ERROR_EINTR);
      }
      return refuse(MFS_STATUS_OK);
    }
    if (type !== POSIX_LOCK_UNLCK && type !== POSIX_LOCK_RDLCK && type !== POSIX_LOCK_WRLCK)
      return refuse(MFS_ERROR_EINVAL);
    const owners = tables.posixLocks.get(inode) ?? [];
    const wanted = { start, end, write: type === POSIX_LOCK_WRLCK };
    const conflict = type === POSIX_LOCK_UNLCK ? undefined : posixConflict(owners, request, wanted);
    if (command === POSIX_LOCK_CMD_GET) {
      if (conflict === undefined) return NO_LOCK;
      const { by, range } = conflict;
      const found = range.write ? POSIX_LOCK_WRLCK : POSIX_LOCK_RDLCK;
      const pid = by.sessionId === sessionId ? by.pid : 0;
      return { status: MFS_STATUS_OK, type: found, start: range.start, end: range.end, pid };
    }
    // An empty range could be stored, but no image with it be read again.
    if (start >= end) return refuse(MFS_ERROR_EINVAL);
    if (type !== POSIX_LOCK_UNLCK && !tables.openFiles.has(sessionId, inode)) return refuse(MFS_ERROR_NOTOPENED);
    if (conflict !== undefined) {
      if (command === POSIX_LOCK_CMD_TRY) return refuse(MFS_ERROR_EAGAIN);
      this.setPosixWaiters(inode, [...(this.posixWaiters.get(inode) ?? []), request]);
      return undefined;
    }
    if (type === POSIX_LOCK_UNLCK && owners.length === 0) return refuse(MFS_STATUS_OK);
    this.applyPosix(request, request.now);
    this.grantPosix(request.now, inode);
    return refuse(MFS_STATUS_OK);
  }

  /** A session is about to close a file: its waiting requests go without answer, its flock locks get their lines. */
  beforeClose(now: number, inode: number, sessionId: number): void {
    const flocks = this.flockWaiters.get(inode)?.filter((waiter) => waiter.sessionId !== sessionId);
    if (flocks !== undefined) this.setFlockWaiters(inode, flocks);
    const ranges = this.posixWaiters.get(inode)?.filter((waiter) => waiter.sessionId !== sessionId);
    if (ranges !== undefined) this.setPosixWaiters(inode, ranges);
    for (const lock of this.active(inode)) if (lock.sessionId === sessionId) this.record(now, inode, lock, 'U');
  }

  /** The file is closed: whoever waited for its locks gets them (after the line that freed them: spec 09 §22). */
  afterClose(now: number, inode: number): void {
    this.grantFlock(now, inode);
    this.grantPosix(now, inode);
  }

  private active(inode: number): readonly FlockLock[] {
    return this.metadata.store.tables.flocks.get(inode) ?? [];
  }

  private record(now: number, inode: number, { sessionId, owner }: Holder, kind: 'R' | 'W' | 'U'): void {
    this.metadata.commit({ op: 'FLOCK', ts: now, inode, sessionId, owner, kind });
  }

  private answer(kind: 'flock' | 'posix', to: { sessionId: number; messageId: number }, status: number): void {
    this.onAnswer({ kind, sessionId: to.sessionId, messageId: to.messageId, status });
  }

  private answerAll(waiter: FlockWaiter, status: number): void {
    for (const { messageId } of waiter.requests)
      this.answer('flock', { sessionId: waiter.sessionId, messageId }, status);
  }

  private setFlockWaiters(inode: number, waiters: FlockWaiter[]): void {
    if (waiters.length === 0) this.flockWaiters.delete(inode);
    else this.flockWaiters.set(inode, waiters);
  }

  private setPosixWaiters(inode: number, waiters: PosixLockRequest[]): void {
    if (waiters.length === 0) this.posixWaiters.delete(inode);
    else this.posixWaiters.set(inode, waiters);
  }

  private interruptFlock(request: LockRequest): number {
    const waiters = this.flockWaiters.get(request.inode) ?? [];
    for (const waiter of waiters) {
      if (!isSame(waiter, request)) continue;
      const ended = waiter.requests.filter(({ requestId }) => requestId === request.requestId);
      waiter.requests = waiter.requests.filter(({ requestId }) => requestId !== request.requestId);
      this.answerAll({ ...waiter, requests: ended }, MFS_ERROR_EINTR);
    }
    this.setFlockWaiters(
      request.inode,
      waiters.filter((waiter) => waiter.requests.length > 0),
    );
    this.grantFlock(request.now, request.inode);
    return MFS_STATUS_OK;
  }

  /** The holder has a lock (spec 09 §21 step 4). Changes in place are recorded as release and new lock (§33 no. 8). */
  private changeFlock(request: LockRequest, command: number, held: FlockLock): number | undefined {
    const { now, inode } = request;
    const exclusive = command === FLOCK_TRY_EXCLUSIVE || command === FLOCK_LOCK_EXCLUSIVE;
    const releases = command === FLOCK_UNLOCK || command === FLOCK_RELEASE;
    if (!releases && held.exclusive === exclusive) return MFS_STATUS_OK;
    if (command === FLOCK_TRY_EXCLUSIVE && this.active(inode).length > 1) return MFS_ERROR_EAGAIN;
    this.record(now, inode, request, 'U');
    if (command === FLOCK_TRY_SHARED || command === FLOCK_TRY_EXCLUSIVE) {
      this.record(now, inode, request, exclusive ? 'W' : 'R');
      if (!exclusive) this.grantReaders(now, inode);
      return MFS_STATUS_OK;
    }
    this.grantFlock(now, inode);
    return releases ? MFS_STATUS_OK : this.newFlock(request, command);
  }

  /** The holder waits already (spec 09 §21 step 5). */
  private changeFlockWaiter(request: LockRequest, command: number, waiter: FlockWaiter): number | undefined {
    const { inode, requestId, messageId } = request;
    if (command === FLOCK_TRY_SHARED || command === FLOCK_TRY_EXCLUSIVE) return MFS_ERROR_EAGAIN;
    const exclusive = command === FLOCK_LOCK_EXCLUSIVE;
    if (command === FLOCK_UNLOCK || command === FLOCK_RELEASE) {
      const waiters = this.flockWaiters.get(inode) ?? [];
      this.setFlockWaiters(
        inode,
        waiters.filter((other) => other !== waiter),
      );
      this.answerAll(waiter, MFS_ERROR_ECANCELED);
      this.grantFlock(request.now, inode);
      return MFS_STATUS_OK;
    }
    if (waiter.exclusive !== exclusive) {
      this.answerAll(waiter, MFS_ERROR_ECANCELED);
      waiter.exclusive = exclusive;
      waiter.requests = [];
    }
    waiter.requests = waiter.requests.filter((other) => other.requestId !== requestId);
    waiter.requests.push({ requestId, messageId });
    return undefined;
  }

  private newFlock(request: LockRequest, command: number): number | undefined {
    const { now, inode, sessionId, owner, requestId, messageId } = request;
    const exclusive = command === FLOCK_TRY_EXCLUSIVE || command === FLOCK_LOCK_EXCLUSIVE;
    const active = this.active(inode);
    const waiters = this.flockWaiters.get(inode) ?? [];
    const conflicts = exclusive ? active.length > 0 : active.some((lock) => lock.exclusive) || waiters.length > 0;
    if (!conflicts) {
      this.record(now, inode, request, exclusive ? 'W' : 'R');
      return MFS_STATUS_OK;
    }
    if (command !== FLOCK_LOCK_SHARED && command !== FLOCK_LOCK_EXCLUSIVE) return MFS_ERROR_EAGAIN;
    const waiter = { sessionId, owner, exclusive, requests: [{ requestId, messageId }] };
    this.setFlockWaiters(inode, [...waiters, waiter]);
    return undefined;
  }

  private grantFlock(now: number, inode: number): void {
    if (this.active(inode).length > 0) return;
    const [head, ...rest] = this.flockWaiters.get(inode) ?? [];
    if (head === undefined) return;
    if (!head.exclusive) {
      this.grantReaders(now, inode);
      return;
    }
    this.setFlockWaiters(inode, rest);
    this.record(now, inode, head, 'W');
    this.answerAll(head, MFS_STATUS_OK);
  }

  /** Readers at the head of the queue, up to the first writer. */
  private grantReaders(now: number, inode: number): void {
    const waiters = [...(this.flockWaiters.get(inode) ?? [])];
    for (let head = waiters[0]; head !== undefined && !head.exclusive; head = waiters[0]) {
      waiters.shift();
      this.setFlockWaiters(inode, waiters);
      this.record(now, inode, head, 'R');
      this.answerAll(head, MFS_STATUS_OK);
    }
  }

  private applyPosix({ inode, sessionId, owner, type, start, end, pid }: PosixLockRequest, now: number): void {
    const kind = type === POSIX_LOCK_UNLCK ? 'U' : type === POSIX_LOCK_WRLCK ? 'W' : 'R';
    this.metadata.commit({ op: 'POSIXLOCK', ts: now, inode, sessionId, owner, kind, start, end, pid });
  }

  private grantPosix(now: number, inode: number): void {
    for (const waiter of this.posixWaiters.get(inode) ?? []) {
      const owners = this.metadata.store.tables.posixLocks.get(inode) ?? [];
      const wanted = { start: waiter.start, end: waiter.end, write: waiter.type === POSIX_LOCK_WRLCK };
      if (posixConflict(owners, waiter, wanted) !== undefined) continue;
      const left = this.posixWaiters.get(inode)?.filter((other) => other !== waiter) ?? [];
      this.setPosixWaiters(inode, left);
      this.applyPosix(waiter, now);
      this.answer('posix', waiter, MFS_STATUS_OK);
    }
  }
}
