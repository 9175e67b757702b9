/**
 * The changelog files (spec 06 §6, 08 §2). Records of a turn are collected and written together, at an explicit position: a write
 * that failed half-way is repeated over what it left, so that a full disk never makes a hole or a torn line in the middle.
 */
import {
  closeSync,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

import { type Change, formatChange } from '@wapiti-fs/metadata';
import type { Logger } from '@wapiti-fs/runtime';

import type { ChangeRecord } from './changelog-feed.js';

/** File operations that may fail; replaced in tests. */
export interface ChangelogIo {
  write(fd: number, buffer: Buffer, offset: number, position: number): number;
  sync(fd: number): void;
}

const realIo: ChangelogIo = {
  write: (fd, buffer, offset, position) => writeSync(fd, buffer, offset, buffer.length - offset, position),
  sync: fdatasyncSync,
};

/** A change was refused, since earlier ones cannot be written. */
export class ChangelogBlockedError extends Error {
  readonly code = 'ENOSPC';

  constructor() {
    super('changes are refused until the changelog can be written again');
    this.name = 'ChangelogBlockedError';
  }
}

export interface ChangelogOptions {
  /** Changelog files kept (BACK_LOGS). */
  backLogs: number;
  /** Every batch is on the disk, not only in the kernel, before it is acknowledged (CHANGELOG_SAVE_MODE 2). */
  sync: boolean;
}

export class Changelog {
  private fd: number | undefined;
  private positionBytes = 0;
  private collected: ChangeRecord[] = [];
  /** Text of records that were collected and are not written. */
  private tail: Buffer[] = [];
  private written: ChangeRecord[] = [];
  private unsynced = false;
  private failure: string | undefined;
  private guarded = false;

  constructor(
    private readonly folder: string,
    private readonly log: Logger,
    readonly options: ChangelogOptions,
    /** Number of the next change: records from there on were journalled, but their change was not carried out. */
    private readonly nextVersion: () => number,
    private readonly io: ChangelogIo = realIo,
  ) {}

  private path(number: number): string {
    return join(this.folder, `changelog.${number}.mfs`);
  }

  /** Records wait for the disk. */
  get blocked(): boolean {
    return this.failure !== undefined;
  }

  /**
   * The journal of the metadata.
   * @throws ChangelogBlockedError within {@link guard} while earlier records cannot be written
   */
  readonly journal = (version: number, change: Change): void => {
    if (this.guarded && this.blocked) throw new ChangelogBlockedError();
    this.discardFrom(version);
    this.collected.push({ version, text: formatChange(change) });
  };

  /** Runs the work of a client: its changes are refused while the changelog is blocked. Inner work of the master is never refused. */
  guard<T>(work: () => T): T {
    const before = this.guarded;
    this.guarded = true;
    try {
      return work();
    } finally {
      this.guarded = before;
    }
  }

  /** A record whose change failed must not be written, nor its number twice. */
  private discardFrom(version: number): void {
    while ((this.collected[this.collected.length - 1]?.version ?? -1) >= version) {
      const { text } = this.collected.pop() as ChangeRecord;
      this.log.error(`a change was planned wrongly, it was not carried out and is not recorded: ${text}`);
    }
  }

  /** Writes all collected records; false when the disk does not take them: they are kept for the next call. */
  flush(): boolean {
    this.discardFrom(this.nextVersion());
    if (this.collected.length > 0) this.collect();
    if (this.tail.length === 0 && !this.unsynced) return true;
    try {
      const fd = this.open();
      for (let batch = this.tail[0]; batch !== undefined; batch = this.tail[0]) {
        for (let done = 0; done < batch.length;) done += this.io.write(fd, batch, done, this.positionBytes + done);
        this.positionBytes += batch.length;
        this.tail.shift();
        this.unsynced = this.options.sync;
      }
      if (this.unsynced) this.io.sync(fd);
      this.unsynced = false;
    } catch (error) {
      this.fail((error as Error).message);
      return false;
    }
    if (this.failure !== undefined) this.log.notice('changelog can be written again: changes are accepted');
    this.failure = undefined;
    return true;
  }

  /** Records written since the last call. */
  takeWritten(): readonly ChangeRecord[] {
    const { written } = this;
    this.written = [];
    return written;
  }

  private collect(): void {
    let text = '';
    for (const record of this.collected) {
      text += `${record.version}: ${record.text}\n`;
      this.written.push(record);
    }
    this.tail.push(Buffer.from(text, 'latin1'));
    this.collected = [];
  }

  private fail(reason: string): void {
    if (this.failure === undefined)
      this.log.error(`changelog cannot be written: changes are refused until it can`, { file: this.path(0), reason });
    this.failure = reason;
    try {
      // what a failed write left is no part of the log
      if (this.fd !== undefined) ftruncateSync(this.fd, this.positionBytes);
    } catch {
      // the next write goes over it
    }
  }

  private open(): number {
    if (this.fd !== undefined) return this.fd;
    this.fd = openSync(this.path(0), 'a+');
    closeSync(this.fd);
    this.fd = openSync(this.path(0), 'r+');
    this.positionBytes = statSync(this.path(0)).size;
    return this.fd;
  }

  /** Closes changelog.0.mfs and moves all files on by one. False: not now, records wait for the disk. */
  rotate(): boolean {
    if (!this.flush()) return false;
    this.close();
    const { backLogs } = this.options;
    if (backLogs === 0) ignoreMissing(() => unlinkSync(this.path(0)));
    for (let i = backLogs; i > 0; i--) ignoreMissing(() => renameSync(this.path(i - 1), this.path(i)));
    return true;
  }

  close(): void {
    if (this.fd === undefined) return;
    try {
      this.io.sync(this.fd);
    } catch (error) {
      this.log.warn(`${this.path(0)}: ${(error as Error).message}`);
    }
    closeSync(this.fd);
    this.fd = undefined;
  }
}

function ignoreMissing(work: () => void): void {
  try {
    work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
