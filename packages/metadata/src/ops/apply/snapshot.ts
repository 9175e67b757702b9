/** Effect of SNAPSHOT: copies of trees that share chunks, and their removal. Spec 08 §6.6. */
import {
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_SNAPSHOT,
  MFS_ERROR_EEXIST,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MODE_MASK_R,
  MODE_MASK_W,
  MODE_MASK_X,
  SNAPSHOT_MODE_CAN_OVERWRITE,
  SNAPSHOT_MODE_CPLIKE_ATTR,
  SNAPSHOT_MODE_DELETE,
  SNAPSHOT_MODE_PRESERVE_HARDLINKS,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_FILE,
  TYPE_SUSTAINED,
  TYPE_SYMLINK,
  TYPE_TRASH,
} from '@wapiti-fs/protocol';
import type { MetadataStore } from '../../store/store.js';
import { ACL_ACCESS, ACL_DEFAULT } from '../../store/tables.js';
import { type Caller, mayAccess, PROTECTED } from '../access.js';
import { copyAcl, isAtOrAbove, isLegalName, linkEdge, newNode, shareChunks, unlinkEdge } from '../primitives.js';
import type { ChangeOf } from '../records.js';
import { check, checkNode, type Handlers } from './checks.js';

type Snapshot = ChangeOf<'SNAPSHOT'>;

/** A directory whose children from edge `next` on are still to be done; `finish` runs after the last. */
interface Level {
  next: number;
  readonly destination: number;
  readonly fresh: boolean;
  readonly finish: () => void;
}

/** Who makes a snapshot, as the access checks inside it want it. */
export const snapshotCaller = (change: { uid: number; gids: readonly number[]; sesflags: number }): Caller => ({
  uid: change.uid,
  gids: change.gids,
  session: { sesflags: change.sesflags },
});

/**
 * The pre-check of a copy over what exists (spec 09 §14.1), changing nothing; 0 = nothing forbids it. `merged` is told each pair of an
 * object and the existing one that it will be merged with.
 */
export function snapshotTest(
  store: MetadataStore,
  source: number,
  directory: number,
  name: Buffer,
  smode: number,
  merged?: (source: number, existing: number) => void,
): number {
  const { nodes, edges } = store;
  const pending: [number, number, Buffer][] = [[source, directory, name]];
  for (let step = pending.pop(); step !== undefined; step = pending.pop()) {
    const [from, into, as] = step;
    const edge = edges.find(into, as);
    if (edge === 0) continue;
    const existing = edges.child(edge);
    const type = nodes.type.get(from);
    if (existing === source) return MFS_ERROR_EINVAL;
    if ((nodes.eattr.get(existing) & PROTECTED) !== 0) return MFS_ERROR_EPERM;
    if (nodes.type.get(existing) !== type || type === TYPE_TRASH || type === TYPE_SUSTAINED) return MFS_ERROR_EPERM;
    merged?.(from, existing);
    if (nodes.isDirectory(from))
      for (const child of edges.childEdges(from)) pending.push([edges.child(child), existing, edges.name(child)]);
    else if ((smode & SNAPSHOT_MODE_CAN_OVERWRITE) === 0) return MFS_ERROR_EEXIST;
  }
  return 0;
}

class SnapshotRun {
  readonly counts = { checksum: 0, removed: 0, same: 0, existing: 0, hardlinks: 0, created: 0 };
  private readonly caller: Caller;
  private readonly cpLike: boolean;
  private readonly copies = new Map<number, number>();
  private readonly levels: Level[] = [];

  constructor(
    private readonly store: MetadataStore,
    private readonly change: Snapshot,
  ) {
    this.caller = snapshotCaller(change);
    this.cpLike = (change.smode & SNAPSHOT_MODE_CPLIKE_ATTR) !== 0;
  }

  copy(): void {
    const { edges } = this.store;
    this.enter(this.change.src, this.change.dstParent, this.change.name, false);
    for (let level = this.levels.at(-1); level !== undefined; level = this.levels.at(-1)) {
      const edge = level.next;
      if (edge === 0) {
        this.levels.pop();
        level.finish();
        continue;
      }
      level.next = edges.nextSibling(edge);
      this.enter(edges.child(edge), level.destination, edges.name(edge), level.fresh);
    }
  }

  private count(inode: number): void {
    this.counts.checksum = (this.counts.checksum ^ inode) >>> 0;
  }

  private owns(source: number): boolean {
    return this.change.uid === 0 || this.change.uid === this.store.nodes.uid.get(source);
  }

  private enter(source: number, directory: number, name: Buffer, fresh: boolean): void {
    const { nodes, edges } = this.store;
    if (nodes.type.get(source) === TYPE_FILE && !mayAccess(this.store, this.caller, source, MODE_MASK_R)) return;
    const edge = fresh ? 0 : edges.find(directory, name);
    if (edge === 0) this.create(source, directory, name);
    else this.merge(source, directory, name, edge);
  }

  /** Goes on with the children of a directory, or finishes at once. */
  private descend(source: number, destination: number, fresh: boolean, finish: () => void): void {
    const { nodes } = this.store;
    const enters = nodes.isDirectory(source) && mayAccess(this.store, this.caller, source, MODE_MASK_R | MODE_MASK_X);
    if (enters) this.levels.push({ next: nodes.firstChild(source), destination, fresh, finish });
    else finish();
  }

  private newCopy(source: number, parent: number, name: Buffer): number {
    const { nodes } = this.store;
    const { ts, uid, gids, cumask } = this.change;
    const type = nodes.type.get(source);
    const mode = nodes.mode.get(source);
    const gid = gids[0] ?? 0;
    const common = { ts, parent, name, type };
    const target = type === TYPE_SYMLINK ? nodes.symlink(source) : undefined;
    const prepare = (inode: number): void => {
      if (target !== undefined) nodes.setSymlink(inode, target);
    };
    if (this.cpLike) return newNode(this.store, { ...common, mode, cumask, uid, gid }, prepare);
    if (!this.owns(source))
      return newNode(this.store, { ...common, mode: mode & 0o1777, cumask: 0, uid, gid }, prepare);
    const [ownUid, ownGid] = [nodes.uid.get(source), nodes.gid.get(source)];
    return newNode(this.store, { ...common, mode, cumask: 0, uid: ownUid, gid: ownGid }, prepare);
  }

  private copyContent(source: number, target: number): void {
    const { nodes, stats } = this.store;
    stats.around(target, () => {
      const entries = nodes.chunkCount(source);
      if (entries > 0) shareChunks(this.store, target, 0, source, 0, entries - 1);
      nodes.length.set(target, nodes.length.get(source));
      nodes.goalFactor.set(target, this.store.goalFactor(nodes.sclass.get(target)));
    });
  }

  private create(source: number, directory: number, name: Buffer): void {
    const { nodes, tables } = this.store;
    const type = nodes.type.get(source);
    if (type === TYPE_TRASH || type === TYPE_SUSTAINED) return;
    const linked = (this.change.smode & SNAPSHOT_MODE_PRESERVE_HARDLINKS) !== 0;
    const hasLinks = linked && !nodes.isDirectory(source) && nodes.nlink.get(source) > 1;
    const made = hasLinks ? this.copies.get(source) : undefined;
    if (made !== undefined) {
      linkEdge(this.store, this.change.ts, directory, made, name);
      this.counts.hardlinks++;
      return;
    }
    const target = this.newCopy(source, directory, name);
    if (hasLinks) this.copies.set(source, target);
    this.count(target);
    this.counts.created++;
    if (!this.cpLike) {
      for (const column of [nodes.sclass, nodes.trashtime, nodes.eattr, nodes.winattr])
        column.set(target, column.get(source));
      const mode = nodes.mode.get(source);
      nodes.mode.set(target, this.owns(source) ? mode : mode & 0o1777);
      const attributes = tables.xattrs.get(source);
      if (attributes !== undefined) this.store.setXattrs(target, [...attributes]);
      for (const acltype of [ACL_ACCESS, ACL_DEFAULT]) {
        const acl = this.store.acl(source, acltype);
        if (acl !== undefined) this.store.setAcl(target, acltype, copyAcl(acl));
      }
    }
    if (type === TYPE_FILE) this.copyContent(source, target);
    if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) nodes.setRdev(target, nodes.rdev(source));
    this.descend(source, target, true, () => {
      if (!this.cpLike)
        for (const column of [nodes.atime, nodes.mtime, nodes.ctime]) column.set(target, column.get(source));
      nodes.eattr.set(target, nodes.eattr.get(target) | EATTR_SNAPSHOT);
    });
  }

  private merge(source: number, directory: number, name: Buffer, edge: number): void {
    const { nodes, edges, stats } = this.store;
    const type = nodes.type.get(source);
    let target = edges.child(edge);
    if (type === TYPE_FILE && this.isSame(source, target)) this.counts.same++;
    else {
      if (type === TYPE_FILE) {
        this.count(target);
        unlinkEdge(this.store, this.change.ts, edge);
        target = this.newCopy(source, directory, name);
        this.count(target);
        nodes.sclass.set(target, nodes.sclass.get(source));
        nodes.trashtime.set(target, nodes.trashtime.get(source));
        this.copyContent(source, target);
      } else if (type === TYPE_SYMLINK) {
        const replaced = target;
        stats.around(replaced, () => nodes.setSymlink(replaced, nodes.symlink(source)));
      } else if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) nodes.setRdev(target, nodes.rdev(source));
      this.counts.existing++;
    }
    const merged = target;
    this.descend(source, merged, false, () => this.finishMerged(source, merged));
  }

  private isSame(source: number, target: number): boolean {
    const { nodes } = this.store;
    if (nodes.length.get(source) !== nodes.length.get(target)) return false;
    const entries = Math.max(nodes.chunkCount(source), nodes.chunkCount(target));
    for (let i = 0; i < entries; i++) if (nodes.chunkAt(source, i) !== nodes.chunkAt(target, i)) return false;
    return true;
  }

  private finishMerged(source: number, target: number): void {
    const { nodes } = this.store;
    const { ts, uid, gids, cumask } = this.change;
    const mode = nodes.mode.get(source);
    const owns = this.owns(source);
    if (!this.cpLike && owns) {
      for (const column of [nodes.mode, nodes.uid, nodes.gid, nodes.ctime, nodes.atime, nodes.mtime])
        column.set(target, column.get(source));
    } else {
      nodes.uid.set(target, uid);
      nodes.gid.set(target, gids[0] ?? 0);
      nodes.mode.set(target, this.cpLike ? mode & ~cumask : mode & 0o1777);
      nodes.ctime.set(target, ts);
      if (!this.cpLike) for (const column of [nodes.atime, nodes.mtime]) column.set(target, column.get(source));
    }
    nodes.eattr.set(target, nodes.eattr.get(target) | EATTR_SNAPSHOT);
  }

  /** Removal of what is marked as snapshot below and including an entry. */
  remove(topEdge: number): void {
    const { nodes, edges } = this.store;
    const mayLose = (inode: number): boolean => (nodes.eattr.get(inode) & (EATTR_APPENDONLY | EATTR_IMMUTABLE)) === 0;
    const visit = (edge: number, allowed: boolean): void => {
      const inode = edges.child(edge);
      if (!nodes.isDirectory(inode)) {
        this.removeEntry(edge, inode, allowed);
        return;
      }
      const eattr = nodes.eattr.get(inode);
      const enters = mayAccess(this.store, this.caller, inode, MODE_MASK_W | MODE_MASK_X);
      const finish = (): void => {
        if (nodes.firstChild(inode) !== 0) return;
        nodes.eattr.set(inode, eattr);
        this.removeEntry(edge, inode, allowed);
      };
      if (enters) this.levels.push({ next: nodes.firstChild(inode), destination: inode, fresh: false, finish });
      else finish();
    };
    visit(topEdge, mayLose(this.change.dstParent));
    for (let level = this.levels.at(-1); level !== undefined; level = this.levels.at(-1)) {
      const edge = level.next;
      if (edge === 0) {
        this.levels.pop();
        level.finish();
        continue;
      }
      level.next = edges.nextSibling(edge);
      visit(edge, mayLose(level.destination));
    }
  }

  private removeEntry(edge: number, inode: number, allowed: boolean): void {
    const { nodes } = this.store;
    const eattr = nodes.eattr.get(inode);
    if ((eattr & EATTR_SNAPSHOT) === 0 || (eattr & PROTECTED) !== 0 || !allowed) return;
    nodes.trashtime.set(inode, 0);
    this.count(inode);
    this.counts.removed++;
    unlinkEdge(this.store, this.change.ts, edge);
  }
}

export const snapshotEffects = {
  SNAPSHOT(store, change) {
    const { nodes, edges } = store;
    const { src, dstParent, name, smode } = change;
    const run = new SnapshotRun(store, change);
    if ((smode & SNAPSHOT_MODE_DELETE) !== 0) {
      check(src === 0, change, MFS_ERROR_EINVAL, `source ${src} in a removal`);
      checkNode(store, change, dstParent);
      check(nodes.isDirectory(dstParent), change, MFS_ERROR_EPERM, `inode ${dstParent} is no directory`);
      const edge = edges.find(dstParent, name);
      check(edge !== 0, change, MFS_ERROR_ENOENT, `no such name in directory ${dstParent}`);
      run.remove(edge);
      return run.counts;
    }
    check(src !== 0, change, MFS_ERROR_EINVAL, 'source 0');
    checkNode(store, change, src);
    checkNode(store, change, dstParent);
    check(nodes.isDirectory(dstParent), change, MFS_ERROR_EPERM, `inode ${dstParent} is no directory`);
    const loops = nodes.isDirectory(src) && isAtOrAbove(store, src, dstParent);
    check(!loops, change, MFS_ERROR_EINVAL, 'a copy would be below its source');
    check(isLegalName(name), change, MFS_ERROR_EINVAL, 'illegal name');
    const status = snapshotTest(store, src, dstParent, name, smode);
    check(status === 0, change, status, 'what exists at the destination forbids the copy');
    run.copy();
    return run.counts;
  },
} satisfies Handlers;
