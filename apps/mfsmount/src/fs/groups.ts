import { readFileSync } from 'node:fs';

import type { Caller } from '@wapiti-fs/fuse';
import type { Clock } from '@wapiti-fs/runtime';

/** Who asks the master: `gids[0]` is the primary group. */
export interface Identity {
  readonly uid: number;
  readonly gids: readonly number[];
}

const MAX_ENTRIES = 10_000;

/** Supplementary groups of callers, read from /proc and remembered per (pid, uid, gid) (spec 13 §4.2). */
export class GroupsCache {
  private readonly entries = new Map<string, { readonly identity: Identity; readonly untilMs: number }>();

  constructor(
    private readonly clock: Clock,
    /** 0: supplementary groups are not used. */
    private readonly lifetimeMs: number,
    private readonly readStatus: (pid: number) => string = (pid) => readFileSync(`/proc/${pid}/status`, 'latin1'),
  ) {}

  identity(caller: Caller): Identity {
    const { uid, gid, pid } = caller;
    // root is not held up by groups; a daemon started by root sets them after its first requests
    if (this.lifetimeMs === 0 || uid === 0 || pid === 0) return { uid, gids: [gid] };
    const key = `${pid}:${uid}:${gid}`;
    const nowMs = this.clock.monotonicMs();
    const known = this.entries.get(key);
    if (known !== undefined && known.untilMs > nowMs) return known.identity;
    if (this.entries.size >= MAX_ENTRIES) this.entries.clear();
    const identity = { uid, gids: [gid, ...this.supplementary(pid).filter((one) => one !== gid)] };
    this.entries.set(key, { identity, untilMs: nowMs + this.lifetimeMs });
    return identity;
  }

  private supplementary(pid: number): number[] {
    try {
      const line = /^Groups:([ \t\d]*)$/m.exec(this.readStatus(pid));
      return line?.[1]?.trim().split(/\s+/).filter(Boolean).map(Number) ?? [];
    } catch {
      return []; // the caller is gone
    }
  }
}
