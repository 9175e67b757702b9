/** The loop over all files: missing chunks, chunks behind the end, automatic archiving. Spec 09 §27, §28.3. */
import { EATTR_IMMUTABLE, MFSCHUNKSIZE, TYPE_SUSTAINED, TYPE_TRASH } from '@wapiti-fs/protocol';
import type { Metadata } from './metadata.js';

/** What the chunk layer knows of a chunk. */
export interface ChunkHealth {
  readonly validCopies: number;
  /** Copies wanted by the list in force. */
  readonly goal: number;
  /** No operation is running on it. */
  readonly idle: boolean;
}

/** Result of a loop; times in seconds. A missing plain file counts once for each of its names. */
export interface FileLoopReport {
  start: number;
  end: number;
  files: number;
  underGoalFiles: number;
  missingFiles: number;
  missingTrash: number;
  missingSustained: number;
  chunks: number;
  underGoalChunks: number;
  missingChunks: number;
}

const MAX_ARCHIVE_DAYS = 49710;
const DAY_S = 86400;

/** All counters at 0. */
export const newFileLoopReport = (start: number): FileLoopReport => ({
  start,
  end: 0,
  files: 0,
  underGoalFiles: 0,
  missingFiles: 0,
  missingTrash: 0,
  missingSustained: 0,
  chunks: 0,
  underGoalChunks: 0,
  missingChunks: 0,
});

export class FileLoop {
  /** The last complete loop. */
  last: FileLoopReport | undefined;
  private current: FileLoopReport | undefined;
  private nextInode = 1;

  /** @param health undefined: the chunk layer does not know the chunk */
  constructor(
    private readonly metadata: Metadata,
    private readonly health: (chunkId: number) => ChunkHealth | undefined,
  ) {}

  /**
   * Looks at the files among the next `inodes` numbers. The caller decides on the pace (the reference: all numbers in 3277 s, in
   * steps of 100 ms), and pauses while chunkservers are still to come.
   */
  step(now: number, inodes: number): void {
    const { nodes } = this.metadata.store;
    const report = (this.current ??= newFileLoopReport(now));
    const end = Math.min(this.nextInode + inodes, nodes.maxInode + 1);
    for (let inode = this.nextInode; inode < end; inode++) if (nodes.isFile(inode)) this.check(now, inode, report);
    this.nextInode = end;
    if (end <= nodes.maxInode) return;
    report.end = now;
    this.last = report;
    this.current = undefined;
    this.nextInode = 1;
  }

  private check(now: number, inode: number, report: FileLoopReport): void {
    const { nodes, chunks, stats } = this.metadata.store;
    const needed = Math.ceil(nodes.length.get(inode) / MFSCHUNKSIZE);
    let missing = false;
    let underGoal = false;
    report.files++;
    for (let index = 0; index < nodes.chunkCount(inode); index++) {
      const chunkId = nodes.chunkAt(inode, index);
      if (chunkId === 0) continue;
      report.chunks++;
      const health = this.health(chunkId);
      const slot = chunks.find(chunkId);
      if (health !== undefined && health.validCopies > 0) {
        if (health.validCopies >= health.goal) continue;
        report.underGoalChunks++;
        underGoal = true;
        continue;
      }
      const locked = slot !== 0 && chunks.lockedTo(slot) >= now;
      if (health !== undefined && index >= needed && !locked && health.idle) {
        this.metadata.commit({ op: 'SETFILECHUNK', ts: now, inode, index, chunkId: 0 });
        continue;
      }
      missing = true;
      report.missingChunks++;
    }
    if (underGoal) report.underGoalFiles++;
    if (missing) this.countMissing(inode, report);
    this.archive(now, inode);
    const factor = this.metadata.store.goalFactor(nodes.sclass.get(inode));
    if (factor !== nodes.goalFactor.get(inode)) stats.around(inode, () => nodes.goalFactor.set(inode, factor));
  }

  private countMissing(inode: number, report: FileLoopReport): void {
    const { nodes } = this.metadata.store;
    const type = nodes.type.get(inode);
    if (type === TYPE_TRASH) report.missingTrash++;
    else if (type === TYPE_SUSTAINED) report.missingSustained++;
    else report.missingFiles += nodes.nlink.get(inode);
  }

  /** Archives the chunks of a file that has not changed for the days of its class; never what is immutable (spec 08 §8.2). */
  private archive(now: number, inode: number): void {
    const { nodes, chunks, tables } = this.metadata.store;
    const days = tables.sclasses.get(nodes.sclass.get(inode))?.archDelayDays ?? 0;
    if (days === 0 || days > MAX_ARCHIVE_DAYS || nodes.ctime.get(inode) + days * DAY_S >= now) return;
    if ((nodes.eattr.get(inode) & EATTR_IMMUTABLE) !== 0) return;
    for (const { chunkId } of nodes.chunks(inode)) {
      const slot = chunks.find(chunkId);
      if (slot === 0 || chunks.archived(slot)) continue;
      const none = { changed: 0, notchanged: 0, denied: 0 };
      this.metadata.perform<'ARCHCHG'>({ op: 'ARCHCHG', ts: now, inode, uid: 0, cmd: 1, ...none });
      return;
    }
  }
}
