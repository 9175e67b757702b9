/** Effects of every change, the only code that alters metadata: spec 08 §6. The live master and replay both come through here. */
import {
  EATTR_SNAPSHOT,
  LOCKTIMEOUT_S,
  MFS_ERROR_ACTIVE,
  MFS_ERROR_BADSESSIONID,
  MFS_ERROR_CHUNKEXIST,
  MFS_ERROR_CHUNKLOST,
  MFS_ERROR_EEXIST,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOENT,
  MFS_ERROR_ENOTDIR,
  MFS_ERROR_ENOTEMPTY,
  MFS_ERROR_EPERM,
  MFS_ERROR_INDEXTOOBIG,
  MFS_ERROR_MISMATCH,
  MFS_ERROR_NOCHUNK,
  MFS_ERROR_NOTFOUND,
  MFS_ERROR_WRONGVERSION,
  MFS_MAX_CHUNK_INDEX,
  MFS_ROOT_ID,
  MFS_SYMLINK_MAX,
  MFSCHUNKSIZE,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SOCKET,
  TYPE_SUSTAINED,
  TYPE_SYMLINK,
  TYPE_TRASH,
} from '@wapiti-fs/protocol';
import { FIRST_EDGE_ID } from '../store/edges.js';
import type { MetadataStore } from '../store/store.js';
import { ACL_ACCESS, SESSION_STATS, type Session, type SessionParameters } from '../store/tables.js';
import { ApplyError, UnsupportedChangeError } from './errors.js';
import {
  addChunkReference,
  dropChunkReference,
  dropEdge,
  isAtOrAbove,
  isLegalName,
  linkEdge,
  newNode,
  purgeNode,
  setLength,
  unlinkEdge,
} from './primitives.js';
import type { Change, ChangeOf, ChangeOp } from './records.js';

const MAX_CHUNK_ID_JUMP = 1_000_000_000;
const SECONDS_PER_HOUR = 3600;
const MAX_CSID = 65535;

type Handlers = { readonly [K in ChangeOp]?: (store: MetadataStore, change: ChangeOf<K>) => void };

/**
 * Applies one change and counts the version up.
 * @throws {ApplyError} the change does not fit (status as the reference's restore would report)
 * @throws {UnsupportedChangeError} unknown operation
 */
export function applyRecord(store: MetadataStore, change: Change): void {
  const handler = handlers[change.op] as ((store: MetadataStore, change: Change) => void) | undefined;
  if (handler === undefined) throw new UnsupportedChangeError(change.op);
  handler(store, change);
  store.version++;
}

function check(condition: boolean, change: Change, status: number, detail: string): asserts condition {
  if (!condition) throw new ApplyError(change.op, status, detail);
}

function checkResult(change: Change, what: string, expected: number | bigint, found: number | bigint): void {
  check(expected === found, change, MFS_ERROR_MISMATCH, `${what} is ${found}, the record says ${expected}`);
}

function checkNode(store: MetadataStore, change: Change, inode: number): void {
  check(store.nodes.exists(inode), change, MFS_ERROR_ENOENT, `no inode ${inode}`);
}

function checkFreeName(store: MetadataStore, change: Change, parent: number, name: Buffer): void {
  checkNode(store, change, parent);
  check(store.nodes.isDirectory(parent), change, MFS_ERROR_ENOTDIR, `inode ${parent} is no directory`);
  check(isLegalName(name), change, MFS_ERROR_EINVAL, 'illegal name');
  check(store.edges.find(parent, name) === 0, change, MFS_ERROR_EEXIST, `name exists in directory ${parent}`);
}

function findEdge(store: MetadataStore, change: Change, parent: number, name: Buffer): number {
  checkNode(store, change, parent);
  check(store.nodes.isDirectory(parent), change, MFS_ERROR_ENOTDIR, `inode ${parent} is no directory`);
  const edge = store.edges.find(parent, name);
  check(edge !== 0, change, MFS_ERROR_ENOENT, `no such name in directory ${parent}`);
  return edge;
}

function checkEmpty(store: MetadataStore, change: Change, inode: number): void {
  const full = store.nodes.isDirectory(inode) && store.nodes.firstChild(inode) !== 0;
  check(!full, change, MFS_ERROR_ENOTEMPTY, `directory ${inode} is not empty`);
}

function findChunk(store: MetadataStore, change: Change, chunkId: number): number {
  const slot = store.chunks.find(chunkId);
  check(slot !== 0, change, MFS_ERROR_NOCHUNK, `no chunk ${chunkId}`);
  return slot;
}

function checkFile(store: MetadataStore, change: Change, inode: number, status: number): void {
  checkNode(store, change, inode);
  check(store.nodes.isFile(inode), change, status, `inode ${inode} is no file`);
}

function newChunk(store: MetadataStore, change: Change, chunkId: number): number {
  checkResult(change, 'new chunk id', chunkId, store.chunks.nextChunkId);
  store.chunks.nextChunkId++;
  return store.chunks.add(chunkId, 1, 0, false);
}

/** Chunk for a write or truncate at an entry: used as it is, raised in version, or replaced by a new one (spec 08 §6.4). */
function takeChunk(
  store: MetadataStore,
  change: Change & { inode: number; index: number; chunkId: number },
  raise: boolean,
): void {
  const { nodes, chunks } = store;
  const { inode, index, chunkId, ts } = change;
  const old = nodes.chunkAt(inode, index);
  let slot = 0;
  if (old !== 0) {
    slot = findChunk(store, change, old);
    check(chunks.referenceCount(slot) > 0, change, MFS_ERROR_CHUNKLOST, `chunk ${old} has no references`);
  }
  if (old !== 0 && chunks.referenceCount(slot) === 1) {
    checkResult(change, 'chunk id', chunkId, old);
    if (raise) chunks.setVersion(slot, chunks.version(slot) + 1);
  } else {
    slot = newChunk(store, change, chunkId);
    dropChunkReference(store, inode, old);
    nodes.setChunkAt(inode, index, chunkId);
    addChunkReference(store, inode, chunkId);
  }
  chunks.setLockedTo(slot, ts + LOCKTIMEOUT_S);
}

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

/** Whether a trash file is due (spec 08 §6.7 EMPTYTRASH). */
export function isTrashDue(store: MetadataStore, inode: number, ts: number): boolean {
  const { nodes } = store;
  const keep = nodes.trashtime.get(inode) * SECONDS_PER_HOUR;
  return [nodes.atime, nodes.mtime, nodes.ctime].every((column) => column.get(inode) + keep < ts);
}

function buckets(bucket: number, limit: number): number[] {
  return bucket < limit ? [bucket] : Array.from({ length: limit }, (_, i) => i);
}

function renumberEdges(store: MetadataStore): void {
  const { nodes, edges } = store;
  let next = FIRST_EDGE_ID;
  const pending = [MFS_ROOT_ID];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    const children = [...edges.childEdges(directory)];
    next -= BigInt(children.length);
    children.forEach((edge, i) => edges.setEdgeId(edge, next + BigInt(i)));
    for (const edge of children.reverse()) if (nodes.isDirectory(edges.child(edge))) pending.push(edges.child(edge));
  }
  edges.nextEdgeId = next;
}

const handlers: Handlers = {
  SETMETAID(store, change) {
    check(store.metaid === 0n || store.metaid === change.metaid, change, MFS_ERROR_EINVAL, 'another id is set already');
    store.metaid = change.metaid;
  },
  IDLE() {
    // counts the version only
  },
  RENUMERATEEDGES(store, change) {
    renumberEdges(store);
    checkResult(change, 'next edge id', change.nextEdgeId, store.edges.nextEdgeId);
  },
  CREATE(store, change) {
    const { type } = change;
    checkFreeName(store, change, change.parent, change.name);
    check(type >= TYPE_FILE && type <= TYPE_SOCKET && type !== TYPE_SYMLINK, change, MFS_ERROR_EINVAL, `type ${type}`);
    checkResult(change, 'new inode', change.inode, store.freeInodes.next());
    const inode = newNode(store, change);
    if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) store.nodes.setRdev(inode, change.rdev);
  },
  SYMLINK(store, change) {
    checkFreeName(store, change, change.parent, change.name);
    const { target } = change;
    check(
      target.length > 0 && target.length <= MFS_SYMLINK_MAX && !target.includes(0),
      change,
      MFS_ERROR_EINVAL,
      'illegal target',
    );
    checkResult(change, 'new inode', change.inode, store.freeInodes.next());
    newNode(store, { ...change, type: TYPE_SYMLINK, mode: 0o777, cumask: 0 }, (inode) => {
      store.nodes.setSymlink(inode, target);
    });
  },
  LINK(store, change) {
    const type = store.nodes.type.get(change.inode);
    check(
      type !== 0 && type !== TYPE_TRASH && type !== TYPE_SUSTAINED,
      change,
      MFS_ERROR_ENOENT,
      `no inode ${change.inode}`,
    );
    check(type !== TYPE_DIRECTORY, change, MFS_ERROR_EPERM, 'a directory');
    checkFreeName(store, change, change.parent, change.name);
    linkEdge(store, change.ts, change.parent, change.inode, change.name);
  },
  UNLINK(store, change) {
    const edge = findEdge(store, change, change.parent, change.name);
    const child = store.edges.child(edge);
    checkEmpty(store, change, child);
    checkResult(change, 'inode', change.inode, child);
    unlinkEdge(store, change.ts, edge);
  },
  MOVE(store, change) {
    const { edges } = store;
    const source = findEdge(store, change, change.srcParent, change.srcName);
    const inode = edges.child(source);
    checkResult(change, 'inode', change.inode, inode);
    checkNode(store, change, change.dstParent);
    check(
      store.nodes.isDirectory(change.dstParent),
      change,
      MFS_ERROR_ENOTDIR,
      `inode ${change.dstParent} is no directory`,
    );
    check(isLegalName(change.dstName), change, MFS_ERROR_EINVAL, 'illegal name');
    const loops = store.nodes.isDirectory(inode) && isAtOrAbove(store, inode, change.dstParent);
    check(!loops, change, MFS_ERROR_EINVAL, 'a directory would be below itself');
    const target = edges.find(change.dstParent, change.dstName);
    if (target === source) return;
    if (target !== 0) {
      checkEmpty(store, change, edges.child(target));
      unlinkEdge(store, change.ts, target);
    }
    dropEdge(store, change.ts, source);
    linkEdge(store, change.ts, change.dstParent, inode, change.dstName);
  },
  ATTR(store, change) {
    const { nodes } = store;
    const { inode } = change;
    checkNode(store, change, inode);
    check(change.mode <= 0o7777, change, MFS_ERROR_EINVAL, `mode ${change.mode}`);
    nodes.mode.set(inode, change.mode);
    nodes.uid.set(inode, change.uid);
    nodes.gid.set(inode, change.gid);
    nodes.atime.set(inode, change.atime);
    nodes.mtime.set(inode, change.mtime);
    nodes.winattr.set(inode, change.winattr);
    nodes.ctime.set(inode, change.ts);
    const acl = store.acl(inode, ACL_ACCESS);
    if (acl === undefined) return;
    const mode = (change.aclmode & 4096) !== 0 ? change.aclmode : (change.mode & 0o707) | 0o070;
    acl.user = (acl.user & ~7) | ((mode >> 6) & 7);
    acl.mask = (acl.mask & ~7) | ((mode >> 3) & 7);
    acl.other = (acl.other & ~7) | (mode & 7);
  },
  ACCESS(store, change) {
    checkNode(store, change, change.inode);
    store.nodes.atime.set(change.inode, change.ts);
  },
  AMTIME(store, change) {
    checkNode(store, change, change.inode);
    store.nodes.atime.set(change.inode, change.atime);
    store.nodes.mtime.set(change.inode, change.mtime);
    store.nodes.ctime.set(change.inode, change.ctime);
  },
  LENGTH(store, change) {
    checkFile(store, change, change.inode, MFS_ERROR_EINVAL);
    setLength(store, change.inode, change.length);
    if (change.canmodmtime !== 0) stampModified(store, change.inode, change.ts);
  },
  TRUNC(store, change) {
    const { inode, index } = change;
    checkFile(store, change, inode, MFS_ERROR_EINVAL);
    check(index <= MFS_MAX_CHUNK_INDEX, change, MFS_ERROR_INDEXTOOBIG, `index ${index}`);
    check(index < store.nodes.chunkCount(inode), change, MFS_ERROR_EINVAL, `index ${index} is beyond the chunk list`);
    check(store.nodes.chunkAt(inode, index) !== 0, change, MFS_ERROR_NOCHUNK, 'a hole');
    takeChunk(store, change, true);
  },
  WRITE(store, change) {
    const { nodes, stats } = store;
    const { inode, index } = change;
    checkFile(store, change, inode, MFS_ERROR_EPERM);
    check(index <= MFS_MAX_CHUNK_INDEX, change, MFS_ERROR_INDEXTOOBIG, `index ${index}`);
    stats.around(inode, () => {
      if (nodes.chunkCount(inode) <= index) nodes.resizeChunks(inode, index + 1);
      takeChunk(store, change, change.opflag !== 0);
      nodes.length.set(inode, Math.max(nodes.length.get(inode), index * MFSCHUNKSIZE));
      nodes.goalFactor.set(inode, store.goalFactor(nodes.sclass.get(inode)));
    });
    nodes.eattr.set(inode, nodes.eattr.get(inode) & ~EATTR_SNAPSHOT);
    if (change.canmodmtime !== 0) stampModified(store, inode, change.ts);
  },
  UNLOCK(store, change) {
    // An unknown chunk is no error: spec 08 §8.2.
    const slot = store.chunks.find(change.chunkId);
    if (slot !== 0) store.chunks.setLockedTo(slot, 0);
  },
  ROLLBACK(store, change) {
    const { inode, index, previousChunkId, chunkId } = change;
    checkFile(store, change, inode, MFS_ERROR_EPERM);
    check(index < store.nodes.chunkCount(inode), change, MFS_ERROR_EINVAL, `index ${index} is beyond the chunk list`);
    if (previousChunkId !== chunkId) {
      store.stats.around(inode, () => {
        addChunkReference(store, inode, previousChunkId);
        dropChunkReference(store, inode, chunkId);
        store.nodes.setChunkAt(inode, index, previousChunkId);
      });
    }
    const slot = store.chunks.find(chunkId);
    if (slot !== 0) store.chunks.setLockedTo(slot, 0);
  },
  CHUNKADD(store, change) {
    const { chunks } = store;
    const { chunkId, version, lockedTo, ts } = change;
    check(chunks.find(chunkId) === 0, change, MFS_ERROR_CHUNKEXIST, `chunk ${chunkId}`);
    const plausible = chunkId <= chunks.nextChunkId + MAX_CHUNK_ID_JUMP && !(lockedTo > 0 && lockedTo < ts);
    check(plausible, change, MFS_ERROR_MISMATCH, `chunk ${chunkId} locked to ${lockedTo}`);
    chunks.add(chunkId, version, lockedTo, false);
    chunks.nextChunkId = Math.max(chunks.nextChunkId, chunkId + 1);
  },
  CHUNKDEL(store, change) {
    // A lock that is still set is no error: locks of replications are cleared without a line (spec 08 §8.1).
    const slot = findChunk(store, change, change.chunkId);
    const version = store.chunks.version(slot);
    check(version === change.version, change, MFS_ERROR_WRONGVERSION, `chunk ${change.chunkId} has version ${version}`);
    check(store.chunks.referenceCount(slot) === 0, change, MFS_ERROR_ACTIVE, `chunk ${change.chunkId} is in use`);
    store.chunks.remove(slot);
  },
  SETVERSION(store, change) {
    store.chunks.setVersion(findChunk(store, change, change.chunkId), change.version);
  },
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
    findSession(store, change, MFS_ERROR_BADSESSIONID);
    for (const inode of [...(store.tables.openFiles.bySession.get(change.sessionId) ?? [])])
      closeFile(store, change.sessionId, inode);
    store.tables.sessions.delete(change.sessionId);
  },
  EMPTYTRASH(store, change) {
    const counts = { freed: 0, sustained: 0 };
    let checksum = 0;
    for (const bucket of buckets(change.bucket, TRASH_BUCKETS)) {
      for (const edge of store.edges.detachedEdges('trash', bucket)) {
        const inode = store.edges.child(edge);
        if (!isTrashDue(store, inode, change.ts)) continue;
        checksum = (checksum ^ inode) >>> 0;
        counts[purgeNode(store, change.ts, inode)]++;
      }
    }
    checkResult(change, 'freed', change.freed, counts.freed);
    checkResult(change, 'sustained', change.sustained, counts.sustained);
    if (change.checksum !== 0) checkResult(change, 'checksum', change.checksum, checksum);
  },
  EMPTYSUSTAINED(store, change) {
    let freed = 0;
    let checksum = 0;
    for (const bucket of buckets(change.bucket, SUSTAINED_BUCKETS)) {
      for (const edge of store.edges.detachedEdges('sustained', bucket)) {
        const inode = store.edges.child(edge);
        if (store.tables.openFiles.isOpen(inode)) continue;
        checksum = (checksum ^ inode) >>> 0;
        purgeNode(store, change.ts, inode);
        freed++;
      }
    }
    checkResult(change, 'freed', change.freed, freed);
    if (change.checksum !== 0) checkResult(change, 'checksum', change.checksum, checksum);
  },
  FREEINODES(store, change) {
    const { freeInodes, tables } = store;
    const { ts, delay } = change;
    freeInodes.cutTimes(ts);
    let freed = 0;
    let checksum = 0;
    const requeued: number[] = [];
    for (let entry = freeInodes.first(); entry !== undefined && entry.time + delay < ts; entry = freeInodes.first()) {
      checksum = (checksum ^ entry.inode) >>> 0;
      freeInodes.shift();
      if (change.requeued > 0 && tables.openFiles.isOpen(entry.inode)) requeued.push(entry.inode);
      else freed++;
    }
    for (const inode of requeued) freeInodes.append(inode, ts);
    checkResult(change, 'freed', change.freed, freed);
    checkResult(change, 'requeued', change.requeued, requeued.length);
    if (change.checksum !== 0) checkResult(change, 'checksum', change.checksum, checksum);
  },
  PURGE(store, change) {
    check(
      store.nodes.type.get(change.inode) === TYPE_TRASH,
      change,
      MFS_ERROR_ENOENT,
      `inode ${change.inode} is not in the trash`,
    );
    purgeNode(store, change.ts, change.inode);
  },
  CSDBOP(store, change) {
    const servers = store.tables.chunkservers;
    const { operation, ip, port, argument } = change;
    const at = servers.findIndex((server) => server.ip === ip && server.port === port);
    const known = servers[at];
    const withId = argument === 0 ? undefined : servers.find((server) => server.csid === argument);
    const wrong = (detail: string): ApplyError =>
      new ApplyError(change.op, MFS_ERROR_MISMATCH, `operation ${operation}: ${detail}`);
    if (operation <= 3 && argument > MAX_CSID) throw wrong(`server id ${argument}`);
    if (operation === 0) {
      if (known !== undefined || withId !== undefined) throw wrong('the server is known already');
      servers.push({ ip, port, csid: argument, maintenance: 0, maintenanceTimeout: 0 });
    } else if (operation === 2) {
      if (withId === undefined) throw wrong(`no server with id ${argument}`);
      withId.ip = ip;
      withId.port = port;
    } else if (known === undefined) {
      throw wrong('no such server');
    } else if (operation === 1) {
      servers.splice(at, 1);
    } else if (operation === 3) {
      if (argument === 0 || withId !== undefined) throw wrong(`server id ${argument} is not free`);
      known.csid = argument;
    } else if (operation >= 4 && operation <= 6) {
      known.maintenance = operation === 4 ? 1 : operation === 5 ? 0 : 2;
      known.maintenanceTimeout = argument;
    } else throw wrong('unknown operation');
  },
};

function stampModified(store: MetadataStore, inode: number, ts: number): void {
  store.nodes.mtime.set(inode, ts);
  store.nodes.ctime.set(inode, ts);
}

function findSession(store: MetadataStore, change: Change & { sessionId: number }, status: number): Session {
  const session = store.tables.sessions.get(change.sessionId);
  check(session !== undefined, change, status, `no session ${change.sessionId}`);
  return session;
}
