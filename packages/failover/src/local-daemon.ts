import { join } from 'node:path';

import { type Clock, errorCode, lockFileOwner, sleepOn } from '@wapiti-fs/runtime';

const POLL_MS = 10;

/** A daemon of this host, ours or the C one: both hold a lock in their data folder while they run (spec 06 §10.2). */
export class LocalDaemon {
  constructor(
    private readonly folder: string,
    private readonly name: string,
    private readonly clock: Clock,
    /** Lock files of helpers that outlive the daemon for a moment. */
    private readonly helpers: readonly string[] = [],
  ) {}

  /** Pid of the running daemon. */
  owner(): number | undefined {
    return lockFileOwner(join(this.folder, `.${this.name}.lock`));
  }

  /** Asks the daemon to end, or kills it, and waits until it is gone. Rejects after `timeoutMs`. */
  async end(signal: 'SIGTERM' | 'SIGKILL', timeoutMs: number): Promise<void> {
    const sleep = sleepOn(this.clock);
    const deadline = this.clock.monotonicMs() + timeoutMs;
    let signalled: number | undefined;
    for (;;) {
      const owner = this.owner();
      if (owner === undefined && this.helpers.every((file) => lockFileOwner(join(this.folder, file)) === undefined))
        return;
      if (owner !== undefined && owner !== signalled) {
        if (owner <= 0) throw new Error(`${this.name} runs in another pid namespace and cannot be ended`);
        send(owner, signal);
        signalled = owner;
      }
      if (this.clock.monotonicMs() >= deadline)
        throw new Error(`${this.name} (pid ${owner ?? signalled ?? 'unknown'}) has not ended within ${timeoutMs} ms`);
      await sleep(POLL_MS);
    }
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error; // just gone: its lock will show it
  }
}
