import { DEFAULT_SCLASS, DEFAULT_TRASHTIME_HOURS, MFS_ROOT_ID, TYPE_DIRECTORY } from '@wapiti-fs/protocol';
import { ChunkTable } from './chunks.js';
import { EdgeTable } from './edges.js';
import { FreeInodes } from './free-inodes.js';
import { NODE_HAS_ACCESS_ACL, NODE_HAS_DEFAULT_ACL, NODE_HAS_XATTR, NodeTable } from './nodes.js';
import { addStats, noStats, StatsTable } from './stats.js';
import type { Xattr } from './packed.js';
import { ACL_ACCESS, aclKey, type Acl, goalClass, Tables } from './tables.js';
import { UnfinishedWork } from './unfinished.js';

/**
 * Everything an image holds, and what is derived from it. Reading is free for all; only `ops/apply` and the image reader write.
 * An image reader fills the tables and calls {@link MetadataStore.deriveAll} at the end.
 */
export class MetadataStore {
  /** Number of the next change (header of the image). */
  version = 1;
  /** Identity of the instance, 0 = none yet. */
  metaid = 0n;
  readonly nodes = new NodeTable();
  readonly edges = new EdgeTable(this.nodes);
  readonly chunks = new ChunkTable();
  readonly tables = new Tables();
  readonly unfinished = new UnfinishedWork();
  readonly stats = new StatsTable(this.nodes, this.edges);
  readonly freeInodes = new FreeInodes((inode) => this.nodes.exists(inode));

  constructor() {
    for (let goal = 1; goal <= 9; goal++) this.tables.sclasses.set(goal, goalClass(goal));
  }

  /** The empty file system of spec 07 §7; `now` (s) becomes the times of the root. */
  static empty(now: number): MetadataStore {
    const store = new MetadataStore();
    const { nodes } = store;
    nodes.create(MFS_ROOT_ID, TYPE_DIRECTORY);
    nodes.mode.set(MFS_ROOT_ID, 0o777);
    nodes.sclass.set(MFS_ROOT_ID, DEFAULT_SCLASS);
    nodes.trashtime.set(MFS_ROOT_ID, DEFAULT_TRASHTIME_HOURS);
    for (const column of [nodes.atime, nodes.mtime, nodes.ctime]) column.set(MFS_ROOT_ID, now);
    return store;
  }

  /** max(keep, arch) copies of a class; 1 for an undefined class (spec 09 §15.3). */
  goalFactor(sclass: number): number {
    const definition = this.tables.sclasses.get(sclass);
    return definition === undefined ? 1 : Math.max(definition.keep.length, definition.arch.length);
  }

  /** A copy of the ACL of a type: ACL_ACCESS or ACL_DEFAULT. */
  acl(inode: number, type: number): Acl | undefined {
    const flag = type === ACL_ACCESS ? NODE_HAS_ACCESS_ACL : NODE_HAS_DEFAULT_ACL;
    return (this.nodes.flags.get(inode) & flag) === 0 ? undefined : this.tables.acls.get(aclKey(inode, type));
  }

  setAcl(inode: number, type: number, acl: Acl | undefined): void {
    const flag = type === ACL_ACCESS ? NODE_HAS_ACCESS_ACL : NODE_HAS_DEFAULT_ACL;
    const flags = this.nodes.flags.get(inode);
    if (acl === undefined && (flags & flag) === 0) return;
    if (acl === undefined) this.tables.acls.delete(aclKey(inode, type));
    else this.tables.acls.set(aclKey(inode, type), acl);
    this.nodes.flags.set(inode, acl === undefined ? flags & ~flag : flags | flag);
  }

  /** Replaces all attributes of an inode (newest first); none = removed. */
  setXattrs(inode: number, attributes: readonly Xattr[]): void {
    const flags = this.nodes.flags.get(inode);
    if (attributes.length === 0 && (flags & NODE_HAS_XATTR) === 0) return;
    if (attributes.length === 0) this.tables.xattrs.delete(inode);
    else this.tables.xattrs.set(inode, attributes);
    this.nodes.flags.set(inode, attributes.length === 0 ? flags & ~NODE_HAS_XATTR : flags | NODE_HAS_XATTR);
  }

  /** Computes everything that images do not hold: chunk references, goal factors, directory statistics (spec 07 §4). */
  deriveAll(): void {
    const { nodes, edges, chunks, stats } = this;
    for (const inode of nodes.inodes()) {
      if (nodes.isDirectory(inode)) stats.clear(inode);
      if (!nodes.isFile(inode)) continue;
      nodes.goalFactor.set(inode, this.goalFactor(nodes.sclass.get(inode)));
      const entries = nodes.chunkCount(inode);
      for (let i = 0; i < entries; i++) {
        const chunkId = nodes.chunkAt(inode, i);
        const slot = chunkId === 0 ? 0 : chunks.find(chunkId);
        if (slot !== 0) chunks.addReference(slot, nodes.sclass.get(inode));
      }
    }
    // Directories before those below them; sums are then made from the end, without climbing up for each file.
    const directories = new Uint32Array(nodes.directoryCount);
    let count = 0;
    if (nodes.isDirectory(MFS_ROOT_ID)) directories[count++] = MFS_ROOT_ID;
    for (let at = 0; at < count; at++)
      for (const edge of edges.childEdges(directories[at] ?? 0))
        if (nodes.isDirectory(edges.child(edge))) directories[count++] = edges.child(edge);
    while (count > 0) {
      const directory = directories[--count] ?? 0;
      const sums = noStats();
      for (const edge of edges.childEdges(directory)) addStats(sums, stats.contribution(edges.child(edge)));
      stats.set(directory, sums);
    }
  }

  /** Bytes of everything that grows with the number of files; small tables are left out. */
  get memoryBytes(): number {
    const { nodes, edges, chunks, stats, freeInodes, tables } = this;
    const parts = [nodes, edges, chunks, stats, freeInodes, tables.xattrs.packed, tables.acls.packed];
    return parts.reduce((sum, part) => sum + part.memoryBytes, 0);
  }
}
