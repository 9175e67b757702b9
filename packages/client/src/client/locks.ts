import {
  CLTOMA_FUSE_FLOCK,
  CLTOMA_FUSE_POSIX_LOCK,
  FLOCK_INTERRUPT,
  MATOCL_FUSE_FLOCK,
  MATOCL_FUSE_POSIX_LOCK,
  MFS_STATUS_OK,
  POSIX_LOCK_CMD_GET,
  POSIX_LOCK_CMD_INT,
  POSIX_LOCK_UNLCK,
} from '@wapiti-fs/protocol';

import { MfsError } from '../errors.js';
import type { Asker } from './caller.js';
import type { RecordLock } from './types.js';

/**
 * Locks between clients (spec 02 §9). The inode must be open. `owner` is the kernel's lock owner; `reqid` (not 0) names a request
 * that may wait, so that it can be interrupted: it rejects with EINTR then.
 */
export class Locks {
  constructor(private readonly asker: Asker) {}

  /** `command`: FLOCK_*. Blocking ones resolve when the lock is granted; FLOCK_TRY_* reject with EAGAIN. */
  flock(inode: number, owner: bigint, command: number, reqid = 0): Promise<void> {
    return this.asker.tell(
      CLTOMA_FUSE_FLOCK,
      MATOCL_FUSE_FLOCK,
      { inode, reqid, owner, cmd: command },
      { operation: 'flock', inode },
    );
  }

  interruptFlock(inode: number, owner: bigint, reqid: number): Promise<void> {
    return this.flock(inode, owner, FLOCK_INTERRUPT, reqid);
  }

  /** The first lock in the way of `lock`, if there is one. */
  async test(inode: number, owner: bigint, lock: RecordLock): Promise<RecordLock | undefined> {
    const options = { operation: 'getlk', inode };
    const { pid, type, start, end } = await this.asker.ask(
      CLTOMA_FUSE_POSIX_LOCK,
      MATOCL_FUSE_POSIX_LOCK,
      { inode, reqid: 0, owner, cmd: POSIX_LOCK_CMD_GET, ...lock },
      options,
    );
    return type === POSIX_LOCK_UNLCK ? undefined : { pid, type, start, end };
  }

  /** `command`: POSIX_LOCK_CMD_SET (waits) or TRY (EAGAIN). */
  posix(inode: number, owner: bigint, command: number, lock: RecordLock, reqid = 0): Promise<void> {
    return this.status(inode, { reqid, owner, cmd: command, ...lock });
  }

  interruptPosix(inode: number, owner: bigint, reqid: number): Promise<void> {
    const none = { type: POSIX_LOCK_UNLCK, start: 0n, end: 0n, pid: 0 };
    return this.status(inode, { reqid, owner, cmd: POSIX_LOCK_CMD_INT, ...none });
  }

  private async status(
    inode: number,
    request: RecordLock & { reqid: number; owner: bigint; cmd: number },
  ): Promise<void> {
    const options = { operation: 'setlk', inode };
    const { value } = await this.asker.session.request(
      CLTOMA_FUSE_POSIX_LOCK,
      MATOCL_FUSE_POSIX_LOCK,
      { inode, ...request },
      options,
    );
    if (value.variant === 'status' && value.status !== MFS_STATUS_OK) throw MfsError.ofStatus(value.status, options);
  }
}
