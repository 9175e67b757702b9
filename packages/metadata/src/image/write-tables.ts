/** Small sections of images: everything that does not grow with the number of files. Orders of spec 07 §3.14. */
import { Writer } from '@wapiti-fs/protocol';
import { hash32 } from '../store/hash.js';
import type { MetadataStore } from '../store/store.js';
import { SESSION_STATS } from '../store/tables.js';
import type { SectionName } from './frame.js';

const SESSION_BUCKETS = 256;
const OPEN_BUCKETS = 4096;
const LOCK_BUCKETS = 1024;

/** Items in ascending bucket, in a bucket newest first; `items` come oldest first. */
function byBucket<T>(items: Iterable<T>, bucket: (item: T) => number): T[] {
  const keyed = [...items].reverse().map((item) => ({ item, bucket: bucket(item) }));
  return keyed.sort((a, b) => a.bucket - b.bucket).map(({ item }) => item);
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

const BODIES: Readonly<Partial<Record<SectionName, (store: MetadataStore, w: Writer) => void>>> = {
  SESS: sessions,
  SCLA: classes,
  FREE: free,
  QUOT: quotas,
  OPEN: openFiles,
  FLCK: flocks,
  PLCK: posixLocks,
  CSDB: chunkservers,
};

/** Bodies of the small sections as they are now. */
export function writeTables(store: MetadataStore): Map<SectionName, Buffer> {
  const bodies = new Map<SectionName, Buffer>();
  for (const [name, body] of Object.entries(BODIES)) {
    const writer = new Writer(4096);
    body(store, writer);
    bodies.set(name as SectionName, writer.finish());
  }
  return bodies;
}
