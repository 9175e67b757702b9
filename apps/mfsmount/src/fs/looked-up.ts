/** What a LOOKUP tells about a file for the open that follows it in the same open(2) (spec 13 §4.6, §6.5). */
import { type Caller, FuseError } from '@wapiti-fs/fuse';
import {
  LOOKUP_ACCESS_MODE_0,
  LOOKUP_APPENDONLY,
  LOOKUP_DIRECTMODE,
  LOOKUP_IMMUTABLE,
  LOOKUP_KEEPCACHE,
  LOOKUP_RO_FILESYSTEM,
  OPEN_APPENDONLY,
  OPEN_KEEPCACHE,
  OPEN_READ,
  OPEN_WRITE,
} from '@wapiti-fs/protocol';
import type { Clock } from '@wapiti-fs/runtime';

import { EACCES, EPERM, EROFS } from './errors.js';

/** Older ones are of another call: the kernel opens right after it has looked up. The reference takes what is up to 1 s old. */
const FRESH_MS = 100;
const MAX_THREADS = 1000;
/** MODE_MASK_* bits. */
const [MASK_R, MASK_W] = [4, 2];

export interface LookedUpFile {
  readonly inode: number;
  readonly uid: number;
  readonly gid: number;
  /** LOOKUP_* bits. */
  readonly lflags: number;
  readonly length: number;
  readonly atMs: number;
}

/** The last file that each thread has looked up. */
export class LookedUp {
  private readonly byThread = new Map<number, LookedUpFile>();

  constructor(private readonly clock: Clock) {}

  put({ pid, uid, gid }: Caller, inode: number, lflags: number, length: number): void {
    if (pid === 0) return; // a kernel thread, or of another namespace: any of them
    if (this.byThread.size >= MAX_THREADS) this.byThread.clear();
    this.byThread.set(pid, { inode, uid, gid, lflags, length, atMs: this.clock.monotonicMs() });
  }

  /** What the caller has just looked up, if it was this file and if what the master said then suffices to open it. */
  take({ pid, uid, gid }: Caller, inode: number): LookedUpFile | undefined {
    const file = this.byThread.get(pid);
    if (file === undefined) return undefined;
    this.byThread.delete(pid);
    if (file.inode !== inode || file.uid !== uid || file.gid !== gid) return undefined;
    if (file.lflags & LOOKUP_DIRECTMODE || this.clock.monotonicMs() - file.atMs > FRESH_MS) return undefined;
    return file;
  }
}

/** @throws FuseError: the file may not be opened so (`wanted`: OPEN_READ, OPEN_WRITE) */
export function checkAccess({ lflags }: LookedUpFile, wanted: number): void {
  if (wanted & OPEN_WRITE) {
    if (lflags & LOOKUP_RO_FILESYSTEM) throw new FuseError(EROFS);
    if (lflags & LOOKUP_IMMUTABLE) throw new FuseError(EPERM);
  }
  const mask = (wanted & OPEN_READ ? MASK_R : 0) | (wanted & OPEN_WRITE ? MASK_W : 0);
  if ((lflags & (LOOKUP_ACCESS_MODE_0 << mask)) === 0) throw new FuseError(EACCES);
}

/** OPEN_* bits of the answer to an open, as far as the LOOKUP told them. */
export function openFlags({ lflags }: LookedUpFile): number {
  return (lflags & LOOKUP_KEEPCACHE ? OPEN_KEEPCACHE : 0) | (lflags & LOOKUP_APPENDONLY ? OPEN_APPENDONLY : 0);
}
