/**
 * What the client tells the master unasked: the inodes it holds (spec 13 §2.7) and times of files read and written (§2.8). The list
 * of inodes is complete each time: the master releases whatever is missing, and deletes it when it has no name any more.
 */
import { CLTOMA_FUSE_AMTIME_INODES, CLTOMA_FUSE_SUSTAINED_INODES } from '@wapiti-fs/protocol';

/** An inode without users stays listed for so many reports: about ten minutes. */
const KEPT_REPORTS = 10;
const MAX_IDLE_INODES = 5000;
/** Each time is reported twice, since a report can be lost with its connection. */
const TIME_REPORTS = 2;

interface Held {
  users: number;
  /** Reports since the last user left. */
  age: number;
}

/** Inodes in use by this session. */
export class OpenInodes {
  private readonly inodes = new Map<number, Held>();
  private idle = 0;

  has(inode: number): boolean {
    return this.inodes.has(inode);
  }

  acquire(inode: number): void {
    const held = this.inodes.get(inode);
    if (held === undefined) this.inodes.set(inode, { users: 1, age: 0 });
    else {
      if (held.users++ === 0) this.idle--;
      held.age = 0;
    }
  }

  release(inode: number): void {
    const held = this.inodes.get(inode);
    if (held === undefined || held.users === 0) return;
    if (--held.users > 0) return;
    // Last in the map's order, so that the one idle for longest is found first.
    this.inodes.delete(inode);
    this.inodes.set(inode, held);
    if (++this.idle > MAX_IDLE_INODES) this.dropOldest();
  }

  /** The frame of the next report; inodes idle for too long are dropped. */
  report(): Buffer {
    for (const [inode, held] of this.inodes) {
      if (held.users > 0 || ++held.age <= KEPT_REPORTS) continue;
      this.inodes.delete(inode);
      this.idle--;
    }
    return CLTOMA_FUSE_SUSTAINED_INODES.encode({ inodes: [...this.inodes.keys()].sort((a, b) => a - b) });
  }

  private dropOldest(): void {
    for (const [inode, held] of this.inodes) {
      if (held.users > 0) continue;
      this.inodes.delete(inode);
      this.idle--;
      return;
    }
  }
}

interface Times {
  atime: number;
  mtime: number;
  reports: number;
}

/** Access and modification times not told to the master yet, in seconds of its clock. */
export class FileTimes {
  private readonly times = new Map<number, Times>();

  accessed(inode: number, nowS: number): void {
    this.of(inode).atime = nowS;
  }

  modified(inode: number, nowS: number): void {
    this.of(inode).mtime = nowS;
  }

  /** Explicitly set times win over what was pending. */
  forget(inode: number): void {
    this.times.delete(inode);
  }

  /** Times of an inode that the master may not know yet; 0: none. */
  pending(inode: number): { readonly atime: number; readonly mtime: number } | undefined {
    return this.times.get(inode);
  }

  /** The frame of the next report, if there is anything to tell. */
  report(): Buffer | undefined {
    if (this.times.size === 0) return undefined;
    const times = [...this.times].map(([inode, { atime, mtime }]) => ({ inode, atime, mtime }));
    for (const [inode, one] of this.times) if (++one.reports >= TIME_REPORTS) this.times.delete(inode);
    return CLTOMA_FUSE_AMTIME_INODES.encode({ times });
  }

  private of(inode: number): Times {
    let one = this.times.get(inode);
    if (one === undefined) this.times.set(inode, (one = { atime: 0, mtime: 0, reports: 0 }));
    one.reports = 0;
    return one;
  }
}
