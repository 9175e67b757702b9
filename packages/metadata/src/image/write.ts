/** Writer of images with the record order of the reference (spec 07 §3.14, §6). */
import {
  MFS_ROOT_ID,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_SYMLINK,
  Writer,
} from '@wapiti-fs/protocol';
import { hash32 } from '../store/hash.js';
import type { MetadataStore } from '../store/store.js';
import { SESSION_STATS } from '../store/tables.js';
import { END_MARKER, type SectionName, SECTIONS, SIGNATURE } from './frame.js';

/** A piece is handed out when it has grown to this size. */
const PIECE_BYTES = 1 << 20;
const TABLE_BITS = 24;
const TABLE_MASK = 2 ** TABLE_BITS - 1;
const SLOT_LIMIT = 2 ** 29;
const XATTR_BUCKETS = 1 << 20;
const SESSION_BUCKETS = 256;
const OPEN_BUCKETS = 4096;
const LOCK_BUCKETS = 1024;

type SmallBody = (store: MetadataStore, w: Writer) => void;
type LargeBody = (store: MetadataStore, out: Output, now: number) => Generator<Buffer>;

/** Collects bytes and gives them out in pieces. */
class Output {
  writer = new Writer(4096);

  get full(): boolean {
    return this.writer.sizeBytes >= PIECE_BYTES;
  }

  take(): Buffer {
    const piece = this.writer.finish();
    this.writer = new Writer(PIECE_BYTES + 4096);
    return piece;
  }
}

/** Items in ascending bucket, in a bucket newest first; `items` come oldest first. */
function byBucket<T>(items: Iterable<T>, bucket: (item: T) => number): T[] {
  const keyed = [...items].reverse().map((item) => ({ item, bucket: bucket(item) }));
  return keyed.sort((a, b) => a.bucket - b.bucket).map(({ item }) => item);
}

/** Numbers in order of the hash tables for nodes and chunks; the higher number first where hashes meet. */
function byHash(numbers: Iterable<number>, count: number, key: (n: number) => number): Float64Array {
  const all = Float64Array.from(numbers);
  if (all.some((n) => n >= SLOT_LIMIT)) return all; // any order is legal
  const sorted = new Float64Array(count);
  let i = 0;
  for (const n of all) sorted[i++] = (hash32(key(n)) & TABLE_MASK) * SLOT_LIMIT + (SLOT_LIMIT - 1 - (n % SLOT_LIMIT));
  sorted.sort();
  for (i = 0; i < count; i++) sorted[i] = SLOT_LIMIT - 1 - ((sorted[i] ?? 0) % SLOT_LIMIT);
  return sorted;
}

function sessions(store: MetadataStore, w: Writer): void {
  const { tables } = store;
  w.u32(tables.nextSessionId);
  w.u16(SESSION_STATS);
  for (const s of byBucket(tables.sessions.values(), ({ id }) => id % SESSION_BUCKETS)) {
    w.u32(s.id);
    w.u64(s.exportsChecksum);
    w.u32(s.info.length);
    for (const value of [s.peerIp, s.rootInode]) w.u32(value);
    w.u8(s.sesflags);
    w.u16(s.umask);
    w.u8(s.mingoal);
    w.u8(s.maxgoal);
    for (const value of [s.mintrashtime, s.maxtrashtime, s.rootuid, s.rootgid, s.mapalluid, s.mapallgid]) w.u32(value);
    w.u32(s.disables);
    w.u32(s.disconnected);
    for (const counters of [s.current, s.lastHour]) for (let i = 0; i < SESSION_STATS; i++) w.u32(counters[i] ?? 0);
    w.bytes(s.info);
  }
  w.bytes(Buffer.alloc(61 + 8 * SESSION_STATS));
}

function classes(store: MetadataStore, w: Writer): void {
  w.u8(4);
  for (const c of [...store.tables.sclasses.values()].sort((a, b) => a.id - b.id)) {
    w.u16(c.id);
    w.u8(c.name.length);
    w.u8(c.adminOnly ? 1 : 0);
    w.u8(c.mode);
    w.u16(c.archDelayDays);
    for (const expressions of [c.create, c.keep, c.arch]) w.u8(expressions.length);
    w.bytes(c.name);
    for (const expression of [...c.create, ...c.keep, ...c.arch]) for (let i = 0; i < 4; i++) w.u32(expression[i] ?? 0);
  }
  w.bytes(Buffer.alloc(10));
}

function* nodesBody({ nodes }: MetadataStore, out: Output): Generator<Buffer> {
  out.writer.u32(nodes.maxInode);
  out.writer.u32(nodes.count);
  for (const inode of byHash(nodes.inodes(), nodes.count, (n) => n)) {
    const w = out.writer;
    const type = nodes.type.get(inode);
    w.u8(type);
    w.u32(inode);
    for (const column of [nodes.sclass, nodes.eattr, nodes.winattr]) w.u8(column.get(inode));
    w.u16(nodes.mode.get(inode));
    for (const column of [nodes.uid, nodes.gid, nodes.atime, nodes.mtime, nodes.ctime]) w.u32(column.get(inode));
    w.u16(nodes.trashtime.get(inode));
    if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) w.u32(nodes.rdev(inode));
    else if (type === TYPE_SYMLINK) {
      w.u32(nodes.symlinkLength(inode));
      w.bytes(nodes.symlink(inode));
    } else if (nodes.isFile(inode)) {
      let count = nodes.chunkCount(inode);
      while (count > 0 && nodes.chunkAt(inode, count - 1) === 0) count--;
      w.u64n(nodes.length.get(inode));
      w.u32(count);
      for (let i = 0; i < count; i++) w.u64n(nodes.chunkAt(inode, i));
    }
    if (out.full) yield out.take();
  }
  out.writer.u8(0);
}

/** Edges in the order of spec 07 §3.4. */
function* edgesInOrder({ nodes, edges }: MetadataStore): Generator<number> {
  const open = [MFS_ROOT_ID];
  for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
    const below: number[] = [];
    for (const edge of edges.childEdges(directory)) {
      yield edge;
      if (nodes.isDirectory(edges.child(edge))) below.push(edges.child(edge));
    }
    for (const child of below.reverse()) open.push(child);
  }
  for (let i = 0; i < TRASH_BUCKETS; i++) yield* edges.detachedEdges('trash', i);
  for (let i = 0; i < SUSTAINED_BUCKETS; i++) yield* edges.detachedEdges('sustained', i);
}

function* edgesBody(store: MetadataStore, out: Output): Generator<Buffer> {
  const { edges } = store;
  out.writer.u64(edges.nextEdgeId);
  for (const edge of edgesInOrder(store)) {
    const w = out.writer;
    const name = edges.nameView(edge);
    w.u32(edges.parent(edge));
    w.u32(edges.child(edge));
    w.u64(edges.edgeId(edge));
    w.u16(name.length);
    w.bytes(name);
    if (out.full) yield out.take();
  }
  out.writer.bytes(Buffer.alloc(18));
}

function free({ freeInodes }: MetadataStore, w: Writer): void {
  w.u32(freeInodes.length);
  for (const { inode, time } of freeInodes.entries()) {
    w.u32(inode);
    w.u32(time);
  }
}

function quotas({ tables }: MetadataStore, w: Writer): void {
  w.u32(tables.quotas.size);
  for (const q of [...tables.quotas.values()].reverse()) {
    w.u32(q.inode);
    w.u32(q.graceperiod);
    w.u8(q.exceeded);
    w.u8(q.flags);
    for (const value of [q.stimestamp, q.sinodes, q.hinodes]) w.u32(value);
    for (const value of [q.slength, q.hlength, q.ssize, q.hsize, q.srealsize, q.hrealsize]) w.u64n(value);
  }
}

function xattrs({ tables }: MetadataStore, w: Writer): void {
  for (const [inode, attributes] of byBucket(tables.xattrs, ([i]) => i % XATTR_BUCKETS)) {
    for (const { name, value } of attributes) {
      w.u32(inode);
      w.u8(name.length);
      w.u32(value.length);
      w.bytes(name);
      w.bytes(value);
    }
  }
  w.bytes(Buffer.alloc(9));
}

function acls({ tables }: MetadataStore, w: Writer): void {
  const records = [...tables.acls].map(([key, acl]) => ({ inode: Math.floor(key / 4), type: key % 4, acl }));
  const bucket = (r: { inode: number; type: number }): number =>
    ((Math.imul(r.inode, 0x56bf7623) + r.type) >>> 0) % XATTR_BUCKETS;
  for (const { inode, type, acl } of byBucket(records, bucket)) {
    w.u32(inode);
    w.u8(type);
    for (const value of [acl.user, acl.group, acl.other, acl.mask, acl.users.length, acl.groups.length]) w.u16(value);
    for (const { id, perm } of [...acl.users, ...acl.groups]) {
      w.u32(id);
      w.u16(perm);
    }
  }
  w.bytes(Buffer.alloc(17));
}

function openFiles({ tables }: MetadataStore, w: Writer): void {
  const pairs = [...tables.openFiles.bySession].flatMap(([session, inodes]) =>
    [...inodes].map((inode) => ({ session, inode })),
  );
  for (const { session, inode } of byBucket(pairs, (pair) => pair.session % OPEN_BUCKETS)) {
    w.u32(session);
    w.u32(inode);
  }
  w.bytes(Buffer.alloc(8));
}

const lockBucket = ([inode]: readonly [number, unknown]): number => (Math.imul(inode, 0x738a2379) >>> 0) % LOCK_BUCKETS;

function flocks({ tables }: MetadataStore, w: Writer): void {
  for (const [inode, locks] of byBucket(tables.flocks, lockBucket)) {
    for (const lock of locks) {
      w.u32(inode);
      w.u64(lock.owner);
      w.u32(lock.sessionId);
      w.u8(lock.exclusive ? 1 : 0);
    }
  }
  w.bytes(Buffer.alloc(17));
}

function posixLocks({ tables }: MetadataStore, w: Writer): void {
  for (const [inode, owners] of byBucket(tables.posixLocks, lockBucket)) {
    for (const { owner, sessionId, pid, ranges } of owners) {
      for (const { start, end, write } of ranges) {
        w.u32(inode);
        w.u64(owner);
        w.u32(sessionId);
        w.u32(pid);
        w.u64(start);
        w.u64(end);
        w.u8(write ? 2 : 1);
      }
    }
  }
  w.bytes(Buffer.alloc(37));
}

function chunkservers({ tables }: MetadataStore, w: Writer): void {
  w.u32(tables.chunkservers.length);
  for (const cs of byBucket(tables.chunkservers, ({ ip, port }) => hash32(ip ^ (port << 16)) % 256)) {
    w.u32(cs.ip);
    w.u16(cs.port);
    w.u16(cs.csid);
    w.u8(cs.maintenance);
    w.u32(cs.maintenanceTimeout);
  }
}

function* chunksBody({ chunks }: MetadataStore, out: Output, now: number): Generator<Buffer> {
  out.writer.u64n(chunks.nextChunkId);
  for (const slot of byHash(chunks.entries(), chunks.count, (s) => chunks.id(s))) {
    const w = out.writer;
    const lockedTo = chunks.lockedTo(slot);
    w.u64n(chunks.id(slot));
    w.u32(chunks.version(slot));
    w.u32(lockedTo < now ? 0 : lockedTo);
    w.u8(chunks.archived(slot) ? 1 : 0);
    if (out.full) yield out.take();
  }
  out.writer.bytes(Buffer.alloc(17));
}

const small = (body: SmallBody): LargeBody =>
  function* (store, out) {
    body(store, out.writer);
  };

const BODIES: Readonly<Record<SectionName, LargeBody>> = {
  SESS: small(sessions),
  SCLA: small(classes),
  NODE: nodesBody,
  EDGE: edgesBody,
  FREE: small(free),
  QUOT: small(quotas),
  XATR: small(xattrs),
  PACL: small(acls),
  OPEN: small(openFiles),
  FLCK: small(flocks),
  PLCK: small(posixLocks),
  CSDB: small(chunkservers),
  CHNK: chunksBody,
};

/**
 * Pieces of the image of a store; the store must not change meanwhile.
 * @param now seconds: chunk locks that ended before are written as 0
 */
export function* writeImage(store: MetadataStore, now = 0): Generator<Buffer> {
  const header = new Writer(24);
  header.bytes(SIGNATURE);
  header.u64n(store.version);
  header.u64(store.metaid);
  yield header.finish();
  for (const [name, version] of SECTIONS) {
    const out = new Output();
    // Lengths come before bodies and must be exact: the pieces of one section are held until it is complete.
    const pieces = [...BODIES[name](store, out, now), out.take()];
    const head = new Writer(16);
    head.bytes(Buffer.from(`${name} ${version}`));
    head.u64n(pieces.reduce((sum, piece) => sum + piece.length, 0));
    yield head.finish();
    yield* pieces;
  }
  yield END_MARKER;
}
