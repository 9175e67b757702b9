/** Live operations: checks in the order of spec 09, then one record, journalled and applied. */
import { ATIME_RELATIVE_ONLY, type AttributeRecord, SUSTAINED_BUCKETS, TRASH_BUCKETS } from '@wapiti-fs/protocol';
import type { MetadataStore } from '../store/store.js';
import type { SessionParameters } from '../store/tables.js';
import type { Ctx } from './access.js';
import { applyRecord, isTrashDue, performChange } from './apply/index.js';
import { LockOperations } from './locks.js';
import * as lookups from './lookup.js';
import * as names from './names.js';
import type { Change, ChangeOf, ChangeOp } from './records.js';
import { type Refused, type Entry, type DirectoryEntry } from './results.js';

/** Called with each change and its number before it is applied. */
export type Journal = (version: number, change: Change) => void;

export interface MetadataOptions {
  readonly maxHardLinks: number;
  /** Seconds before the number of a removed inode may be used again. */
  readonly inodeReuseDelayS: number;
  /** ATIME_* (spec 09 §8). */
  readonly atimeMode: number;
}

export const DEFAULT_METADATA_OPTIONS: MetadataOptions = {
  maxHardLinks: 32767,
  inodeReuseDelayS: 86400,
  atimeMode: ATIME_RELATIVE_ONLY,
};

export class Metadata {
  /** flock and POSIX locks of the sessions, with those who wait for one. */
  readonly locks: LockOperations = new LockOperations(this);
  /** inode -> bytes promised to appending writers (spec 09 §11.3); neither journalled nor in images. */
  readonly reservations = new Map<number, number>();
  private current: MetadataOptions;

  constructor(
    readonly store: MetadataStore,
    private readonly journal: Journal,
    options: Partial<MetadataOptions> = {},
  ) {
    this.current = { ...DEFAULT_METADATA_OPTIONS, ...options };
  }

  get options(): MetadataOptions {
    return this.current;
  }

  /** Replaces options while serving (reload of the configuration). */
  configure(options: Partial<MetadataOptions>): void {
    this.current = { ...this.current, ...options };
  }

  /** Journals and applies a planned change. */
  commit(change: Change): void {
    this.journal(this.store.version, change);
    applyRecord(this.store, change);
  }

  /** Carries out a change whose counters come out of it, and journals it with them. */
  perform<K extends ChangeOp>(change: ChangeOf<K>): ChangeOf<K> {
    const { version } = this.store;
    const done = performChange(this.store, change);
    this.journal(version, done as unknown as Change);
    return done;
  }

  // --- reading -----------------------------------------------------------------------------------------------------

  /** Spec 09 §6.2. `flags` is the flags word of the reply without the cache and chunk-0 bits. */
  lookup(ctx: Ctx, parentInode: number, name: Buffer): Refused | (Entry & { flags: number }) {
    return lookups.lookup(this, ctx, parentInode, name);
  }

  /** Spec 09 §6.3. */
  getattr(ctx: Ctx, inodeNumber: number, opened = false): Refused | { status: 0; attributes: AttributeRecord } {
    return lookups.getattr(this, ctx, inodeNumber, opened);
  }

  /** Spec 09 §6.1. */
  access(ctx: Ctx, inodeNumber: number, mask: number): Refused {
    return lookups.access(this, ctx, inodeNumber, mask);
  }

  /** Spec 09 §6.6. */
  readlink(ctx: Ctx, inodeNumber: number): Refused | { status: 0; target: Buffer } {
    return lookups.readlink(this, ctx, inodeNumber);
  }

  /** Spec 09 §24: `.` (cookie 0), `..` (1), then children newest first; `next` is the cookie to go on with. */
  readdir(
    ctx: Ctx,
    inodeNumber: number,
    cookie: bigint,
    maxEntries: number,
    withAttributes: boolean,
  ): Refused | { status: 0; entries: DirectoryEntry[]; next: bigint } {
    return lookups.readdir(this, ctx, inodeNumber, cookie, maxEntries, withAttributes);
  }

  // --- names -------------------------------------------------------------------------------------------------------

  /** Spec 09 §6.4, also mkdir (type directory). `copySgid`: see §2.4. */
  mknod(
    ctx: Ctx,
    parentInode: number,
    name: Buffer,
    type: number,
    mode: number,
    cumask: number,
    rdev = 0,
    copySgid = false,
  ): Refused | Entry {
    return names.mknod(this, ctx, parentInode, name, type, mode, cumask, rdev, copySgid);
  }

  /** Spec 09 §6.5. */
  symlink(ctx: Ctx, parentInode: number, name: Buffer, target: Buffer): Refused | Entry {
    return names.symlink(this, ctx, parentInode, name, target);
  }

  /** Spec 09 §6.9. */
  link(ctx: Ctx, inodeNumber: number, parentInode: number, name: Buffer): Refused | Entry {
    return names.link(this, ctx, inodeNumber, parentInode, name);
  }

  /** Spec 09 §6.7: unlink, or rmdir with `directory`. */
  unlink(ctx: Ctx, parentInode: number, name: Buffer, directory: boolean): Refused | { status: 0; inode: number } {
    return names.unlink(this, ctx, parentInode, name, directory);
  }

  /** Spec 09 §6.8, with the safe answers of §33 nos. 1-4. */
  rename(ctx: Ctx, srcParentInode: number, srcName: Buffer, dstParentInode: number, dstName: Buffer): Refused | Entry {
    return names.rename(this, ctx, srcParentInode, srcName, dstParentInode, dstName);
  }

  // --- sessions, open files, timers ----------------------------------------------------------------------------------

  /** A new session (spec 09 §3.6). */
  createSession(now: number, parameters: SessionParameters): number {
    const sessionId = this.store.tables.nextSessionId;
    this.commit({ op: 'SESADD', ts: now, ...parameters, sessionId });
    return sessionId;
  }

  /** An existing session registered anew. */
  changeSession(now: number, sessionId: number, parameters: SessionParameters): boolean {
    if (!this.store.tables.sessions.has(sessionId)) return false;
    this.commit({ op: 'SESCHANGED', ts: now, ...parameters, sessionId });
    return true;
  }

  disconnectSession(now: number, sessionId: number): void {
    if (this.store.tables.sessions.has(sessionId)) this.commit({ op: 'SESDISCONNECTED', ts: now, sessionId });
  }

  /** Ends a session: its open files and locks go with it (spec 09 §3.6). */
  removeSession(now: number, sessionId: number): void {
    if (!this.store.tables.sessions.has(sessionId)) return;
    const inodes = [...(this.store.tables.openFiles.bySession.get(sessionId) ?? [])];
    for (const inode of inodes) this.locks.beforeClose(now, inode, sessionId);
    this.commit({ op: 'SESDEL', ts: now, sessionId });
    for (const inode of inodes) this.locks.afterClose(now, inode);
  }

  /** Adds a file to the session's open set. */
  acquire(now: number, sessionId: number, inode: number): void {
    if (!this.store.tables.openFiles.has(sessionId, inode)) this.commit({ op: 'ACQUIRE', ts: now, sessionId, inode });
  }

  /** Replaces the session's whole open set (spec 09 §23). */
  setOpenFiles(now: number, sessionId: number, inodes: readonly number[]): void {
    const wanted = new Set(inodes.filter((inode) => inode !== 0));
    for (const inode of [...(this.store.tables.openFiles.bySession.get(sessionId) ?? [])]) {
      if (wanted.has(inode)) continue;
      this.locks.beforeClose(now, inode, sessionId);
      this.commit({ op: 'RELEASE', ts: now, sessionId, inode });
      this.locks.afterClose(now, inode);
    }
    for (const inode of [...wanted].sort((a, b) => a - b)) this.acquire(now, sessionId, inode);
  }

  /** One list of the trash and of the sustained files; call each second with a counter (spec 09 §13.2). */
  emptyDetached(now: number, tick: number): void {
    const { edges, tables } = this.store;
    const trash = {
      op: 'EMPTYTRASH',
      ts: now,
      bucket: tick % TRASH_BUCKETS,
      freed: 0,
      sustained: 0,
      checksum: 0,
    } as const;
    const due = [...edges.detachedEdges('trash', trash.bucket)]
      .map((e) => edges.child(e))
      .filter((i) => isTrashDue(this.store, i, now));
    if (due.length > 0) {
      const sustained = due.filter((inode) => tables.openFiles.isOpen(inode)).length;
      this.commit({ ...trash, freed: due.length - sustained, sustained, checksum: xor(due) });
    }
    const bucket = tick % SUSTAINED_BUCKETS;
    const closed = [...edges.detachedEdges('sustained', bucket)]
      .map((e) => edges.child(e))
      .filter((i) => !tables.openFiles.isOpen(i));
    if (closed.length > 0)
      this.commit({ op: 'EMPTYSUSTAINED', ts: now, bucket, freed: closed.length, checksum: xor(closed) });
  }

  /** Releases inode numbers whose delay is over; call each minute (spec 09 §25). */
  releaseInodes(now: number): void {
    const delay = this.options.inodeReuseDelayS;
    const due: number[] = [];
    for (const { inode, time } of this.store.freeInodes.entries()) {
      if (Math.min(time, now) + delay >= now) break;
      due.push(inode);
    }
    if (due.length === 0) return;
    const requeued = due.filter((inode) => this.store.tables.openFiles.isOpen(inode)).length;
    this.commit({ op: 'FREEINODES', ts: now, delay, freed: due.length - requeued, requeued, checksum: xor(due) });
  }
}

const xor = (inodes: readonly number[]): number => inodes.reduce((sum, inode) => (sum ^ inode) >>> 0, 0);
