import {
  type Attributes,
  type AttributeChanges,
  type Caller,
  type DirectoryEntry,
  type Entry,
  FuseError,
  type InodeFileSystem,
  type OpenReply,
  type StatFs,
} from '../src/filesystem.js';

interface Node {
  mode: number;
  uid: number;
  gid: number;
  data: Buffer;
  children: Map<string, number>;
  parent: number;
}

const MAX_FILE_BYTES = 8 << 20;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

/** A file system in memory, complete enough to be mounted: what the transport is tested and measured with. */
export class MemoryFileSystem implements InodeFileSystem {
  readonly nodes = new Map<number, Node>();
  readonly callers: Caller[] = [];
  private next = 2;

  constructor() {
    this.nodes.set(1, this.node(S_IFDIR | 0o777, 0, 0, 1));
  }

  private node(mode: number, uid: number, gid: number, parent: number): Node {
    return { mode, uid, gid, data: Buffer.alloc(0), children: new Map(), parent };
  }

  private get(inode: number): Node {
    const node = this.nodes.get(inode);
    if (node === undefined) throw new FuseError(2);
    return node;
  }

  private attributes(inode: number): Attributes {
    const node = this.get(inode);
    return {
      inode,
      sizeBytes: node.data.length,
      blocks: Math.ceil(node.data.length / 512),
      atime: 1,
      mtime: 2,
      ctime: 3,
      mode: node.mode,
      nlink: node.mode & S_IFDIR ? 2 : 1,
      uid: node.uid,
      gid: node.gid,
      rdev: 0,
      blockSizeBytes: 65536,
    };
  }

  private entry(inode: number): Entry {
    return { inode, entryTimeoutMs: 0, attributesTimeoutMs: 0, attributes: this.attributes(inode) };
  }

  private add(caller: Caller, parent: number, name: Buffer, mode: number): Entry {
    const inode = this.next++;
    this.nodes.set(inode, this.node(mode, caller.uid, caller.gid, parent));
    this.get(parent).children.set(name.toString('latin1'), inode);
    return this.entry(inode);
  }

  lookup(_caller: Caller, parent: number, name: Buffer): Entry {
    const inode = this.get(parent).children.get(name.toString('latin1'));
    if (inode === undefined) throw new FuseError(2);
    return this.entry(inode);
  }

  getattr(_caller: Caller, inode: number): { timeoutMs: number; attributes: Attributes } {
    return { timeoutMs: 0, attributes: this.attributes(inode) };
  }

  setattr(_caller: Caller, inode: number, changes: AttributeChanges): { timeoutMs: number; attributes: Attributes } {
    const node = this.get(inode);
    if (changes.mode !== undefined) node.mode = (node.mode & ~0o7777) | (changes.mode & 0o7777);
    if ((changes.sizeBytes ?? 0) > MAX_FILE_BYTES) throw new FuseError(27);
    if (changes.sizeBytes !== undefined)
      node.data = Buffer.concat([node.data, Buffer.alloc(changes.sizeBytes)]).subarray(0, changes.sizeBytes);
    return { timeoutMs: 0, attributes: this.attributes(inode) };
  }

  mkdir(caller: Caller, parent: number, name: Buffer, mode: number, umask: number): Entry {
    return this.add(caller, parent, name, S_IFDIR | (mode & ~umask & 0o7777));
  }

  create(
    caller: Caller,
    parent: number,
    name: Buffer,
    mode: number,
    _flags: number,
    umask: number,
  ): Entry & { open: OpenReply } {
    this.callers.push(caller);
    return { ...this.add(caller, parent, name, S_IFREG | (mode & ~umask & 0o7777)), open: { handle: 1, flags: 0 } };
  }

  unlink(_caller: Caller, parent: number, name: Buffer): void {
    if (!this.get(parent).children.delete(name.toString('latin1'))) throw new FuseError(2);
  }

  rename(_caller: Caller, parent: number, name: Buffer, newParent: number, newName: Buffer): void {
    const children = this.get(parent).children;
    const inode = children.get(name.toString('latin1'));
    if (inode === undefined) throw new FuseError(2);
    children.delete(name.toString('latin1'));
    this.get(newParent).children.set(newName.toString('latin1'), inode);
  }

  open(_caller: Caller, inode: number): OpenReply {
    this.get(inode);
    return { handle: inode, flags: 0 };
  }

  read(_caller: Caller, inode: number, _handle: number, offset: number, sizeBytes: number): Buffer {
    return this.get(inode).data.subarray(offset, offset + sizeBytes);
  }

  async write(_caller: Caller, inode: number, _handle: number, offset: number, data: Buffer): Promise<number> {
    await Promise.resolve();
    if (offset + data.length > MAX_FILE_BYTES) throw new FuseError(27);
    const node = this.get(inode);
    const grown = Buffer.alloc(Math.max(node.data.length, offset + data.length));
    node.data.copy(grown);
    data.copy(grown, offset);
    node.data = grown;
    return data.length;
  }

  flush(): void {}

  readdir(_caller: Caller, inode: number, _handle: number, offset: number): readonly DirectoryEntry[] {
    const names: [string, number][] = [['.', inode], ['..', this.get(inode).parent], ...this.get(inode).children];
    return names
      .map(([name, child], index) => ({
        name: Buffer.from(name, 'latin1'),
        inode: child,
        mode: this.get(child).mode,
        nextOffset: index + 1,
      }))
      .slice(offset);
  }

  statfs(): StatFs {
    return {
      blockSizeBytes: 65536,
      blocks: 100,
      freeBlocks: 50,
      availableBlocks: 40,
      files: 10,
      freeFiles: 5,
      nameMax: 255,
    };
  }
}
