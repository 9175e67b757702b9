/** Sessions, exports, open files, locks (spec 11 §3.5, §3.6, §3.11-§3.13, §6.2). */
import type { Session } from '@wapiti-fs/metadata';
import {
  CLTOMA_EXPORTS_INFO,
  CLTOMA_LIST_ACQUIRED_LOCKS,
  CLTOMA_LIST_OPEN_FILES,
  CLTOMA_MASS_RESOLVE_PATHS,
  CLTOMA_SESSION_COMMAND,
  CLTOMA_SESSION_LIST,
  exportsEntries,
  type Infer,
  lockEntries,
  lockEntriesWithInode,
  MATOCL_EXPORTS_INFO,
  MATOCL_LIST_ACQUIRED_LOCKS,
  MATOCL_LIST_OPEN_FILES,
  MATOCL_MASS_RESOLVE_PATHS,
  MATOCL_SESSION_COMMAND,
  MATOCL_SESSION_LIST,
  type MessageValue,
  MFS_ERROR_ACTIVE,
  MFS_ERROR_EINVAL,
  MFS_ERROR_NOTFOUND,
  MFS_STATUS_OK,
  sessionEntries,
  Writer,
} from '@wapiti-fs/protocol';

import type { MasterContext } from '../context.js';
import { directoryPath, pathsOf } from './paths.js';
import { encoded, on } from './request.js';

const STATS = 16;
const ALLDIRS = 1;
const PASSWORD = 2;
const META_PATH = Buffer.from('.');
const REMOVE = 0;
const LOCK_READ = 1;
const LOCK_WRITE = 2;
/** The newest layouts that the reference knows. */
const NEWEST_SESSION_VMODE = 4;
const NEWEST_EXPORTS_VMODE = 3;

const padded = (counters: readonly number[]): number[] => Array.from({ length: STATS }, (_, i) => counters[i] ?? 0);
const slashed = (path: Buffer): Buffer => Buffer.concat([Buffer.from('/'), path]);

function sessionPath({ metadata: { store } }: MasterContext, { rootInode }: Session): Buffer {
  if (rootInode === 0) return META_PATH;
  if (!store.nodes.exists(rootInode)) return Buffer.from('(not found)');
  return store.nodes.isDirectory(rootInode) ? directoryPath(store, rootInode) : Buffer.from('(not directory)');
}

function sessionList(master: MasterContext, vmode: number): Buffer {
  const { metadata, sessions, nowS } = master;
  const { tables } = metadata.store;
  const listed = [...tables.sessions.values()].filter(({ id }) => vmode >= 2 || sessions.connectionsOf(id).size > 0);
  const entries = listed.map((session) => ({
    sessionId: session.id,
    ip: session.peerIp,
    version: sessions.versions.get(session.id) ?? 0,
    use: {
      openFiles: tables.openFiles.bySession.get(session.id)?.size ?? 0,
      sockets: Math.min(255, sessions.connectionsOf(session.id).size),
      expire: sessions.expireIn(session.id, nowS()),
    },
    info: session.info,
    path: sessionPath(master, session),
    sesflags: session.sesflags,
    umask: session.umask,
    rootUid: session.rootuid,
    rootGid: session.rootgid,
    mapallUid: session.mapalluid,
    mapallGid: session.mapallgid,
    limits: {
      minGoal: session.mingoal,
      maxGoal: session.maxgoal,
      minTrashtimeS: session.mintrashtime,
      maxTrashtimeS: session.maxtrashtime,
    },
    disables: session.disables,
    currentHour: padded(session.current),
    lastHour: padded(session.lastHour),
  }));
  return MATOCL_SESSION_LIST.encode({ statsCount: STATS, entries: encoded(sessionEntries(vmode), entries) });
}

function exportsInfo(master: MasterContext, vmode: number): Buffer {
  const entries = master.exports().entries.map((one) => ({
    fromIp: one.fromIp,
    toIp: one.toIp,
    path: one.meta ? META_PATH : slashed(one.path),
    minVersion: one.minVersion,
    extraFlags: (one.alldirs ? ALLDIRS : 0) | (one.passwordDigest === undefined ? 0 : PASSWORD),
    sesflags: one.sesflags,
    umask: one.umask,
    rootUid: one.rootUid,
    rootGid: one.rootGid,
    mapallUid: one.mapallUid,
    mapallGid: one.mapallGid,
    limits: {
      minGoal: one.minGoal,
      maxGoal: one.maxGoal,
      minTrashtimeS: one.minTrashtimeS,
      maxTrashtimeS: one.maxTrashtimeS,
    },
    disables: one.disables,
  }));
  return MATOCL_EXPORTS_INFO.encode({ entries: encoded(exportsEntries(vmode), entries) });
}

function openFiles(master: MasterContext, request: MessageValue<typeof CLTOMA_LIST_OPEN_FILES>): Buffer {
  const numbers = request.variant === 'msgid' ? [request.msgid] : [];
  for (const [sessionId, inodes] of master.metadata.store.tables.openFiles.bySession) {
    if (request.sessionId !== 0 && request.sessionId !== sessionId) continue;
    for (const inode of inodes) numbers.push(...(request.sessionId === 0 ? [sessionId, inode] : [inode]));
  }
  return MATOCL_LIST_OPEN_FILES.encode({ numbers });
}

type Lock = Infer<typeof lockEntriesWithInode>[number];

/** POSIX locks first, then those of flock, which have no range (spec 11 §3.12). */
function* locksOf({ metadata: { store } }: MasterContext, wanted: number): Generator<Lock> {
  for (const [inode, owners] of store.tables.posixLocks) {
    if (wanted !== 0 && wanted !== inode) continue;
    for (const { sessionId, owner, pid, ranges } of owners)
      for (const { start, end, write } of ranges)
        yield { inode, sessionId, owner, pid, start, end, type: write ? LOCK_WRITE : LOCK_READ };
  }
  for (const [inode, locks] of store.tables.flocks) {
    if (wanted !== 0 && wanted !== inode) continue;
    for (const { sessionId, owner, exclusive } of locks)
      yield { inode, sessionId, owner, pid: 0, start: 0n, end: 0n, type: exclusive ? LOCK_WRITE : LOCK_READ };
  }
}

function acquiredLocks(master: MasterContext, request: MessageValue<typeof CLTOMA_LIST_ACQUIRED_LOCKS>): Buffer {
  const found = [...locksOf(master, request.inode)];
  const list = request.inode === 0 ? encoded(lockEntriesWithInode, found) : encoded(lockEntries, found);
  const msgid = Buffer.alloc(request.variant === 'msgid' ? 4 : 0);
  if (request.variant === 'msgid') msgid.writeUInt32BE(request.msgid);
  return MATOCL_LIST_ACQUIRED_LOCKS.encode({ locks: Buffer.concat([msgid, list]) });
}

function removeSession(
  { metadata, sessions, nowS }: MasterContext,
  { command, sessionId }: MessageValue<typeof CLTOMA_SESSION_COMMAND>,
): number {
  if (command !== REMOVE) return MFS_ERROR_EINVAL;
  if (sessions.get(sessionId) === undefined) return MFS_ERROR_NOTFOUND;
  if (sessions.connectionsOf(sessionId).size > 0) return MFS_ERROR_ACTIVE;
  metadata.removeSession(nowS(), sessionId);
  return MFS_STATUS_OK;
}

/** u32 length and bytes, repeated. */
function pathList(paths: readonly Buffer[]): Buffer {
  const writer = new Writer();
  for (const path of paths) {
    writer.u32(path.length);
    writer.bytes(path);
  }
  return writer.finish();
}

export const SESSION_REQUESTS = [
  on(CLTOMA_SESSION_LIST, (master, { vmode = 0 }) => sessionList(master, Math.min(vmode, NEWEST_SESSION_VMODE))),
  on(CLTOMA_EXPORTS_INFO, (master, { vmode = 0 }) => exportsInfo(master, Math.min(vmode, NEWEST_EXPORTS_VMODE))),
  on(CLTOMA_LIST_OPEN_FILES, openFiles),
  on(CLTOMA_LIST_ACQUIRED_LOCKS, acquiredLocks),
  on(CLTOMA_MASS_RESOLVE_PATHS, (master, { inodes }) =>
    MATOCL_MASS_RESOLVE_PATHS.encode({
      inodes: inodes
        .filter((inode) => inode !== 0)
        .map((inode) => ({ inode, paths: pathList(pathsOf(master, inode)) })),
    }),
  ),
  on(CLTOMA_SESSION_COMMAND, (master, request) =>
    MATOCL_SESSION_COMMAND.encode({ status: removeSession(master, request) }),
  ),
];
