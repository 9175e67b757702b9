/** Effects on sessions and their open files: spec 08 §6.8, §6.9. */
import { MFS_ERROR_MISMATCH, MFS_ERROR_NOTFOUND } from '@wapiti-fs/protocol';
import type { MetadataStore } from '../../store/store.js';
import { SESSION_STATS, type Session, type SessionParameters } from '../../store/tables.js';
import type { Change } from '../records.js';
import { check, checkResult, type Handlers } from './checks.js';

function closeFile(store: MetadataStore, sessionId: number, inode: number): void {
  const { tables } = store;
  tables.openFiles.delete(sessionId, inode);
  const flocks = tables.flocks.get(inode)?.filter((lock) => lock.sessionId !== sessionId);
  if (flocks?.length === 0) tables.flocks.delete(inode);
  else if (flocks !== undefined) tables.flocks.set(inode, flocks);
  const owners = tables.posixLocks.get(inode)?.filter((owner) => owner.sessionId !== sessionId);
  if (owners?.length === 0) tables.posixLocks.delete(inode);
  else if (owners !== undefined) tables.posixLocks.set(inode, owners);
}

function sessionParameters(from: SessionParameters): SessionParameters {
  const { exportsChecksum, rootInode, sesflags, umask, rootuid, rootgid, mapalluid, mapallgid } = from;
  const { mingoal, maxgoal, mintrashtime, maxtrashtime, disables, peerIp, info } = from;
  return {
    exportsChecksum,
    rootInode,
    sesflags,
    umask,
    rootuid,
    rootgid,
    mapalluid,
    mapallgid,
    mingoal,
    maxgoal,
    mintrashtime,
    maxtrashtime,
    disables,
    peerIp,
    info,
  };
}

function findSession(store: MetadataStore, change: Change & { sessionId: number }, status: number): Session {
  const session = store.tables.sessions.get(change.sessionId);
  check(session !== undefined, change, status, `no session ${change.sessionId}`);
  return session;
}

export const sessionsEffects = {
  ACQUIRE(store, change) {
    const open = store.tables.openFiles;
    check(
      !open.has(change.sessionId, change.inode),
      change,
      MFS_ERROR_MISMATCH,
      `inode ${change.inode} is open already`,
    );
    open.add(change.sessionId, change.inode);
  },
  RELEASE(store, change) {
    const isOpen = store.tables.openFiles.has(change.sessionId, change.inode);
    check(isOpen, change, MFS_ERROR_MISMATCH, `inode ${change.inode} is not open`);
    closeFile(store, change.sessionId, change.inode);
  },
  SESADD(store, change) {
    const { tables } = store;
    checkResult(change, 'session id', change.sessionId, tables.nextSessionId);
    const id = tables.nextSessionId++;
    const zeros = (): number[] => Array.from({ length: SESSION_STATS }, () => 0);
    tables.sessions.set(id, { id, ...sessionParameters(change), disconnected: 0, current: zeros(), lastHour: zeros() });
  },
  SESCHANGED(store, change) {
    const session = findSession(store, change, MFS_ERROR_MISMATCH);
    Object.assign(session, sessionParameters(change));
  },
  SESDISCONNECTED(store, change) {
    findSession(store, change, MFS_ERROR_NOTFOUND).disconnected = change.ts;
  },
  SESDEL(store, change) {
    // A session that its client closed may be missing in the image: spec 08 §8.1.
    for (const inode of [...(store.tables.openFiles.bySession.get(change.sessionId) ?? [])])
      closeFile(store, change.sessionId, inode);
    store.tables.sessions.delete(change.sessionId);
  },
  SESSION(store, change) {
    checkResult(change, 'session id', change.sessionId, store.tables.nextSessionId);
    store.tables.nextSessionId++;
  },
} satisfies Handlers;
