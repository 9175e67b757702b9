import {
  ATIME_ALWAYS,
  MFSCHUNKSIZE,
  SESFLAG_ADMIN,
  SESFLAG_READONLY,
  TYPE_BLOCKDEV,
  TYPE_DIRECTORY,
  TYPE_FIFO,
  TYPE_FILE,
} from '@wapiti-fs/protocol';
import {
  appendSlice,
  type Change,
  type ChunkHealth,
  changeClass,
  checkSoftQuotas,
  confirmCreation,
  countArchived,
  countSettings,
  createClass,
  type Ctx,
  deleteClass,
  duplicateClass,
  FileLoop,
  FileOperations,
  finishTruncate,
  formatLine,
  listDetached,
  Metadata,
  type MetadataStore,
  open,
  planTruncate,
  purge,
  quotaControl,
  renameClass,
  repairFile,
  reserveCopy,
  type Session,
  type SessionParameters,
  setAcl,
  setArchived,
  setattr,
  setEattr,
  setStorageClass,
  setTrashPath,
  setTrashtime,
  setXattr,
  snapshot,
  syncTimes,
  undelete,
  useCopy,
} from '../../src/index.js';

/** Four numbers choose one operation and its arguments. */
export type Step = readonly [number, number, number, number];

const NAMES = ['a', 'b', 'c', 'dir', 'x,y(%)', 'é\u0001'].map((text) => Buffer.from(text));
const pick = <T>(list: readonly T[], n: number): T => {
  const item = list[n % list.length];
  if (item === undefined) throw new Error('empty list');
  return item;
};

const parameters = (n: number): SessionParameters => ({
  exportsChecksum: BigInt(n) * 12345678901n,
  rootInode: n % 6 === 5 ? 2 : 1,
  sesflags: n % 7 === 6 ? SESFLAG_READONLY : n % 3 === 2 ? 0 : SESFLAG_ADMIN,
  umask: n % 2 === 0 ? 0 : 0o022,
  rootuid: 0,
  rootgid: 0,
  mapalluid: 999,
  mapallgid: 999,
  mingoal: 1,
  maxgoal: 9,
  mintrashtime: 0,
  maxtrashtime: 0xffffffff,
  disables: 0,
  peerIp: 0x7f000001,
  info: Buffer.from(`/mnt/${n}`),
});

/** Drives the live operations with small numbers; every refusal is fine, only what happens must be replayable. */
export class Driver {
  readonly lines: string[] = [];
  readonly metadata: Metadata;
  private readonly files: FileOperations;
  now: number;

  /** @param forReference leaves out what the reference's own restore misreads (spec 08 §8.2) */
  constructor(
    store: MetadataStore,
    now: number,
    private readonly forReference = false,
  ) {
    this.now = now;
    const options = { inodeReuseDelayS: 300, atimeMode: ATIME_ALWAYS };
    this.metadata = new Metadata(
      store,
      (version: number, change: Change) => this.lines.push(formatLine(version, change)),
      options,
    );
    this.files = new FileOperations(this.metadata);
  }

  private sessions(): Session[] {
    return [...this.metadata.store.tables.sessions.values()];
  }

  private context(n: number): Ctx {
    if (this.sessions().length === 0) this.metadata.createSession(this.now, parameters(0));
    const session = pick(this.sessions(), n);
    const uid = n % 3 === 0 ? 1000 + (n % 2) : 0;
    return { now: this.now, session, uid, gids: uid === 0 ? [0] : [uid, 24], auid: uid, agid: uid };
  }

  /** The reference's restore reads groups of a snapshot wrongly, except [0]. */
  private copying(ctx: Ctx): Ctx {
    return this.forReference ? { ...ctx, uid: 0, gids: [0] } : ctx;
  }

  private inode(n: number, wanted: (inode: number) => boolean = () => true): number {
    const found = [...this.metadata.store.nodes.inodes()].filter(wanted);
    return found.length === 0 ? 1 : pick(found, n);
  }
  private directory(n: number): number {
    return this.inode(n, (inode) => this.metadata.store.nodes.isDirectory(inode));
  }
  private file(n: number): number {
    return this.inode(n, (inode) => this.metadata.store.nodes.isFile(inode));
  }

  private readonly operations: readonly ((ctx: Ctx, a: number, b: number, c: number) => void)[] = [
    (ctx, a, b, c) =>
      void this.metadata.mknod(ctx, this.directory(a), pick(NAMES, b), TYPE_DIRECTORY, 0o777, 0o22, 0, c % 2 === 0),
    (ctx, a, b) => void this.metadata.mknod(ctx, this.directory(a), pick(NAMES, b), TYPE_FILE, 0o666, 0o22),
    (ctx, a, b) => void this.metadata.mknod(ctx, this.directory(a), pick(NAMES, b), TYPE_FILE, 0o644, 0),
    (ctx, a, b, c) =>
      void this.metadata.mknod(
        ctx,
        this.directory(a),
        pick(NAMES, b),
        pick([TYPE_FIFO, TYPE_BLOCKDEV], c),
        0o644,
        0,
        c,
      ),
    (ctx, a, b, c) => void this.metadata.symlink(ctx, this.directory(a), pick(NAMES, b), pick(NAMES, c)),
    (ctx, a, b, c) => void this.metadata.link(ctx, this.file(a), this.directory(b), pick(NAMES, c)),
    (ctx, a, b, c) => void this.metadata.unlink(ctx, this.directory(a), pick(NAMES, b), c % 3 === 0),
    (ctx, a, b) => void this.metadata.unlink(ctx, this.directory(a), pick(NAMES, b), false),
    (ctx, a, b, c) =>
      void this.metadata.rename(ctx, this.directory(a), pick(NAMES, b), this.directory(c), pick(NAMES, a + c)),
    (ctx, a, b, c) =>
      void setattr(this.metadata, ctx, this.inode(a), true, {
        ...{ setmask: b & 0xff, mode: c & 0o7777, uid: c % 2 === 0 ? 0 : 1000, gid: 1000 },
        ...{ atime: this.now - 5, mtime: this.now - 7, winattr: c & 3, sugidClearMode: c % 6 },
      }),
    (ctx, a, b) => void open(this.metadata, ctx, this.file(a), b & 11),
    (ctx, a, b, c) => {
      const plan = this.files.planWrite(ctx, this.file(a), b % 3, c % 2 === 0);
      if (!('action' in plan)) return;
      if (plan.action === 'duplicate' && c % 4 > 0) {
        reserveCopy(this.metadata, this.now, plan.chunkId);
        if (c % 4 > 1) useCopy(this.metadata, this.now, plan);
        return;
      }
      this.files.commitWrite(this.now, plan, c % 3 === 0);
      if (plan.action === 'new' && c % 2 === 0) confirmCreation(this.metadata, this.now, plan.chunkId);
      if (c % 5 === 0) this.files.rollback(this.now, plan);
      else if (c % 5 > 1) this.files.writeEnd(ctx, plan.chunkId, plan.inode, (b % 3) * MFSCHUNKSIZE + (c % 70000));
    },
    (ctx, a, b, c) => {
      const length = (b % 3) * MFSCHUNKSIZE + (c % 2) * (a % 1000);
      const plan = planTruncate(this.metadata, ctx, this.file(a), pick([0, 1, 2, 4, 9, 11], c), length);
      if (!('inode' in plan)) return;
      const { cut } = plan;
      if (cut?.action === 'duplicate') {
        reserveCopy(this.metadata, this.now, cut.chunkId);
        if (c % 4 === 1 || !useCopy(this.metadata, this.now, { ...cut, inode: plan.inode })) return;
      } else if (cut !== undefined) {
        const { chunkId } = cut;
        const { chunks } = this.metadata.store;
        const version = chunks.version(chunks.find(chunkId)) + 1;
        this.metadata.commit({ op: 'SETVERSION', ts: this.now, chunkId, version });
        if (c % 4 === 1) return;
      }
      finishTruncate(this.metadata, ctx, plan);
    },
    (ctx, a, b, c) => void appendSlice(this.metadata, ctx, this.file(a), this.file(b), c & 3, c % 3, (c >> 2) % 4),
    (ctx, a, b, c) =>
      void snapshot(
        ...([this.metadata, this.copying(ctx), this.inode(a), this.directory(b)] as const),
        ...([pick(NAMES, c), c & 15 & ~4, 0o22] as const),
      ),
    (ctx, a, b, c) =>
      void snapshot(
        ...([this.metadata, this.copying(ctx), 0, this.directory(a)] as const),
        ...([pick(NAMES, b), 0x80 | (c % 3 === 0 ? 0 : 4), 0o22] as const),
      ),
    (ctx, a, b, c) =>
      void setTrashtime(this.metadata, ctx, this.inode(a), pick([0, 3600, 5000, 86400, 0xffffffff], b), c & 7),
    (ctx, a, b, c) => {
      const classes = [...this.metadata.store.tables.sclasses.keys()];
      setStorageClass(this.metadata, ctx, this.inode(a), pick(classes, c), pick(classes, b), c & 7);
    },
    (ctx, a, b, c) => void setEattr(this.metadata, ctx, this.inode(a), b & 0xef, c & 7),
    (ctx, a) => void setEattr(this.metadata, ctx, this.inode(a), 0xef, 2),
    (ctx, a, b) => void setArchived(this.metadata, ctx, this.inode(a), b % 2 === 0),
    (ctx, a, b, c) =>
      void setXattr(this.metadata, ctx, this.inode(a), pick(NAMES, b), Buffer.alloc(c % 9, c), c & 3, c % 2 === 0),
    (ctx, a, b, c) => {
      const keep = (n: number): number => (n % 5 === 4 ? 0xffff : n % 8);
      const named = Array.from({ length: c % 3 }, (_, i) => ({ id: 1000 + i, perm: b % 8 }));
      const fields = { user: keep(b), group: keep(c), other: keep(a), mask: c % 4 === 0 ? 0xffff : c % 8 };
      setAcl(this.metadata, ctx, this.inode(a), 1 + (b % 2), { ...fields, users: named, groups: [] });
    },
    (ctx, a) => {
      const none = { user: 0xffff, group: 0xffff, other: 0xffff, mask: 0xffff, users: [], groups: [] };
      setAcl(this.metadata, ctx, this.inode(a), 1 + (a % 2), none);
    },
    (ctx, a, b, c) => {
      const limits = { sinodes: b % 10, hinodes: c % 30, slength: b * 1000, hlength: b * 100000, ssize: 0, hsize: 0 };
      const set = { ...limits, srealsize: 0, hrealsize: 0, graceperiod: c % 3 };
      quotaControl(this.metadata, ctx, this.directory(a), {
        flags: b & 0x33,
        rootuid: 0,
        ...(c % 3 === 0 ? {} : { set }),
      });
    },
    () => checkSoftQuotas(this.metadata, this.now),
    (ctx, a, b, c) =>
      void this.metadata.locks.flock(
        { ...ctx, sessionId: ctx.session.id, inode: this.file(a), owner: BigInt(b % 3), requestId: c, messageId: c },
        c % 7,
      ),
    (ctx, a, b, c) => {
      const range = { start: BigInt(b % 20), end: BigInt((b % 20) + 1 + (c % 9)) };
      const kind = { command: (c >> 2) % 4, type: c % 3, pid: b % 100 };
      const holder = { sessionId: ctx.session.id, owner: BigInt(b % 3), requestId: c, messageId: c };
      this.metadata.locks.posixLock({ now: this.now, inode: this.file(a), ...holder, ...kind, ...range });
    },
    (ctx, a, b, c) => this.metadata.setOpenFiles(this.now, ctx.session.id, [this.inode(a), this.file(b), this.file(c)]),
    (_ctx, a) => void this.metadata.createSession(this.now, parameters(a % 20)),
    (ctx, a) => void this.metadata.changeSession(this.now, ctx.session.id, parameters(a % 20)),
    (ctx, a) => this.metadata[a % 4 === 0 ? 'removeSession' : 'disconnectSession'](this.now, ctx.session.id),
    (_ctx, a) => {
      for (const inode of this.metadata.store.nodes.inodes()) this.metadata.emptyDetached(this.now, inode);
      if (a % 2 === 0) this.now += 90000;
    },
    () => this.metadata.releaseInodes(this.now),
    (ctx, a, b) => {
      const meta = { ...ctx, session: { ...ctx.session, rootInode: 0 } };
      const trash = listDetached(this.metadata, meta, 'trash');
      if (!('files' in trash) || trash.files.length === 0) return;
      const { inode } = pick(trash.files, a);
      if (b % 4 === 0)
        setTrashPath(this.metadata, meta, inode, pick([...NAMES, Buffer.from('p/q/r'), Buffer.from('/')], b >> 2));
      else if (b % 4 === 3) purge(this.metadata, meta, inode);
      else undelete(this.metadata, meta, inode);
    },
    (ctx, a, b) => {
      const masks = Array.from({ length: 1 + (a % 3) }, () => [a & 7, 0, 0, 0]);
      const definition = {
        adminOnly: b % 4 === 0,
        mode: b % 3,
        archDelayDays: a % 9,
        create: masks,
        keep: masks,
        arch: masks,
      };
      createClass(this.metadata, ctx, pick(NAMES, b), definition);
    },
    (ctx, a, b) => void changeClass(this.metadata, ctx, pick(NAMES, a), { mode: b % 3, adminOnly: b % 2 === 0 }, true),
    (ctx, a, b) => void [duplicateClass, renameClass][a % 2]?.(this.metadata, ctx, pick(NAMES, a), pick(NAMES, b)),
    (ctx, a) => void deleteClass(this.metadata, ctx, pick(NAMES, a)),
    (ctx, a, b) =>
      void repairFile(this.metadata, ctx, this.file(a), () =>
        pick(['keep', 'erase', this.forReference ? 'keep' : 7], b),
      ),
    (ctx, a, b, c) =>
      syncTimes(this.metadata, ctx, [{ inode: this.inode(a), atime: this.now + (b % 3), mtime: this.now - (c % 9) }]),
    (ctx, a) => void this.metadata.readdir(ctx, this.directory(a), 0n, 100, a % 2 === 0),
    (_ctx, a, b) => {
      const { chunks } = this.metadata.store;
      if (a % 2 === 0) {
        const chunkId = chunks.nextChunkId + (b % 5);
        this.metadata.commit({
          op: 'CHUNKADD',
          ts: this.now,
          chunkId,
          version: 1 + (b % 3),
          lockedTo: this.now + 604800,
        });
      } else
        for (const slot of [...chunks.entries()])
          if (chunks.referenceCount(slot) === 0 && chunks.lockedTo(slot) < this.now)
            this.metadata.commit({
              ...{ op: 'CHUNKDEL', ts: this.now },
              ...{ chunkId: chunks.id(slot), version: chunks.version(slot) },
            });
    },
    (ctx, a) => {
      for (const setting of ['trashtime', 'sclass', 'eattr'] as const)
        countSettings(this.metadata, ctx, this.inode(a), setting, true);
      countArchived(this.metadata, ctx, this.inode(a));
    },
    (_ctx, a) => {
      const health = (chunkId: number): ChunkHealth => {
        const validCopies = (chunkId + a) % 3;
        return { validCopies, goal: 2, idle: a % 2 === 0 };
      };
      new FileLoop(this.metadata, health).step(this.now, 1000);
    },
    (_ctx, a) => {
      // The clock of the host may be set back a little.
      this.now += (a % 200) - 20;
    },
  ];

  run(steps: readonly Step[]): void {
    for (const [operation, a, b, c] of steps) {
      pick(this.operations, operation)(this.context(a ^ b), a, b, c);
      if (c % 3 === 0) this.now++;
    }
  }
}
