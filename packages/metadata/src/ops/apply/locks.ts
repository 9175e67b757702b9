/** Effects on flock and POSIX locks: spec 08 §6.8. */
import { MFS_ERROR_MISMATCH } from '@wapiti-fs/protocol';
import type { MetadataStore } from '../../store/store.js';
import type { PosixOwner, PosixRange } from '../../store/tables.js';
import { check, type Handlers } from './checks.js';

/** Ranges after `change` took effect: overlapped parts replaced, equal neighbours merged. `undefined` kind = unlock. */
export function changeRanges(
  ranges: readonly PosixRange[],
  start: bigint,
  end: bigint,
  write: boolean | undefined,
): PosixRange[] {
  const pieces: PosixRange[] = [];
  for (const range of ranges) {
    if (range.start < start) pieces.push({ ...range, end: range.end < start ? range.end : start });
    if (range.end > end) pieces.push({ ...range, start: range.start > end ? range.start : end });
  }
  if (write !== undefined && start < end) pieces.push({ start, end, write });
  pieces.sort((a, b) => (a.start < b.start ? -1 : 1));
  const merged: PosixRange[] = [];
  for (const piece of pieces) {
    const last = merged.at(-1);
    if (last !== undefined && last.end === piece.start && last.write === piece.write) last.end = piece.end;
    else merged.push(piece);
  }
  return merged;
}

const overlap = (a: PosixRange, b: { start: bigint; end: bigint }): boolean => a.start < b.end && b.start < a.end;

/** First range of another holder that forbids the lock, with its holder. */
export function posixConflict(
  owners: readonly PosixOwner[],
  holder: { sessionId: number; owner: bigint },
  wanted: PosixRange,
): { by: PosixOwner; range: PosixRange } | undefined {
  for (const by of owners) {
    if (by.sessionId === holder.sessionId && by.owner === holder.owner) continue;
    const range = by.ranges.find((held) => (held.write || wanted.write) && overlap(held, wanted));
    if (range !== undefined) return { by, range };
  }
  return undefined;
}

/**
 * Takes ranges of other sessions away that a recorded lock conflicts with: the reference records the lock that a waiter gets before
 * the end of the session or of the open file that held it (spec 08 §8.2).
 */
function dropOfClosing(owners: PosixOwner[], holder: { sessionId: number }, wanted: PosixRange): void {
  for (const other of owners) {
    if (other.sessionId === holder.sessionId) continue;
    const conflicts = other.ranges.filter((held) => (held.write || wanted.write) && overlap(held, wanted));
    for (const { start, end } of conflicts) other.ranges = changeRanges(other.ranges, start, end, undefined);
  }
}

function storeOwners(store: MetadataStore, inode: number, owners: readonly PosixOwner[]): void {
  const left = owners.filter((owner) => owner.ranges.length > 0);
  if (left.length === 0) store.tables.posixLocks.delete(inode);
  else store.tables.posixLocks.set(inode, left);
}

export const locksEffects = {
  FLOCK(store, change) {
    const { flocks } = store.tables;
    const { inode, sessionId, owner, kind } = change;
    const locks = flocks.get(inode);
    if (kind === 'U') {
      check(locks !== undefined, change, MFS_ERROR_MISMATCH, `no locks on inode ${inode}`);
      // An owner without lock is no error: spec 08 §8.2.
      const left = locks.filter((lock) => lock.sessionId !== sessionId || lock.owner !== owner);
      if (left.length === 0) flocks.delete(inode);
      else flocks.set(inode, left);
      return;
    }
    const exclusive = kind === 'W';
    const active = locks ?? [];
    const holders = active.filter((lock) => lock.exclusive || exclusive);
    // A shared lock beside another session's exclusive one: that one became shared without a line (spec 08 §8.1).
    const downgraded = !exclusive && holders.every((lock) => lock.sessionId !== sessionId || lock.owner !== owner);
    check(holders.length === 0 || downgraded, change, MFS_ERROR_MISMATCH, `inode ${inode} is locked`);
    for (const lock of holders) lock.exclusive = false;
    flocks.set(inode, [{ sessionId, owner, exclusive }, ...active]);
  },
  POSIXLOCK(store, change) {
    const { inode, sessionId, owner, kind, start, end, pid } = change;
    const owners = [...(store.tables.posixLocks.get(inode) ?? [])];
    const isHolder = (other: PosixOwner): boolean => other.sessionId === sessionId && other.owner === owner;
    if (kind === 'U') {
      check(owners.length > 0, change, MFS_ERROR_MISMATCH, `no locks on inode ${inode}`);
      const holder = owners.find(isHolder);
      if (holder !== undefined) holder.ranges = changeRanges(holder.ranges, start, end, undefined);
      storeOwners(store, inode, owners);
      return;
    }
    const wanted = { start, end, write: kind === 'W' };
    dropOfClosing(owners, change, wanted);
    const conflict = posixConflict(owners, change, wanted);
    check(
      conflict === undefined,
      change,
      MFS_ERROR_MISMATCH,
      `inode ${inode} is locked by owner ${conflict?.by.owner}`,
    );
    let holder = owners.find(isHolder);
    if (holder === undefined) {
      holder = { sessionId, owner, pid, ranges: [] };
      owners.push(holder);
    }
    holder.ranges = changeRanges(holder.ranges, start, end, wanted.write);
    storeOwners(store, inode, owners);
  },
} satisfies Handlers;
