/** flock and POSIX locks (spec 02 §9). */
import type { LockAnswer } from '@wapiti-fs/metadata';
import {
  CLTOMA_FUSE_FLOCK,
  CLTOMA_FUSE_POSIX_LOCK,
  MATOCL_FUSE_FLOCK,
  MATOCL_FUSE_POSIX_LOCK,
} from '@wapiti-fs/protocol';

import type { MasterContext } from '../../context.js';
import type { Request, Requests } from './request.js';

const flock: Request = (client, payload) => {
  const { msgid, inode, reqid, owner, cmd } = CLTOMA_FUSE_FLOCK.decode(payload);
  const { metadata, nowS } = client.service.master;
  const { sessionId } = client;
  const request = { now: nowS(), sessionId, inode, owner, requestId: reqid, messageId: msgid };
  const status = metadata.locks.flock(request, cmd);
  return status === undefined ? undefined : MATOCL_FUSE_FLOCK.encode({ msgid, status });
};

const posixLock: Request = (client, payload) => {
  const { msgid, reqid, cmd, ...range } = CLTOMA_FUSE_POSIX_LOCK.decode(payload);
  const { metadata, nowS } = client.service.master;
  const { sessionId } = client;
  const result = metadata.locks.posixLock({
    ...range,
    now: nowS(),
    sessionId,
    requestId: reqid,
    messageId: msgid,
    command: cmd,
  });
  if (result === undefined) return undefined;
  if (!('pid' in result)) return MATOCL_FUSE_POSIX_LOCK.encode({ variant: 'status', msgid, status: result.status });
  const { pid, type, start, end } = result;
  return MATOCL_FUSE_POSIX_LOCK.encode({ variant: 'ok', msgid, pid, type, start, end });
};

/** The late answer to a lock that was waited for: to the newest connection of the session (spec 02 §9.3). */
export function sendLockAnswer({ sessions }: MasterContext, answer: LockAnswer): void {
  const { kind, sessionId, messageId: msgid, status } = answer;
  const newest = [...sessions.connectionsOf(sessionId)].filter((one) => one.state === 'mount').pop();
  newest?.send(
    kind === 'flock'
      ? MATOCL_FUSE_FLOCK.encode({ msgid, status })
      : MATOCL_FUSE_POSIX_LOCK.encode({ variant: 'status', msgid, status }),
  );
}

export const lockRequests: Requests = new Map<number, Request>([
  [CLTOMA_FUSE_FLOCK.type, flock],
  [CLTOMA_FUSE_POSIX_LOCK.type, posixLock],
]);
