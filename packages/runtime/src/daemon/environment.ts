/** What a daemon changes about its process before it starts: limits, priority, user, directory (spec 12 §3). */
import { statSync, writeFileSync } from 'node:fs';
import os from 'node:os';

import type { CommonConfig } from '../config/common-keys.js';
import { errorCode } from '../errors.js';
import {
  findGroup,
  findUser,
  getResourceLimit,
  lockMemory,
  RLIM_INFINITY,
  RLIMIT_CORE,
  RLIMIT_NOFILE,
  setResourceLimit,
} from '../libc/process.js';

/** A start that cannot go on; the message is for the user. */
export class StartError extends Error {
  readonly code = 'ESTART';
}

export interface EnvironmentOptions {
  readonly openFiles: number;
  readonly raiseCoreLimit: boolean;
  /** For the user. */
  readonly say: (text: string) => void;
  /** Something was not possible, and the daemon can do without. */
  readonly warn: (text: string) => void;
}

/** Limits and priorities, which need the privileges that {@link changeUser} gives up. */
export function prepareProcess(config: CommonConfig, options: EnvironmentOptions): void {
  const attempt = (what: string, action: () => void): void => {
    try {
      action();
    } catch (error) {
      options.warn(`${what}: ${errorCode(error) ?? (error as Error).message}`);
    }
  };
  const privileged = process.getuid?.() === 0;
  if (options.raiseCoreLimit)
    attempt("can't raise limit of core dump size", () => {
      const hard = privileged ? RLIM_INFINITY : getResourceLimit(RLIMIT_CORE).hard;
      setResourceLimit(RLIMIT_CORE, { soft: hard, hard });
    });
  raiseOpenFiles(BigInt(options.openFiles), options);
  if (privileged || config.NICE_LEVEL >= os.getPriority())
    attempt(`can't set nice level to ${config.NICE_LEVEL}`, () => os.setPriority(config.NICE_LEVEL));
  if (config.DISABLE_OOM_KILLER && privileged)
    attempt("can't disable out of memory killer", () => writeFileSync('/proc/self/oom_score_adj', '-1000'));
  if (config.LOCK_MEMORY) attempt("can't lock memory", lockMemory);
}

function raiseOpenFiles(wanted: bigint, options: EnvironmentOptions): void {
  const { hard } = getResourceLimit(RLIMIT_NOFILE);
  try {
    setResourceLimit(RLIMIT_NOFILE, { soft: wanted, hard: hard > wanted ? hard : wanted });
    options.say(`open files limit has been set to: ${wanted}`);
  } catch {
    setResourceLimit(RLIMIT_NOFILE, { soft: hard, hard });
    options.say(`can't change open files limit to: ${wanted} (trying to set smaller value)`);
    options.say(`open files limit has been set to: ${hard}`);
  }
}

/** Becomes WORKING_USER and WORKING_GROUP; without root privileges everything stays as it is. */
export function changeUser(config: CommonConfig): void {
  if (process.getuid?.() !== 0) return;
  const { user, gid } = resolveUser(config.WORKING_USER, config.WORKING_GROUP);
  // Not in the declarations of Node's types.
  (process as { initgroups?(user: string | number, group: number): void }).initgroups?.(user.name, gid);
  process.setgid?.(gid);
  process.setuid?.(user.uid);
}

function resolveUser(
  userText: string,
  groupText: string,
): { user: { name: string | number; uid: number }; gid: number } {
  const uid = numericId(userText);
  const entry = findUser(uid ?? userText);
  if (entry === undefined && uid === undefined) throw new StartError(`WORKING_USER: can't find user '${userText}'`);
  const user = { name: entry?.name ?? (uid as number), uid: entry?.uid ?? (uid as number) };
  if (groupText === '') {
    if (entry === undefined) throw new StartError(`WORKING_GROUP: user ${userText} has no group, set one`);
    return { user, gid: entry.gid };
  }
  const gid = numericId(groupText) ?? findGroup(groupText);
  if (gid === undefined) throw new StartError(`WORKING_GROUP: can't find group '${groupText}'`);
  return { user, gid };
}

function numericId(text: string): number | undefined {
  return /^#\d+$/.test(text) ? Number(text.slice(1)) : undefined;
}

/** Makes DATA_PATH the working directory. */
export function enterDataPath(config: CommonConfig): void {
  try {
    if (!statSync(config.DATA_PATH).isDirectory())
      throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
    process.chdir(config.DATA_PATH);
  } catch (error) {
    throw new StartError(`can't set working directory to ${config.DATA_PATH}: ${errorCode(error)}`, { cause: error });
  }
}
