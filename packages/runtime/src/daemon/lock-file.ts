/** The lock file of a daemon (spec 11 §12.1): shared with the C daemons, so that only one of either kind works on a DATA_PATH. */
import { ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import type { Clock } from '../clock.js';
import { sleepOn } from '../clock.js';
import { errorCode } from '../errors.js';
import { lockFileOwner, lockOwner, lockWholeFile } from '../libc/locks.js';

const POLL_MS = 100;
const DOT_EVERY_MS = 10_000;

export class LockFile {
  readonly path: string;
  private fd: number | undefined;

  constructor(dataPath: string, name: string) {
    this.path = join(dataPath, `.${name}.lock`);
  }

  /**
   * Takes the lock for the life of this process.
   *
   * @throws LockedError when another daemon has it; an error of Node when the file cannot be created
   */
  take(): void {
    const fd = this.open();
    lockWholeFile(fd, this.path);
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`, 0);
  }

  /** Pid of the daemon that holds the lock; undefined when there is none. */
  owner(): number | undefined {
    return this.fd === undefined ? lockFileOwner(this.path) : lockOwner(this.fd, this.path);
  }

  /**
   * Signals the owner and waits until the lock is free, signalling whoever takes it meanwhile.
   *
   * @param say gets pieces of text, as the C daemons print them
   * @returns whether there was an owner (`false`: nobody), or `undefined` when it did not end in time
   */
  async endOwner(
    signal: 'SIGTERM' | 'SIGKILL',
    timeoutS: number,
    clock: Clock,
    say: (text: string) => void,
  ): Promise<boolean | undefined> {
    const sleep = sleepOn(clock);
    const startMs = clock.monotonicMs();
    let known: number | undefined;
    let nextDotMs = DOT_EVERY_MS;
    for (;;) {
      const owner = this.owner();
      if (owner === undefined) {
        if (known !== undefined) say('terminated\n');
        return known !== undefined;
      }
      if (owner !== known) {
        if (known !== undefined) say('\n');
        say(`sending ${signal} to lock owner (pid:${owner})\n`);
        signalOwner(owner, signal, this.path);
        say('waiting for termination ');
        known = owner;
      }
      const waitedMs = clock.monotonicMs() - startMs;
      if (waitedMs >= timeoutS * 1000) {
        say(':giving up\n');
        return undefined;
      }
      if (waitedMs >= nextDotMs) {
        say('.');
        nextDotMs += DOT_EVERY_MS;
      }
      await sleep(POLL_MS);
    }
  }

  private open(): number {
    this.fd ??= openSync(this.path, 'a', 0o666);
    return this.fd;
  }
}

/** @throws Error when the owner cannot be signalled: it is another user's, or unseen in our pid namespace. */
export function signalOwner(pid: number, signal: NodeJS.Signals, lockPath: string): void {
  if (pid <= 0) throw new Error(`${lockPath}: the owner of the lock is in another pid namespace`);
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return; // just gone: the lock will show it
    throw new Error(`can't send ${signal} to lock owner (pid:${pid}): ${errorCode(error)}`, { cause: error });
  }
}
