/** Record locks and BSD locks between all clients of the cluster (spec 13 §10). */
import type { RecordLock } from '@wapiti-fs/client';
import { type Caller, FuseError, type Lock } from '@wapiti-fs/fuse';
import {
  FLOCK_LOCK_EXCLUSIVE,
  FLOCK_LOCK_SHARED,
  FLOCK_RELEASE,
  FLOCK_TRY_EXCLUSIVE,
  FLOCK_TRY_SHARED,
  FLOCK_UNLOCK,
  POSIX_LOCK_CMD_SET,
  POSIX_LOCK_CMD_TRY,
  POSIX_LOCK_RDLCK,
  POSIX_LOCK_UNLCK,
  POSIX_LOCK_WRLCK,
} from '@wapiti-fs/protocol';

import type { MountContext } from './context.js';
import type { OpenFile, OpenFiles } from './open-files.js';

const TO_THE_END = 0xffff_ffff_ffff_ffffn;
const KERNEL_TO_THE_END = 0x7fff_ffff_ffff_ffffn;
/** An interrupt may arrive at the master before the request that it is for: it is repeated. */
const INTERRUPT_PERIOD_MS = 100;

const TYPES = { read: POSIX_LOCK_RDLCK, write: POSIX_LOCK_WRLCK, unlock: POSIX_LOCK_UNLCK } as const;

export class LockOperations {
  private lastRequest = 0;

  constructor(
    private readonly context: MountContext,
    private readonly files: OpenFiles,
    /** Writes out what was written to the file: another client that gets the lock must see it. */
    private readonly sync: (file: OpenFile) => Promise<void>,
  ) {}

  async getlk(handle: number, owner: bigint, lock: Lock): Promise<Lock | undefined> {
    this.context.counters.add('getlk');
    const file = this.files.get(handle);
    if (file.opening !== undefined) await file.opening;
    const { inode } = file;
    const found = await this.context.client.locks.test(inode, owner, toWire(lock));
    if (found === undefined) return undefined;
    return {
      start: found.start,
      endInclusive: found.end > KERNEL_TO_THE_END ? KERNEL_TO_THE_END : found.end - 1n,
      type: found.type === POSIX_LOCK_WRLCK ? 'write' : 'read',
      pid: found.pid,
    };
  }

  async setlk(caller: Caller, handle: number, owner: bigint, lock: Lock, wait: boolean): Promise<void> {
    this.context.counters.add('setlk');
    const file = this.files.get(handle);
    const { locks } = this.context.client;
    if (lock.type === 'unlock') {
      await this.sync(file);
      return locks.posix(file.inode, owner, POSIX_LOCK_CMD_SET, toWire(lock), this.request());
    }
    if (file.opening !== undefined) await file.opening;
    file.posixOwners.add(owner);
    const command = wait ? POSIX_LOCK_CMD_SET : POSIX_LOCK_CMD_TRY;
    const reqid = this.request();
    await this.interruptible(
      caller,
      () => locks.posix(file.inode, owner, command, toWire(lock), reqid),
      () => locks.interruptPosix(file.inode, owner, reqid),
    );
  }

  async flock(caller: Caller, handle: number, owner: bigint, type: Lock['type'], wait: boolean): Promise<void> {
    this.context.counters.add('flock');
    const file = this.files.get(handle);
    const { locks } = this.context.client;
    if (type === 'unlock') {
      await this.sync(file);
      return locks.flock(file.inode, owner, FLOCK_UNLOCK, this.request());
    }
    if (file.opening !== undefined) await file.opening;
    file.flockOwners.add(owner);
    const [waiting, trying] =
      type === 'read' ? [FLOCK_LOCK_SHARED, FLOCK_TRY_SHARED] : [FLOCK_LOCK_EXCLUSIVE, FLOCK_TRY_EXCLUSIVE];
    const reqid = this.request();
    await this.interruptible(
      caller,
      () => locks.flock(file.inode, owner, wait ? waiting : trying, reqid),
      () => locks.interruptFlock(file.inode, owner, reqid),
    );
  }

  /** All record locks of an owner on a file, as close(2) does. */
  async unlockAll(file: OpenFile, owner: bigint): Promise<void> {
    const everything = { start: 0n, end: TO_THE_END, type: POSIX_LOCK_UNLCK, pid: 0 };
    await this.context.client.locks.posix(file.inode, owner, POSIX_LOCK_CMD_SET, everything, this.request());
  }

  /** Whatever is still held through a handle that is gone. */
  async release(file: OpenFile, flockOwner: bigint | undefined): Promise<void> {
    for (const owner of file.posixOwners) await this.unlockAll(file, owner);
    if (file.flockOwners.size === 0) return;
    if (flockOwner !== undefined) file.flockOwners.add(flockOwner);
    for (const owner of file.flockOwners) await this.context.client.locks.flock(file.inode, owner, FLOCK_RELEASE, 0);
  }

  private request(): number {
    this.lastRequest = (this.lastRequest % 0xffff_fffe) + 1;
    return this.lastRequest;
  }

  private async interruptible(caller: Caller, ask: () => Promise<void>, interrupt: () => Promise<void>): Promise<void> {
    const { signal } = caller;
    if (signal?.aborted) throw signal.reason instanceof FuseError ? signal.reason : new FuseError(4);
    let timer: { cancel(): void } | undefined;
    const send = (): void => {
      interrupt().catch((error: unknown) => this.context.log.debug('interrupting a lock', { error: error as Error }));
      timer = this.context.clock.after(INTERRUPT_PERIOD_MS, send);
    };
    signal?.addEventListener('abort', send, { once: true });
    try {
      await ask();
    } finally {
      signal?.removeEventListener('abort', send);
      timer?.cancel();
    }
  }
}

function toWire(lock: Lock): RecordLock {
  const { start, endInclusive, type, pid } = lock;
  return {
    start,
    end: endInclusive >= KERNEL_TO_THE_END ? TO_THE_END : endInclusive + 1n,
    type: TYPES[type],
    pid,
  };
}
