/**
 * The stream of changes for those who follow the master: every record, in order, after it was written to the changelog file and
 * before the answers of its turn leave (spec 06 §4).
 */
import type { Clock, Logger } from '@wapiti-fs/runtime';

/** `text` is `timestamp|OP(args):results` without number, LF or NUL: a view that stays valid. */
export interface ChangeRecord {
  readonly version: number;
  readonly text: Buffer;
}

export interface ChangelogFollower {
  /**
   * Records just written, versions ascending without gap. A promise tells that the answers have to wait until it resolves: when
   * the sockets have taken the bytes. It must not reject.
   */
  records(batch: readonly ChangeRecord[]): Promise<void> | undefined;
  /** The changelog files were rotated; what follows belongs to the new one. */
  rotated(): void;
}

/** Longest time answers wait for a follower; then it is followed without being waited for until it has caught up. */
const FOLLOWER_LIMIT_MS = 1000;
/** Records of one block of the memory (spec 06 §4.2). */
const BLOCK_RECORDS = 5000;

interface Block {
  readonly createdMs: number;
  readonly records: ChangeRecord[];
}

export class ChangelogFeed {
  private readonly followers = new Set<ChangelogFollower>();
  private readonly late = new Set<ChangelogFollower>();
  private blocks: Block[] = [];
  private next: number;

  /**
   * @param nextVersion number of the first record to come
   * @param preserveS seconds that records are remembered; 0: not at all
   */
  constructor(
    private readonly clock: Clock,
    private readonly log: Logger,
    nextVersion: number,
    private preserveS: number,
  ) {
    this.next = nextVersion;
  }

  setPreserveTime(seconds: number): void {
    this.preserveS = seconds;
  }

  /** Returns the function that ends it. */
  follow(follower: ChangelogFollower): () => void {
    this.followers.add(follower);
    return () => {
      this.followers.delete(follower);
      this.late.delete(follower);
    };
  }

  /** Number of the next record. */
  get nextVersion(): number {
    return this.next;
  }

  /** First record that is remembered; {@link nextVersion} when there is none. */
  get oldestVersion(): number {
    return this.blocks[0]?.records[0]?.version ?? this.next;
  }

  /** Remembered records from `version` on, at most `max`; empty when there are none. */
  recent(version: number, max: number): ChangeRecord[] {
    const found: ChangeRecord[] = [];
    for (const { records } of this.blocks) {
      const first = records[0]?.version ?? this.next;
      const from = Math.max(0, version - first);
      if (from >= records.length) continue;
      found.push(...records.slice(from, from + max - found.length));
      if (found.length >= max) break;
    }
    return found;
  }

  /** Hands over what was written. A promise: the answers wait for it. */
  publish(batch: readonly ChangeRecord[]): Promise<void> | undefined {
    const last = batch[batch.length - 1];
    if (last === undefined) return undefined;
    this.next = last.version + 1;
    this.remember(batch);
    let waits: Promise<void>[] | undefined;
    for (const follower of this.followers) {
      const taken = follower.records(batch);
      if (taken !== undefined && !this.late.has(follower)) (waits ??= []).push(this.bounded(follower, taken));
    }
    return waits === undefined ? undefined : Promise.all(waits).then(() => undefined);
  }

  rotate(): void {
    for (const follower of this.followers) follower.rotated();
  }

  private bounded(follower: ChangelogFollower, taken: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.clock.after(FOLLOWER_LIMIT_MS, () => {
        this.late.add(follower);
        this.log.warn(`a metalogger does not take changes for ${FOLLOWER_LIMIT_MS} ms: answers no longer wait for it`);
        resolve();
      });
      void taken.then(() => {
        timer.cancel();
        if (this.late.delete(follower)) this.log.notice('the metalogger takes changes again: answers wait for it');
        resolve();
      });
    });
  }

  private remember(batch: readonly ChangeRecord[]): void {
    if (this.preserveS === 0) {
      this.blocks = [];
      return;
    }
    const nowMs = this.clock.nowMs();
    for (const record of batch) {
      let block = this.blocks[this.blocks.length - 1];
      if (block === undefined || block.records.length >= BLOCK_RECORDS) {
        block = { createdMs: nowMs, records: [] };
        this.blocks.push(block);
        while ((this.blocks[1]?.createdMs ?? Infinity) + this.preserveS * 1000 < nowMs) this.blocks.shift();
      }
      block.records.push(record);
    }
  }
}
