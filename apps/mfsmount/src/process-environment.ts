/** What a mount asks of the operating system for itself (spec 13 §13: mfsrlimitnofile, mfsnice, mfsmemlock, mfsallowoomkiller). */
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

import { getResourceLimit, lockMemory, type Logger, RLIMIT_NOFILE, setResourceLimit } from '@wapiti-fs/runtime';

import type { MountSettings } from './options/settings.js';

const MIN_OPEN_FILES = 1000;

/** What is not allowed is told in the log and goes on without. */
export function prepareProcess(settings: MountSettings, log: Logger): void {
  attempt(log, 'limit of open files', () => raiseOpenFiles(settings.openFilesLimit));
  attempt(log, `nice value ${settings.nice}`, () => setPriority(settings.nice));
  if (settings.lockMemory) attempt(log, 'locked memory', lockMemory);
  // a mount that is killed leaves every program on it with errors
  if (!settings.allowOomKiller)
    attempt(log, 'protection from the OOM killer', () => writeFileSync('/proc/self/oom_score_adj', '-1000'));
}

function raiseOpenFiles(wanted: number): void {
  const { soft, hard } = getResourceLimit(RLIMIT_NOFILE);
  for (let limit = wanted; limit >= MIN_OPEN_FILES && BigInt(limit) > soft; limit = Math.floor(limit / 2)) {
    try {
      const value = BigInt(limit);
      return setResourceLimit(RLIMIT_NOFILE, { soft: value, hard: hard > value ? hard : value });
    } catch (error) {
      if (limit / 2 < MIN_OPEN_FILES) throw error;
    }
  }
}

function attempt(log: Logger, what: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    log.info(`${what}: not allowed`, { error: error as Error });
  }
}
