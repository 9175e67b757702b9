/** Limits, users and descriptors of this process. */
import { check, libc } from './libc.js';

export const RLIMIT_CORE = 4;
export const RLIMIT_NOFILE = 7;
/** No limit. */
export const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;
const SCHED_RR = 2;
const SCHED_RESET_ON_FORK = 0x4000_0000;
const MCL_CURRENT = 1;
const MCL_FUTURE = 2;

export interface ResourceLimit {
  readonly soft: bigint;
  readonly hard: bigint;
}

export function getResourceLimit(resource: number): ResourceLimit {
  const limit = Buffer.alloc(16);
  check(libc().getrlimit(resource, limit), 'getrlimit');
  return { soft: limit.readBigUInt64LE(0), hard: limit.readBigUInt64LE(8) };
}

/** @throws LibcError `EPERM` when the hard limit would have to be raised without privilege. */
export function setResourceLimit(resource: number, { soft, hard }: ResourceLimit): void {
  const limit = Buffer.alloc(16);
  limit.writeBigUInt64LE(soft, 0);
  limit.writeBigUInt64LE(hard, 8);
  check(libc().setrlimit(resource, limit), 'setrlimit');
}

/** Keeps all memory of the process from being swapped out. */
export function lockMemory(): void {
  check(libc().mlockall(MCL_CURRENT | MCL_FUTURE), 'mlockall');
}

/**
 * Lets the calling thread, which is the one of the event loop, run before everything that has no real-time priority. Threads and
 * processes made later have none, and nice level 0.
 *
 * @param priority 1…99
 * @throws LibcError `EPERM` without the privilege
 */
export function runInRealTime(priority: number): void {
  const parameters = Buffer.alloc(4);
  parameters.writeInt32LE(priority);
  check(libc().schedSetscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, parameters), 'sched_setscheduler');
}

/** Makes descriptor `to` a copy of `from`, closing what it was. */
export function duplicateDescriptor(from: number, to: number): void {
  check(libc().dup2(from, to), 'dup2');
}

export interface UserEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The user of a name or of a numeric id (getpwnam, getpwuid); undefined when unknown. */
export function findUser(nameOrUid: string | number): UserEntry | undefined {
  const pointer = typeof nameOrUid === 'number' ? libc().getpwuid(nameOrUid) : libc().getpwnam(nameOrUid);
  if (pointer === null) return undefined;
  const { name, uid, gid } = libc().decodePasswd(pointer);
  return { name, uid, gid };
}

/** Group id of a name; undefined when unknown. */
export function findGroup(name: string): number | undefined {
  const pointer = libc().getgrnam(name);
  return pointer === null ? undefined : libc().decodeGroup(pointer).gid;
}
