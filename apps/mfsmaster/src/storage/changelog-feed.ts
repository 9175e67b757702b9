/**
 * The stream of changes for those who follow the master: every record, in order, after it was written to the changelog file and
 * before the answers of its turn leave (spec 06 §4).
 */
import type { Clock, Logger } from '@wapiti-fs/runtime';

/** `text` is `timestamp|OP(args):results` without number and LF, ASCII. */
export interface ChangeRecord {
  readonly version: number;
  readonly text: string;
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

export class ChangelogFeed {
  private readonly followers = new Set<ChangelogFollower>();
  private readonly late = new Set<ChangelogFollower>();

  constructor(
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** Returns the function that ends it. */
  follow(follower: ChangelogFollower): () => void {
    this.followers.add(follower);
    return () => {
      this.followers.delete(follower);
      this.late.delete(follower);
    };
  }

  /** Hands over what was written. A promise: the answers wait for it. */
  publish(batch: readonly ChangeRecord[]): Promise<void> | undefined {
    if (batch.length === 0) return undefined;
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
}
