/**
 * Listings of open directories, which also answer lookups and getattrs of the process that reads them (spec 13 §6.2): so `ls -l`
 * asks the master once and not once a file. A listing is trusted for a short time only, unlike the reference's, which lasts as long
 * as the directory is open.
 */
import type { Caller } from '@wapiti-fs/fuse';
import type { AttributeRecord } from '@wapiti-fs/protocol';
import type { Clock } from '@wapiti-fs/runtime';

const TRUSTED_MS = 3000;

/** An entry as listed; without attributes where the caller may not have them. */
export interface ListedEntry {
  readonly name: Buffer;
  readonly inode: number;
  /** TYPE_* code. */
  readonly type: number;
  readonly attributes?: AttributeRecord | undefined;
}

export class OpenDirectory {
  entries: readonly ListedEntry[] = [];
  /** Nothing of it has been read yet. */
  fresh = true;
  private fetchedMs = -Infinity;
  private byName: Map<string, ListedEntry> | undefined;
  private byInode: Map<number, ListedEntry> | undefined;
  private readonly changedInodes = new Set<number>();
  private readonly changedNames = new Set<string>();

  constructor(
    readonly inode: number,
    private readonly owner: Pick<Caller, 'uid' | 'gid' | 'pid'>,
    private readonly clock: Clock,
  ) {}

  fill(entries: readonly ListedEntry[]): void {
    this.entries = entries;
    this.fresh = true;
    this.fetchedMs = this.clock.monotonicMs();
    this.byName = undefined;
    this.byInode = undefined;
    this.changedInodes.clear();
    this.changedNames.clear();
  }

  belongsTo(caller: Caller): boolean {
    const { owner } = this;
    return caller.pid === owner.pid && caller.uid === owner.uid && caller.gid === owner.gid;
  }

  find(name: Buffer): ListedEntry | undefined {
    if (!this.trusted()) return undefined;
    this.byName ??= new Map(this.entries.map((entry) => [entry.name.toString('latin1'), entry]));
    const key = name.toString('latin1');
    return this.changedNames.has(key) ? undefined : this.usable(this.byName.get(key));
  }

  findInode(inode: number): ListedEntry | undefined {
    if (!this.trusted()) return undefined;
    this.byInode ??= new Map(this.entries.map((entry) => [entry.inode, entry]));
    return this.usable(this.byInode.get(inode));
  }

  inodeChanged(inode: number): void {
    if (this.trusted()) this.changedInodes.add(inode);
  }

  nameChanged(name: Buffer): void {
    if (this.trusted()) this.changedNames.add(name.toString('latin1'));
  }

  private trusted(): boolean {
    return this.clock.monotonicMs() - this.fetchedMs < TRUSTED_MS;
  }

  private usable(entry: ListedEntry | undefined): ListedEntry | undefined {
    return entry?.attributes === undefined || this.changedInodes.has(entry.inode) ? undefined : entry;
  }
}

export class OpenDirectories {
  private readonly handles = new Map<number, OpenDirectory>();
  private lastHandle = 0;

  constructor(private readonly clock: Clock) {}

  open(inode: number, caller: Caller): { handle: number; directory: OpenDirectory } {
    const directory = new OpenDirectory(inode, caller, this.clock);
    const handle = ++this.lastHandle;
    this.handles.set(handle, directory);
    return { handle, directory };
  }

  get(handle: number): OpenDirectory | undefined {
    return this.handles.get(handle);
  }

  close(handle: number): void {
    this.handles.delete(handle);
  }

  findName(caller: Caller, parent: number, name: Buffer): ListedEntry | undefined {
    for (const directory of this.handles.values()) {
      if (directory.inode !== parent || !directory.belongsTo(caller)) continue;
      const entry = directory.find(name);
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  findInode(caller: Caller, inode: number): ListedEntry | undefined {
    for (const directory of this.handles.values()) {
      if (!directory.belongsTo(caller)) continue;
      const entry = directory.findInode(inode);
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  /** Attributes of an inode are different from now on. */
  inodeChanged(inode: number): void {
    for (const directory of this.handles.values()) directory.inodeChanged(inode);
  }

  /** A name of a directory leads elsewhere, or nowhere, and the directory's own attributes are different. */
  nameChanged(parent: number, name: Buffer): void {
    for (const directory of this.handles.values()) {
      directory.inodeChanged(parent);
      if (directory.inode === parent) directory.nameChanged(name);
    }
  }
}
