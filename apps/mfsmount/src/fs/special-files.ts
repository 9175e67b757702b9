/** Files that exist only in the mount: `.masterinfo`, `.stats`, `.params` (spec 13 §11). */
import { type Attributes, type Caller, type Entry, fuseConstants, FuseError, type OpenReply } from '@wapiti-fs/fuse';

import { EACCES, EBADF } from './errors.js';
import { S_IFREG } from './kernel-attributes.js';

const ROOT = 1;
const FIRST_INODE = 0x7ffffff0;
const LAST_INODE = 0x7fffffff;
const MASTERINFO_INODE = 0x7fffffff;
const STATS_INODE = 0x7ffffff0;
const PARAMS_INODE = 0x7ffffff5;
const MASTERINFO_BYTES = 14;
const CACHED_MS = 3_600_000;
const O_ACCMODE = 3;

/** What the special files show, and what writing to `.stats` does. */
export interface SpecialContents {
  masterInfo(): Buffer;
  stats(): string;
  params(): string;
  resetStats(): void;
}

interface Special {
  readonly name: string;
  readonly inode: number;
  readonly mode: number;
  readonly sizeBytes: number;
  readonly rootOnly: boolean;
  readonly writable: boolean;
  readonly openFlags: number;
}

const SPECIALS: readonly Special[] = [
  {
    name: '.masterinfo',
    inode: MASTERINFO_INODE,
    mode: 0o444,
    sizeBytes: MASTERINFO_BYTES,
    rootOnly: false,
    writable: false,
    openFlags: 0,
  },
  {
    name: '.stats',
    inode: STATS_INODE,
    mode: 0o644,
    sizeBytes: 0,
    rootOnly: false,
    writable: true,
    openFlags: fuseConstants.FOPEN_DIRECT_IO,
  },
  {
    name: '.params',
    inode: PARAMS_INODE,
    mode: 0o400,
    sizeBytes: 0,
    rootOnly: true,
    writable: false,
    openFlags: fuseConstants.FOPEN_DIRECT_IO,
  },
];

export function isSpecial(inode: number): boolean {
  return inode >= FIRST_INODE && inode <= LAST_INODE;
}

export class SpecialFiles {
  private readonly opened = new Map<number, { readonly content: Buffer; reset: boolean }>();
  private lastHandle = 0;

  constructor(private readonly contents: SpecialContents) {}

  /** The entry of a name in a directory. */
  lookup(parent: number, name: Buffer): Entry | undefined {
    if (parent !== ROOT || name[0] !== 0x2e) return undefined;
    const special = SPECIALS.find((one) => one.name === name.toString('latin1'));
    return special && entryOf(special);
  }

  /** `.masterinfo` is found in every directory that has no file of that name. */
  lookupAnywhere(name: Buffer): Entry | undefined {
    return name.equals(Buffer.from('.masterinfo')) ? this.lookup(ROOT, name) : undefined;
  }

  getattr(inode: number): { timeoutMs: number; attributes: Attributes } {
    return { timeoutMs: CACHED_MS, attributes: attributesOf(this.special(inode)) };
  }

  setattr(inode: number): { timeoutMs: number; attributes: Attributes } {
    if (inode === MASTERINFO_INODE) throw new FuseError(1);
    return this.getattr(inode);
  }

  /** Names of special files cannot be made or removed. */
  refuseName(parent: number, name: Buffer): void {
    if (this.lookup(parent, name) !== undefined) throw new FuseError(EACCES);
  }

  access(mask: number): void {
    if (mask & 3) throw new FuseError(EACCES);
  }

  open(caller: Caller, inode: number, flags: number): OpenReply {
    const special = this.special(inode);
    if (special.rootOnly && caller.uid !== 0) throw new FuseError(EACCES);
    if (!special.writable && (flags & O_ACCMODE) !== 0) throw new FuseError(EACCES);
    const handle = ++this.lastHandle;
    this.opened.set(handle, { content: this.content(inode), reset: false });
    return { handle, flags: special.openFlags };
  }

  private content(inode: number): Buffer {
    if (inode === MASTERINFO_INODE) return this.contents.masterInfo();
    return Buffer.from(inode === STATS_INODE ? this.contents.stats() : this.contents.params());
  }

  read(handle: number, offset: number, sizeBytes: number): Buffer {
    return this.file(handle).content.subarray(offset, offset + sizeBytes);
  }

  write(inode: number, handle: number, sizeBytes: number): number {
    if (inode !== STATS_INODE) throw new FuseError(EACCES);
    this.file(handle).reset = true;
    return sizeBytes;
  }

  release(handle: number): void {
    if (this.opened.get(handle)?.reset) this.contents.resetStats();
    this.opened.delete(handle);
  }

  private file(handle: number): { readonly content: Buffer; reset: boolean } {
    const file = this.opened.get(handle);
    if (file === undefined) throw new FuseError(EBADF);
    return file;
  }

  private special(inode: number): Special {
    const special = SPECIALS.find((one) => one.inode === inode);
    if (special === undefined) throw new FuseError(EACCES);
    return special;
  }
}

function attributesOf(special: Special): Attributes {
  return {
    inode: special.inode,
    sizeBytes: special.sizeBytes,
    blocks: 0,
    atime: 0,
    mtime: 0,
    ctime: 0,
    mode: S_IFREG | special.mode,
    nlink: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    blockSizeBytes: 65536,
  };
}

function entryOf(special: Special): Entry {
  return {
    inode: special.inode,
    generation: 1,
    entryTimeoutMs: CACHED_MS,
    attributesTimeoutMs: CACHED_MS,
    attributes: attributesOf(special),
  };
}
