import type { DataEngine, InodeData, MfsClient, SessionInfo } from '@wapiti-fs/client';
import type { Caller as KernelCaller, Attributes, Entry } from '@wapiti-fs/fuse';
import { FuseError } from '@wapiti-fs/fuse';
import { type AttributeRecord, MFS_NAME_MAX, TYPE_FILE } from '@wapiti-fs/protocol';
import type { Clock, Logger } from '@wapiti-fs/runtime';

import type { MountSettings } from '../options/settings.js';
import { Counters } from './counters.js';
import { ENAMETOOLONG } from './errors.js';
import { ExpiringCache } from './expiring-cache.js';
import { GroupsCache, type Identity } from './groups.js';
import { attributesTimeoutMs, entryTimeoutMs, kernelAttributes } from './kernel-attributes.js';
import { LookedUp } from './looked-up.js';
import { OpenDirectories } from './open-directories.js';

/** The inode operations that a mount needs; {@link MfsClient} has them. */
export type InodeClient = Pick<
  MfsClient,
  | 'session'
  | 'directories'
  | 'xattrs'
  | 'locks'
  | 'lookup'
  | 'mkdir'
  | 'mknod'
  | 'symlink'
  | 'unlink'
  | 'rmdir'
  | 'rename'
  | 'link'
  | 'getattr'
  | 'setattr'
  | 'truncate'
  | 'access'
  | 'readlink'
  | 'statfs'
  | 'open'
  | 'openAhead'
  | 'create'
  | 'release'
>;

export interface ContextParts {
  readonly client: InodeClient;
  readonly data: DataEngine;
  readonly settings: MountSettings;
  readonly clock: Clock;
  readonly log: Logger;
  /** Supplementary groups, if not from /proc. */
  readonly groups?: GroupsCache;
}

/** So long after a write an answer of the master may still have been made before it. Changes by others come as messages anyway. */
const SETTLED_MS = 2000;
const SYMLINK_ENTRIES = 400_448;
const NEGATIVE_ENTRIES = 400_448;

/** What the parts of the mounted file system share. */
export class MountContext {
  readonly client: InodeClient;
  readonly data: DataEngine;
  readonly settings: MountSettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly groups: GroupsCache;
  readonly counters = new Counters();
  readonly openDirectories: OpenDirectories;
  /** Names that do not exist, by `parent/name`. */
  readonly negative: ExpiringCache<string, true>;
  readonly symlinks: ExpiringCache<number, Buffer>;
  readonly lookedUp: LookedUp;
  /** Makes the kernel forget pages and attributes of an inode. */
  forgetPages: (inode: number) => void = () => undefined;
  private readonly lastWriteMs = new WeakMap<InodeData, number>();
  /** What the master told when it registered this mount; undefined before. */
  session: SessionInfo | undefined;

  constructor(parts: ContextParts) {
    this.client = parts.client;
    this.data = parts.data;
    this.settings = parts.settings;
    this.clock = parts.clock;
    this.log = parts.log;
    this.groups = parts.groups ?? new GroupsCache(parts.clock, parts.settings.groupsCacheMs);
    this.lookedUp = new LookedUp(parts.clock);
    this.openDirectories = new OpenDirectories(parts.clock);
    this.negative = new ExpiringCache(parts.clock, parts.settings.negativeEntryCacheMs, NEGATIVE_ENTRIES);
    this.symlinks = new ExpiringCache(parts.clock, parts.settings.symlinkCacheMs, SYMLINK_ENTRIES);
  }

  /** DISABLE_* bits of the export. */
  get disables(): number {
    return this.session?.disables ?? 0;
  }

  who(caller: KernelCaller): Identity {
    return this.groups.identity(caller);
  }

  checkName(name: Buffer): void {
    if (name.length > MFS_NAME_MAX) throw new FuseError(ENAMETOOLONG);
  }

  /** Data are written to a file: what the master says about its length is older for a while. */
  writing(data: InodeData): void {
    this.lastWriteMs.set(data, this.clock.monotonicMs());
  }

  /** Attributes for the kernel: with the length and times that the master does not know yet. */
  attributes(inode: number, record: AttributeRecord, fresh: boolean): Attributes {
    const attributes = kernelAttributes(inode, record, this.sizeOf(inode, record, fresh));
    const pending = this.client.session.times.pending(inode);
    if (pending === undefined) return attributes;
    return {
      ...attributes,
      atime: Math.max(record.atime, pending.atime),
      mtime: Math.max(record.mtime, pending.mtime),
    };
  }

  /**
   * Size of a file. What was written here counts at once, and an answer that was on its way meanwhile never makes the file shorter;
   * otherwise the length just told by the master is passed on to the open file. A listing may be older than what is known.
   */
  private sizeOf(inode: number, record: AttributeRecord, fresh: boolean): number {
    if (record.type !== TYPE_FILE) return record.length;
    const data = this.data.find(inode);
    if (data === undefined) return record.length;
    if (!fresh) return data.length;
    const quietMs = this.clock.monotonicMs() - (this.lastWriteMs.get(data) ?? -Infinity);
    if (data.dirty || quietMs < SETTLED_MS) return Math.max(record.length, data.length);
    data.setLength(record.length);
    return data.length;
  }

  /** `fresh`: the record comes straight from the master. */
  entry(inode: number, record: AttributeRecord, fresh = true): Entry {
    return {
      inode,
      generation: 1,
      entryTimeoutMs: entryTimeoutMs(record, this.settings),
      attributesTimeoutMs: attributesTimeoutMs(record, this.settings),
      attributes: this.attributes(inode, record, fresh),
    };
  }

  attributesReply(inode: number, record: AttributeRecord, fresh = true): { timeoutMs: number; attributes: Attributes } {
    return { timeoutMs: attributesTimeoutMs(record, this.settings), attributes: this.attributes(inode, record, fresh) };
  }
}

export function nameKey(parent: number, name: Buffer): string {
  return `${parent}/${name.toString('latin1')}`;
}
