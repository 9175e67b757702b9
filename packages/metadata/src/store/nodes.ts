import { TYPE_DIRECTORY, TYPE_FILE, TYPE_SUSTAINED, TYPE_SYMLINK, TYPE_TRASH } from '@wapiti-fs/protocol';
import { ByteArena, ChunkListArena } from './arena.js';
import { Column, f64Column, u16Column, u32Column, u8Column } from './paged.js';

export const NODE_HAS_XATTR = 1;
export const NODE_HAS_ACCESS_ACL = 2;
export const NODE_HAS_DEFAULT_ACL = 4;

export const isFileType = (type: number): boolean =>
  type === TYPE_FILE || type === TYPE_TRASH || type === TYPE_SUSTAINED;

const COLUMNS = [
  'type',
  'sclass',
  'eattr',
  'winattr',
  'flags',
  'goalFactor',
  'mode',
  'trashtime',
  'uid',
  'gid',
  'atime',
  'mtime',
  'ctime',
  'nlink',
  'firstParentEdge',
  'length',
] as const;

/**
 * Inodes, indexed by inode number itself: numbers are allocated lowest first (spec 08 §5.2), so the columns stay dense.
 * `type` 0 = no such node. Times in seconds, trash time in hours, lengths in bytes.
 */
export class NodeTable {
  type: Column = u8Column();
  sclass: Column = u8Column();
  eattr: Column = u8Column();
  winattr: Column = u8Column();
  /** NODE_HAS_* bits, kept by the xattr and ACL tables. */
  flags: Column = u8Column();
  /** Goal factor with which the file is counted in realsize sums (spec 09 §18.2). */
  goalFactor: Column = u8Column();
  mode: Column = u16Column();
  trashtime: Column = u16Column();
  uid: Column = u32Column();
  gid: Column = u32Column();
  atime: Column = u32Column();
  mtime: Column = u32Column();
  ctime: Column = u32Column();
  /** Edges with a parent; directories 2 + subdirectories. */
  nlink: Column = u32Column();
  /** Newest edge to this node (also the detached one), 0 = none. */
  firstParentEdge: Column = u32Column();
  /** Files: bytes. Directories: slot of their sums ({@link StatsTable}), 0 = all sums are 0. */
  length: Column = f64Column();
  /** Directory: first (newest) child edge. File: chunk list. Symlink: target. Device: rdev. */
  private first: Column = u32Column();
  /** Directory: last child edge. File: chunk list entries. Symlink: target bytes. */
  private second: Column = u32Column();
  private strings = new ByteArena();
  private lists = new ChunkListArena();

  /** Highest inode number ever used (image field). */
  maxInode = 0;
  count = 0;
  /** Nodes of type directory / of the file types. */
  directoryCount = 0;
  fileCount = 0;

  exists(inode: number): boolean {
    return this.type.get(inode) !== 0;
  }

  isDirectory(inode: number): boolean {
    return this.type.get(inode) === TYPE_DIRECTORY;
  }

  isFile(inode: number): boolean {
    return isFileType(this.type.get(inode));
  }

  /** Makes a zeroed node. */
  create(inode: number, type: number): void {
    this.count++;
    if (type === TYPE_DIRECTORY) this.directoryCount++;
    if (isFileType(type)) this.fileCount++;
    this.type.set(inode, type);
    this.sclass.set(inode, 0);
    this.eattr.set(inode, 0);
    this.winattr.set(inode, 0);
    this.flags.set(inode, 0);
    this.goalFactor.set(inode, 0);
    this.mode.set(inode, 0);
    this.trashtime.set(inode, 0);
    this.uid.set(inode, 0);
    this.gid.set(inode, 0);
    this.atime.set(inode, 0);
    this.mtime.set(inode, 0);
    this.ctime.set(inode, 0);
    this.nlink.set(inode, 0);
    this.firstParentEdge.set(inode, 0);
    this.length.set(inode, 0);
    this.first.set(inode, 0);
    this.second.set(inode, 0);
    if (type === TYPE_DIRECTORY) this.nlink.set(inode, 2);
    if (inode > this.maxInode) this.maxInode = inode;
  }

  remove(inode: number): void {
    const type = this.type.get(inode);
    if (type === 0) return;
    if (isFileType(type)) this.resizeChunks(inode, 0);
    if (type === TYPE_SYMLINK) this.setSymlink(inode, Buffer.alloc(0));
    this.count--;
    if (type === TYPE_DIRECTORY) this.directoryCount--;
    if (isFileType(type)) this.fileCount--;
    this.type.set(inode, 0);
  }

  firstChild(directory: number): number {
    return this.first.get(directory);
  }
  setFirstChild(directory: number, edge: number): void {
    this.first.set(directory, edge);
  }
  lastChild(directory: number): number {
    return this.second.get(directory);
  }
  setLastChild(directory: number, edge: number): void {
    this.second.set(directory, edge);
  }

  rdev(inode: number): number {
    return this.first.get(inode);
  }
  setRdev(inode: number, rdev: number): void {
    this.first.set(inode, rdev);
  }

  /** A copy of the target. */
  symlink(inode: number): Buffer {
    return Buffer.from(this.strings.view(this.first.get(inode), this.second.get(inode)));
  }
  symlinkLength(inode: number): number {
    return this.second.get(inode);
  }
  setSymlink(inode: number, target: Uint8Array): void {
    if (this.first.get(inode) !== 0) this.strings.release(this.first.get(inode), this.second.get(inode));
    this.first.set(inode, target.length === 0 ? 0 : this.strings.store(target));
    this.second.set(inode, target.length);
  }

  /** Entries of the chunk list (may end in zeros after a failed write; images drop those). */
  chunkCount(inode: number): number {
    return this.second.get(inode);
  }
  /** Chunk id at `index`; 0 = hole or beyond the list. */
  chunkAt(inode: number, index: number): number {
    return index < this.second.get(inode) ? this.lists.get(this.first.get(inode), index) : 0;
  }
  /** Sets an entry inside the list; references are the caller's business. */
  setChunkAt(inode: number, index: number, chunkId: number): void {
    if (index < this.second.get(inode)) this.lists.set(this.first.get(inode), index, chunkId);
  }
  /** Cuts or extends (with holes) the list to `entries`. */
  resizeChunks(inode: number, entries: number): void {
    const ref = this.first.get(inode);
    const old = this.second.get(inode);
    if (entries === old) return;
    const sameCapacity = old > 0 && entries > 0 && ChunkListArena.capacity(old) === ChunkListArena.capacity(entries);
    if (sameCapacity) {
      for (let i = entries; i < old; i++) this.lists.set(ref, i, 0);
    } else {
      const fresh = entries === 0 ? 0 : this.lists.allocate(entries);
      for (let i = 0; i < Math.min(old, entries); i++) this.lists.set(fresh, i, this.lists.get(ref, i));
      if (old > 0) this.lists.release(ref, old);
      this.first.set(inode, fresh);
    }
    this.second.set(inode, entries);
  }
  /** Non-zero entries: pairs in ascending index. */
  *chunks(inode: number): Generator<{ index: number; chunkId: number }> {
    const count = this.chunkCount(inode);
    for (let index = 0; index < count; index++) {
      const chunkId = this.chunkAt(inode, index);
      if (chunkId !== 0) yield { index, chunkId };
    }
  }

  /** All inode numbers in use, ascending. */
  *inodes(): Generator<number> {
    const end = this.maxInode + 1;
    for (let inode = this.type.skipGaps(1, end); inode < end; inode = this.type.skipGaps(inode + 1, end))
      if (this.type.get(inode) !== 0) yield inode;
  }

  /** A table for reading with what is in this one now; this one goes on sharing its pages until {@link endSharing}. */
  freeze(): NodeTable {
    const frozen = new NodeTable();
    for (const name of COLUMNS) frozen[name] = this[name].freeze();
    frozen.first = this.first.freeze();
    frozen.second = this.second.freeze();
    frozen.strings = this.strings.freeze();
    frozen.lists = this.lists.freeze();
    const { maxInode, count, directoryCount, fileCount } = this;
    return Object.assign(frozen, { maxInode, count, directoryCount, fileCount });
  }

  endSharing(): void {
    for (const part of this.parts()) part.endSharing();
  }

  get memoryBytes(): number {
    return this.parts().reduce((sum, part) => sum + part.memoryBytes, 0);
  }

  private parts(): (Column | ByteArena | ChunkListArena)[] {
    return [...COLUMNS.map((name) => this[name]), this.first, this.second, this.strings, this.lists];
  }
}
