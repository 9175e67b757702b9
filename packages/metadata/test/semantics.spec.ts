/** What live operations answer: the worked examples of spec 09 §34 and the rules around them. */
import {
  ATIME_NEVER,
  DISABLE_SETXATTR,
  EATTR_IMMUTABLE,
  EATTR_NOOWNER,
  FLOCK_INTERRUPT,
  FLOCK_LOCK_EXCLUSIVE,
  FLOCK_LOCK_SHARED,
  FLOCK_TRY_EXCLUSIVE,
  FLOCK_TRY_SHARED,
  FLOCK_UNLOCK,
  MFS_ERROR_EACCES,
  MFS_ERROR_EAGAIN,
  MFS_ERROR_EEXIST,
  MFS_ERROR_EINTR,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOATTR,
  MFS_ERROR_ENOENT,
  MFS_ERROR_ENOENT_NOCACHE,
  MFS_ERROR_EPERM,
  MFS_ERROR_EPERM_NOTADMIN,
  MFS_ERROR_ERANGE,
  MFS_ERROR_EROFS,
  MFS_ERROR_LOCKED,
  MFS_ERROR_NOTOPENED,
  MFS_ERROR_QUOTA,
  MFSCHUNKSIZE as M,
  POSIX_LOCK_CMD_GET,
  POSIX_LOCK_CMD_SET,
  POSIX_LOCK_CMD_TRY,
  POSIX_LOCK_RDLCK,
  POSIX_LOCK_UNLCK,
  POSIX_LOCK_WRLCK,
  QUOTA_FLAG_HINODES,
  QUOTA_FLAG_HLENGTH,
  QUOTA_FLAG_HREALSIZE,
  QUOTA_FLAG_SINODES,
  SESFLAG_READONLY,
  SET_GID_FLAG,
  TRUNCATE_FLAG_OPENED,
  TRUNCATE_FLAG_RESERVE,
  TRUNCATE_FLAG_UPDATE,
} from '@wapiti-fs/protocol';
import {
  ACL_ACCESS,
  ACL_DEFAULT,
  appendSlice,
  checkFile,
  checkSoftQuotas,
  createClass,
  type Ctx,
  deleteClass,
  directoryStats,
  finishTruncate,
  getAcl,
  getXattr,
  listDetached,
  listXattrs,
  type LockAnswer,
  open,
  parents,
  paths,
  planTruncate,
  quotaControl,
  repairFile,
  sessionSpace,
  setAcl,
  setattr,
  setEattr,
  setStorageClass,
  setTrashPath,
  setTrashtime,
  setXattr,
  snapshot,
  syncTimes,
  trashPath,
  undelete,
} from '../src/index.js';
import { Fixture, name, NOW } from './support/fixture.js';

const NO_LIMITS = { sinodes: 0, hinodes: 0, slength: 0, hlength: 0, ssize: 0, hsize: 0, srealsize: 0, hrealsize: 0 };

function truncate(t: Fixture, inode: number, length: number, flags = TRUNCATE_FLAG_OPENED): unknown {
  const plan = planTruncate(t.metadata, t.ctx(), inode, flags, length);
  if (!('inode' in plan)) return plan;
  return finishTruncate(t.metadata, t.ctx(), plan);
}

test('life of a file (§34.1)', () => {
  const t = new Fixture();
  const f = t.make(1, 'f');
  for (let i = 0; i < 2; i++) t.write(t.make(1, `other${i}`), 0, 1);
  t.takeLines();
  open(t.metadata, t.ctx(), f, 3);
  truncate(t, f, 5 * M + 100);
  expect(t.metadata.store.stats.contribution(f).size).toBe(0);
  t.write(f, 3, 0);
  expect(t.metadata.store.stats.contribution(f).size).toBe(67117056);
  t.write(f, 5, 0);
  expect(t.metadata.store.stats.contribution(f).size).toBe(67190784);
  t.write(f, 9, 0);
  expect(t.metadata.store.nodes.length.get(f)).toBe(9 * M);
  truncate(t, f, 5 * M + 10);
  truncate(t, f, 4 * M);
  truncate(t, f, 2 * M + 5);
  expect(t.takeLines()).toEqual([
    `ACQUIRE(1,${f})`,
    `LENGTH(${f},335544420,1)`,
    `WRITE(${f},3,1,0):3`,
    'UNLOCK(3)',
    `WRITE(${f},5,1,0):4`,
    'UNLOCK(4)',
    `WRITE(${f},9,1,0):5`,
    'UNLOCK(5)',
    'UNLOCK(4)',
    `LENGTH(${f},335544330,1)`,
    `LENGTH(${f},268435456,1)`,
    `LENGTH(${f},134217733,1)`,
  ]);
});

test('truncate: reservations of appending writers, busy chunks, updates that only grow (§11)', () => {
  const t = new Fixture();
  const f = t.make(1, 'f');
  t.write(f, 0, 100);
  const reserve = TRUNCATE_FLAG_OPENED | TRUNCATE_FLAG_RESERVE;
  expect(truncate(t, f, 50, reserve)).toMatchObject({ previousLength: 100 });
  expect(truncate(t, f, 60, reserve)).toMatchObject({ previousLength: 150 });
  t.takeLines();
  truncate(t, f, 40, TRUNCATE_FLAG_OPENED | TRUNCATE_FLAG_UPDATE);
  expect(t.takeLines()).toEqual([]);
  truncate(t, f, 140, TRUNCATE_FLAG_OPENED | TRUNCATE_FLAG_UPDATE);
  expect(t.takeLines()).toEqual([`LENGTH(${f},140,0)`]);
  const plan = t.files.planWrite(t.ctx(), f, 0, false);
  if (!('action' in plan)) throw new Error('refused');
  t.files.commitWrite(t.now, plan, false);
  expect(planTruncate(t.metadata, t.ctx(), f, 1, 7)).toEqual({ status: MFS_ERROR_LOCKED });
});

test.each([
  [0, 0o6755, 0o6745, 0o6755],
  [1, 0o755, 0o745, 0o755],
  [2, 0o755, 0o745, 0o755],
  [3, 0o755, 0o745, 0o755],
  [4, 0o755, 0o2745, 0o6755],
  [5, 0o755, 0o2745, 0o755],
])('chgrp by the owner with sugid mode %d (§34.2)', (sugidClearMode, ...expected) => {
  const t = new Fixture();
  const owner = t.ctx(1000, {}, [1000, 1001]);
  const inodes = [t.make(1, 'a', 1, 0o6755, owner), t.make(1, 'b', 1, 0o6745, owner), t.mkdir(1, 'd', 0o6755, owner)];
  const modes = inodes.map((inode) => {
    const request = { setmask: SET_GID_FLAG, mode: 0, uid: 0, gid: 1001, atime: 0, mtime: 0, winattr: 0 };
    expect(setattr(t.metadata, owner, inode, false, { ...request, sugidClearMode }).status).toBe(0);
    return t.metadata.store.nodes.mode.get(inode);
  });
  expect(modes).toEqual(expected);
});

describe('quotas', () => {
  const quota = (t: Fixture, inode: number, flags: number, limits: object, graceperiod = 0): number =>
    quotaControl(t.metadata, t.ctx(), inode, { flags, rootuid: 0, set: { ...NO_LIMITS, ...limits, graceperiod } })
      .status;

  test('hard limit of 3 inodes (§34.3)', () => {
    const t = new Fixture();
    const q = t.mkdir(1, 'q');
    for (const text of ['a', 'b', 'c']) t.make(q, text);
    const outside = t.make(1, 'outside');
    expect(quota(t, q, QUOTA_FLAG_HINODES, { hinodes: 3 })).toBe(0);
    const ctx = t.ctx();
    expect(t.metadata.mknod(ctx, q, name('d'), 1, 0o644, 0).status).toBe(MFS_ERROR_QUOTA);
    expect(t.metadata.mknod(ctx, q, name('d'), 2, 0o755, 0).status).toBe(MFS_ERROR_QUOTA);
    expect(t.metadata.symlink(ctx, q, name('d'), name('x')).status).toBe(MFS_ERROR_QUOTA);
    expect(t.metadata.link(ctx, outside, q, name('d')).status).toBe(MFS_ERROR_QUOTA);
    expect(t.metadata.rename(ctx, 1, name('outside'), q, name('d')).status).toBe(MFS_ERROR_QUOTA);
    expect(snapshot(t.metadata, ctx, outside, q, name('d'), 0, 0).status).toBe(MFS_ERROR_QUOTA);
    expect(snapshot(t.metadata, ctx, outside, q, name('b'), 1, 0).status).toBe(0);
    expect(t.metadata.rename(ctx, q, name('a'), q, name('a2')).status).toBe(0);
    expect(t.metadata.rename(ctx, 1, name('outside'), q, name('a2')).status).toBe(0);
    expect(t.metadata.unlink(ctx, q, name('c'), false).status).toBe(0);
    expect(directoryStats(t.metadata, ctx, q)).toMatchObject({ stats: { inodes: 3 } });
    expect(quotaControl(t.metadata, ctx, q, { flags: 0, rootuid: 0 })).toMatchObject({ current: { inodes: 2 } });
  });

  test('soft limit of 1 inode, 3 s of grace (§34.4)', () => {
    const t = new Fixture();
    const q = t.mkdir(1, 'q');
    t.make(q, 'a');
    t.takeLines();
    expect(quota(t, q, QUOTA_FLAG_SINODES, { sinodes: 1 }, 3)).toBe(0);
    t.make(q, 'b');
    checkSoftQuotas(t.metadata, NOW + 1);
    checkSoftQuotas(t.metadata, NOW + 4);
    t.now = NOW + 5;
    checkSoftQuotas(t.metadata, t.now);
    expect(t.metadata.mknod(t.ctx(), q, name('c'), 1, 0o644, 0).status).toBe(MFS_ERROR_QUOTA);
    t.metadata.unlink(t.ctx(), q, name('b'), false);
    checkSoftQuotas(t.metadata, NOW + 6);
    expect(t.takeLines().filter((line) => line.startsWith('QUOTA'))).toEqual([
      `QUOTA(${q},0,1,0,1,0,0,0,0,0,0,0,3)`,
      `QUOTA(${q},0,1,${NOW + 1},1,0,0,0,0,0,0,0,3)`,
      `QUOTA(${q},1,1,${NOW + 1},1,0,0,0,0,0,0,0,3)`,
      `QUOTA(${q},0,1,0,1,0,0,0,0,0,0,0,3)`,
    ]);
  });

  test('space of a session below quotas (§34.5); who may set them (§17.2)', () => {
    const t = new Fixture();
    const q = t.mkdir(1, 'q');
    t.write(t.make(q, 'f'), 0, 10);
    const within = t.ctx(0, { rootInode: q });
    const space = { total: 1e12, available: 9e11, free: 9e11 };
    quota(t, q, QUOTA_FLAG_HREALSIZE, { hrealsize: 221184 });
    expect(sessionSpace(t.metadata, within, space)).toMatchObject({ total: 221184, available: 73728, inodes: 2 });
    quota(t, q, QUOTA_FLAG_HLENGTH, { hlength: 5 });
    expect(sessionSpace(t.metadata, within, space)).toMatchObject({ total: 5, available: 0 });
    const request = { flags: QUOTA_FLAG_HLENGTH, rootuid: 0 };
    expect(quotaControl(t.metadata, t.ctx(0, { sesflags: 0 }), q, request).status).toBe(MFS_ERROR_EPERM);
    expect(quotaControl(t.metadata, t.ctx(), q, { ...request, rootuid: 999 }).status).toBe(MFS_ERROR_EACCES);
    expect(quotaControl(t.metadata, t.ctx(0, { sesflags: 9 }), q, request).status).toBe(MFS_ERROR_EROFS);
  });
});

test('a session of a folder (§34.6)', () => {
  const t = new Fixture();
  const sub = t.mkdir(1, 'sub');
  const deep = t.mkdir(sub, 'deep');
  const file = t.make(sub, 'sf');
  const outside = t.mkdir(1, 'outside');
  t.metadata.link(t.ctx(), file, outside, name('linked'));
  const ctx = t.ctx(0, { rootInode: sub });
  expect(t.metadata.lookup(ctx, 1, name('..'))).toMatchObject({ inode: 1 });
  expect(t.metadata.lookup(ctx, deep, name('..'))).toMatchObject({ inode: 1 });
  expect(t.metadata.getattr(ctx, sub).status).toBe(MFS_ERROR_ENOENT);
  expect(t.metadata.getattr(ctx, outside).status).toBe(MFS_ERROR_ENOENT);
  expect(t.metadata.getattr(ctx, outside, true).status).toBe(0);
  expect(t.metadata.lookup(ctx, outside, name('linked')).status).toBe(MFS_ERROR_ENOENT_NOCACHE);
  expect(paths(t.metadata, ctx, file)).toEqual({ status: 0, paths: [name('sf')] });
  expect(parents(t.metadata, ctx, file)).toEqual({ status: 0, inodes: [1] });
  expect(paths(t.metadata, t.ctx(), file)).toMatchObject({ paths: [name('outside/linked'), name('sub/sf')] });
});

test('flock: waiting, interruption, changes in place with lines, end of a session (§21)', () => {
  const t = new Fixture();
  const answers: LockAnswer[] = [];
  t.metadata.locks.onAnswer = (answer) => answers.push(answer);
  const f = t.make(1, 'f');
  const lock = (sessionId: number, owner: number, command: number, messageId = 0): number | undefined =>
    t.metadata.locks.flock(
      { now: t.now, sessionId, inode: f, owner: BigInt(owner), requestId: messageId, messageId },
      command,
    );
  expect(lock(1, 7, FLOCK_LOCK_SHARED)).toBe(MFS_ERROR_NOTOPENED);
  t.metadata.acquire(t.now, 1, f);
  t.metadata.acquire(t.now, 2, f);
  t.takeLines();
  expect(lock(1, 7, FLOCK_LOCK_SHARED)).toBe(0);
  expect(lock(1, 7, FLOCK_TRY_EXCLUSIVE)).toBe(0);
  expect(t.takeLines()).toEqual([`FLOCK(${f},1,7,R)`, `FLOCK(${f},1,7,U)`, `FLOCK(${f},1,7,W)`]);
  expect(lock(2, 8, FLOCK_TRY_SHARED)).toBe(MFS_ERROR_EAGAIN);
  expect(lock(2, 8, FLOCK_LOCK_EXCLUSIVE, 21)).toBeUndefined();
  expect(lock(2, 9, FLOCK_LOCK_SHARED, 22)).toBeUndefined();
  expect(lock(2, 8, FLOCK_INTERRUPT, 21)).toBe(0);
  expect(answers.splice(0)).toEqual([{ kind: 'flock', sessionId: 2, messageId: 21, status: MFS_ERROR_EINTR }]);
  expect(lock(1, 7, FLOCK_UNLOCK)).toBe(0);
  expect(answers.splice(0)).toEqual([{ kind: 'flock', sessionId: 2, messageId: 22, status: 0 }]);
  expect(lock(1, 7, FLOCK_LOCK_EXCLUSIVE, 11)).toBeUndefined();
  t.takeLines();
  t.metadata.removeSession(t.now, 2);
  expect(t.takeLines()).toEqual([`FLOCK(${f},2,9,U)`, 'SESDEL(2)', `FLOCK(${f},1,7,W)`]);
  expect(answers).toEqual([{ kind: 'flock', sessionId: 1, messageId: 11, status: 0 }]);
});

test('POSIX locks: conflicts, waiting, and the line of a close before that of who waited (§22)', () => {
  const t = new Fixture();
  const answers: LockAnswer[] = [];
  t.metadata.locks.onAnswer = (answer) => answers.push(answer);
  const f = t.make(1, 'f');
  for (const session of [1, 2]) t.metadata.acquire(t.now, session, f);
  const lock = (sessionId: number, command: number, type: number, start: bigint, end: bigint): unknown =>
    t.metadata.locks.posixLock({
      ...{ now: t.now, sessionId, inode: f, owner: BigInt(sessionId), requestId: 1, messageId: 5 },
      ...{ pid: 100 + sessionId, command, type, start, end },
    });
  const OK = { status: 0 };
  expect(lock(1, POSIX_LOCK_CMD_SET, POSIX_LOCK_WRLCK, 0n, 10n)).toEqual(OK);
  expect(lock(1, POSIX_LOCK_CMD_SET, POSIX_LOCK_RDLCK, 3n, 5n)).toEqual(OK);
  expect(t.metadata.store.tables.posixLocks.get(f)?.[0]?.ranges).toEqual([
    { start: 0n, end: 3n, write: true },
    { start: 3n, end: 5n, write: false },
    { start: 5n, end: 10n, write: true },
  ]);
  expect(lock(2, POSIX_LOCK_CMD_TRY, POSIX_LOCK_RDLCK, 3n, 5n)).toEqual(OK);
  expect(lock(2, POSIX_LOCK_CMD_TRY, POSIX_LOCK_RDLCK, 4n, 6n)).toEqual({ status: MFS_ERROR_EAGAIN });
  const found = { status: 0, type: POSIX_LOCK_WRLCK, start: 5n, end: 10n, pid: 0 };
  expect(lock(2, POSIX_LOCK_CMD_GET, POSIX_LOCK_RDLCK, 5n, 6n)).toEqual(found);
  expect(lock(2, POSIX_LOCK_CMD_SET, POSIX_LOCK_WRLCK, 8n, 20n)).toBeUndefined();
  expect(lock(1, POSIX_LOCK_CMD_SET, POSIX_LOCK_UNLCK, 7n, 7n)).toEqual({ status: MFS_ERROR_EINVAL });
  t.takeLines();
  t.metadata.setOpenFiles(t.now, 1, []);
  expect(t.takeLines()).toEqual([`RELEASE(1,${f})`, `POSIXLOCK(${f},2,2,W,8,20,102)`]);
  expect(answers).toEqual([{ kind: 'posix', sessionId: 2, messageId: 5, status: 0 }]);
});

test('extended attributes (§19, §33 no. 10)', () => {
  const t = new Fixture();
  const f = t.make(1, 'f');
  const set = (text: string, value: Buffer, mode = 0, ctx: Ctx = t.ctx()): number =>
    setXattr(t.metadata, ctx, f, name(text), value, mode, false).status;
  expect(set('user.a', name('1'))).toBe(0);
  expect(set('user.b', name('2'))).toBe(0);
  expect(set('user.a', name('3'), 1)).toBe(MFS_ERROR_EEXIST);
  expect(set('user.c', name('3'), 2)).toBe(MFS_ERROR_ENOATTR);
  expect(set('', name('3'))).toBe(MFS_ERROR_EINVAL);
  expect(set('user.c', Buffer.alloc(65537))).toBe(MFS_ERROR_ERANGE);
  expect(set('user.c', name('3'), 0, t.ctx(1000))).toBe(MFS_ERROR_EACCES);
  expect(set('trusted.c', name('3'), 0, t.ctx(1000))).toBe(MFS_ERROR_EPERM);
  expect(set('user.c', name('3'), 0, t.ctx(0, { disables: DISABLE_SETXATTR }))).toBe(MFS_ERROR_EPERM);
  expect(listXattrs(t.metadata, t.ctx(), f, false)).toEqual({ status: 0, names: [name('user.b'), name('user.a')] });
  expect(getXattr(t.metadata, t.ctx(), f, name('user.a'), false)).toEqual({ status: 0, value: name('1') });
  expect(set('user.a', Buffer.alloc(0), 3)).toBe(0);
  expect(getXattr(t.metadata, t.ctx(), f, name('user.a'), false).status).toBe(MFS_ERROR_ENOATTR);
});

test('ACLs: example of §20.4, plain ones become the mode, owners only', () => {
  const t = new Fixture();
  const d = t.mkdir(1, 'd');
  const wanted = {
    user: 7,
    group: 5,
    other: 1,
    mask: 6,
    users: [{ id: 2000, perm: 7 }],
    groups: [{ id: 3000, perm: 3 }],
  };
  expect(setAcl(t.metadata, t.ctx(), d, ACL_DEFAULT, wanted).status).toBe(0);
  const f = t.make(d, 'f', 1, 0o664);
  expect(getAcl(t.metadata, t.ctx(), f, ACL_ACCESS)).toMatchObject({ acl: { user: 6, group: 5, other: 0, mask: 6 } });
  expect(t.metadata.getattr(t.ctx(), f)).toMatchObject({ attributes: { mode: 0o660 } });
  expect(t.metadata.access(t.ctx(2000), f, 6).status).toBe(0);
  expect(t.metadata.access(t.ctx(2001), f, 4).status).toBe(MFS_ERROR_EACCES);
  const plain = { user: 0xffff, group: 0xffff, other: 4, mask: 0xffff, users: [], groups: [] };
  expect(setAcl(t.metadata, t.ctx(1000), f, ACL_ACCESS, plain).status).toBe(MFS_ERROR_EPERM);
  expect(setAcl(t.metadata, t.ctx(), f, ACL_ACCESS, plain).status).toBe(0);
  expect(getAcl(t.metadata, t.ctx(), f, ACL_ACCESS).status).toBe(MFS_ERROR_ENOATTR);
  expect(t.metadata.store.nodes.mode.get(f)).toBe(0o654);
});

test('setters: limits of the session, owners, protections, recursion, classes for administrators (§16)', () => {
  const t = new Fixture();
  const d = t.mkdir(1, 'd');
  const own = t.make(d, 'own', 1, 0o644, t.ctx(0));
  t.metadata.store.nodes.uid.set(own, 1000);
  t.make(d, 'other');
  t.takeLines();
  expect(setTrashtime(t.metadata, t.ctx(1000), d, 3601, 4)).toEqual({
    status: 0,
    changed: 1,
    notchanged: 0,
    denied: 2,
  });
  expect(t.takeLines()).toEqual([`SETTRASHTIME(${d},1000,3601,4):1,0,2`]);
  expect(t.metadata.store.nodes.trashtime.get(own)).toBe(2);
  expect(setTrashtime(t.metadata, t.ctx(1000), d, 3600, 0).status).toBe(MFS_ERROR_EPERM);
  expect(setTrashtime(t.metadata, t.ctx(), d, 3600, 8).status).toBe(MFS_ERROR_EINVAL);
  expect(setTrashtime(t.metadata, t.ctx(), d, 0xffffffff, 0).status).toBe(0);
  expect(t.metadata.store.nodes.trashtime.get(d)).toBe(65535);
  expect(setEattr(t.metadata, t.ctx(0, { sesflags: 0 }), own, EATTR_IMMUTABLE, 1).status).toBe(MFS_ERROR_EPERM);
  expect(setEattr(t.metadata, t.ctx(), own, EATTR_IMMUTABLE, 1).status).toBe(0);
  expect(setEattr(t.metadata, t.ctx(), own, EATTR_NOOWNER, 1).status).toBe(MFS_ERROR_EPERM);
  expect(setTrashtime(t.metadata, t.ctx(), own, 7200, 0).status).toBe(MFS_ERROR_EPERM);
  expect(setEattr(t.metadata, t.ctx(0, { sesflags: SESFLAG_READONLY }), own, 1, 1).status).toBe(MFS_ERROR_EROFS);

  const labels = [[1, 0, 0, 0]];
  const definition = { adminOnly: true, mode: 1, archDelayDays: 0, create: labels, keep: labels, arch: labels };
  const user = t.ctx(0, { sesflags: 0 });
  expect(createClass(t.metadata, user, name('gold'), definition).status).toBe(MFS_ERROR_EPERM_NOTADMIN);
  expect(createClass(t.metadata, t.ctx(), name('gold'), definition).status).toBe(0);
  const inside = t.make(d, 'inside');
  expect(setStorageClass(t.metadata, user, inside, 1, 10, 0).status).toBe(MFS_ERROR_EPERM);
  expect(setStorageClass(t.metadata, t.ctx(), inside, 1, 10, 0)).toMatchObject({ changed: 1 });
  t.takeLines();
  expect(setStorageClass(t.metadata, user, d, 3, 3, 4)).toMatchObject({ changed: 2, denied: 2 });
  expect(t.takeLines().sort()).toEqual([`SETSCLASS(${d},0,3,3,0):1,0,0`, `SETSCLASS(${own + 1},0,3,3,0):1,0,0`]);
  expect(deleteClass(t.metadata, t.ctx(), name('gold')).status).toBe(53);
});

test('append, snapshot and their chunks (§12, §14)', () => {
  const t = new Fixture();
  const a = t.make(1, 'a');
  const b = t.make(1, 'b');
  t.write(a, 0, 10);
  t.write(b, 0, 20);
  expect(appendSlice(t.metadata, t.ctx(), a, b, 2, 0, 0)).toMatchObject({ length: M + 20, changed: true });
  expect(appendSlice(t.metadata, t.ctx(), a, a, 2, 0, 0).status).toBe(MFS_ERROR_EINVAL);
  expect(appendSlice(t.metadata, t.ctx(), a, b, 0, 5, 9)).toMatchObject({ changed: false });
  const { chunks, nodes, edges } = t.metadata.store;
  expect(chunks.referenceCount(chunks.find(2))).toBe(2);
  const d = t.mkdir(1, 'd');
  expect(snapshot(t.metadata, t.ctx(), a, d, name('copy'), 0, 0).status).toBe(0);
  expect(snapshot(t.metadata, t.ctx(), a, d, name('copy'), 0, 0).status).toBe(MFS_ERROR_EEXIST);
  expect(snapshot(t.metadata, t.ctx(), d, d, name('loop'), 0, 0).status).toBe(MFS_ERROR_EINVAL);
  const copy = edges.child(edges.find(d, name('copy')));
  const plan = t.files.planWrite(t.ctx(), copy, 0, false);
  expect(plan).toMatchObject({ action: 'duplicate', oldChunkId: 1, chunkId: 3 });
  if ('action' in plan) t.files.commitWrite(t.now, plan, true);
  expect([nodes.chunkAt(a, 0), nodes.chunkAt(copy, 0)]).toEqual([1, 3]);
  // Written after the snapshot: no longer marked, an unforced removal refuses.
  expect(snapshot(t.metadata, t.ctx(), 0, d, name('copy'), 0x80, 0).status).toBe(MFS_ERROR_EPERM);
  expect(checkFile(t.metadata, t.ctx(), a, () => 2)).toMatchObject({ byCopies: [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0] });
  expect(repairFile(t.metadata, t.ctx(), a, (chunkId) => (chunkId === 1 ? 'erase' : 9))).toMatchObject({
    erased: 1,
    repaired: 1,
  });
});

test('trash through a meta session (§13.3)', () => {
  const t = new Fixture();
  const d = t.mkdir(1, 'dir');
  const f = t.make(d, 'f');
  t.metadata.unlink(t.ctx(), d, name('f'), false);
  t.metadata.unlink(t.ctx(), 1, name('dir'), true);
  const meta = t.ctx(0, { rootInode: 0 });
  expect(listDetached(t.metadata, t.ctx(), 'trash').status).toBe(MFS_ERROR_EPERM);
  expect(listDetached(t.metadata, meta, 'trash')).toEqual({ status: 0, files: [{ name: name('dir|f'), inode: f }] });
  expect(setTrashPath(t.metadata, meta, f, name('new/place\0')).status).toBe(0);
  expect(trashPath(t.metadata, meta, f)).toEqual({ status: 0, path: name('new/place') });
  t.takeLines();
  expect(undelete(t.metadata, meta, f).status).toBe(0);
  expect(t.takeLines()).toEqual([`UNDEL(${f})`]);
  expect(paths(t.metadata, t.ctx(), f)).toMatchObject({ paths: [name('new/place')] });
  expect(undelete(t.metadata, meta, f).status).toBe(MFS_ERROR_ENOENT);
});

test('times that clients report, and ATIME_MODE (§8)', () => {
  const t = new Fixture();
  const f = t.make(1, 'f');
  t.takeLines();
  t.now = NOW + 100;
  syncTimes(t.metadata, t.ctx(), [
    { inode: f, atime: NOW + 50, mtime: 0 },
    { inode: f, atime: NOW + 60, mtime: 0 },
    { inode: f, atime: 0, mtime: NOW + 70 },
    { inode: 99, atime: NOW, mtime: NOW },
  ]);
  // The second read comes after the first: not due under the relative rule.
  expect(t.takeLines()).toEqual([
    `AMTIME(${f},${NOW + 50},${NOW},${NOW})`,
    `AMTIME(${f},${NOW + 50},${NOW + 70},${NOW + 70})`,
  ]);
  t.metadata.readdir(t.ctx(), 1, 0n, 10, false);
  expect(t.takeLines()).toEqual(['ACCESS(1)']);
  t.metadata.configure({ atimeMode: ATIME_NEVER });
  t.now++;
  t.metadata.readdir(t.ctx(), 1, 0n, 10, false);
  expect(t.takeLines()).toEqual([]);
});
