import { SUSTAINED_BUCKETS, TRASH_BUCKETS, TYPE_DIRECTORY, TYPE_TRASH } from '@wapiti-fs/protocol';
import { ByteArena } from './arena.js';
import { hashEntry, SlotHash } from './hash.js';
import type { NodeTable } from './nodes.js';
import { Slots, u16Column, u32Column } from './paged.js';

export const FIRST_EDGE_ID = 0x7ffffffffffffffen;
export const EDGE_ID_LIMIT = 0x7fffffffffffffffn;

/** Columns that a reader in list order needs. */
const FROZEN = ['parents', 'children', 'idHigh', 'idLow', 'names', 'nameLengths', 'next'] as const;

/**
 * Names: edges (parent, child, name, edge id) in slots, each in two linked lists (children of the parent, newest first; edges of
 * the child, newest first) and in a hash by (parent, name). Trash and sustained files have an edge with parent 0, kept in the
 * bucket lists of spec 08 §5.3. Slot 0 = none.
 */
export class EdgeTable {
  private readonly slots = new Slots();
  private parents = u32Column();
  private children = u32Column();
  private idHigh = u32Column();
  private idLow = u32Column();
  private names = u32Column();
  private nameLengths = u16Column();
  private readonly hashes = u32Column();
  private next = u32Column();
  private readonly previous = u32Column();
  private readonly nextOfChild = u32Column();
  private readonly previousOfChild = u32Column();
  private strings = new ByteArena();
  private readonly index = new SlotHash((edge) => this.hashes.get(edge));
  private trash = { first: new Uint32Array(TRASH_BUCKETS), last: new Uint32Array(TRASH_BUCKETS) };
  private sustained = { first: new Uint32Array(SUSTAINED_BUCKETS), last: new Uint32Array(SUSTAINED_BUCKETS) };

  /** Bytes of all names and paths. */
  nameBytes = 0;

  /** Id that the next new edge gets (spec 08 §5.3). */
  nextEdgeId: bigint = FIRST_EDGE_ID;

  private frozenCount: number | undefined;

  constructor(private readonly nodes: NodeTable) {}

  get count(): number {
    return this.frozenCount ?? this.slots.count;
  }

  parent(edge: number): number {
    return this.parents.get(edge);
  }
  child(edge: number): number {
    return this.children.get(edge);
  }
  edgeId(edge: number): bigint {
    return (BigInt(this.idHigh.get(edge)) << 32n) | BigInt(this.idLow.get(edge));
  }
  setEdgeId(edge: number, id: bigint): void {
    this.idHigh.set(edge, Number(id >> 32n));
    this.idLow.set(edge, Number(id & 0xffffffffn));
  }
  /** A copy of the name (of the path for trash and sustained edges). */
  name(edge: number): Buffer {
    return Buffer.from(this.nameView(edge));
  }
  /** A view of the name, valid until the edge is removed. */
  nameView(edge: number): Buffer {
    return this.strings.view(this.names.get(edge), this.nameLengths.get(edge));
  }
  /** Following edge in the list of the parent or bucket, 0 = end. */
  nextSibling(edge: number): number {
    return this.next.get(edge);
  }
  /** Following edge of the same child, 0 = end. */
  nextParentEdge(edge: number): number {
    return this.nextOfChild.get(edge);
  }

  /** Edge of `name` in directory `parent`, 0 = none. */
  find(parent: number, name: Uint8Array): number {
    return this.index.find(
      hashEntry(parent, name),
      (edge) => this.parents.get(edge) === parent && this.nameView(edge).equals(name),
    );
  }

  /** Children edges of a directory in list order (ascending edge id). The list may be changed behind the iterator's position. */
  *childEdges(directory: number): Generator<number> {
    for (let edge = this.nodes.firstChild(directory); edge !== 0;) {
      const next = this.next.get(edge);
      yield edge;
      edge = next;
    }
  }
  /** Edges of a child, newest first. */
  *parentEdges(inode: number): Generator<number> {
    for (let edge = this.nodes.firstParentEdge.get(inode); edge !== 0;) {
      const next = this.nextOfChild.get(edge);
      yield edge;
      edge = next;
    }
  }
  /** Detached edges of one bucket in list order; safe against removal of the yielded edge. */
  *detachedEdges(kind: 'trash' | 'sustained', bucket: number): Generator<number> {
    for (let edge = this[kind].first[bucket] ?? 0; edge !== 0;) {
      const next = this.next.get(edge);
      yield edge;
      edge = next;
    }
  }

  /** Takes the next edge id. Ids stop moving when exhausted (spec 08 §5.3). */
  allocateId(): bigint {
    if (this.nextEdgeId === EDGE_ID_LIMIT) return 0n;
    return this.nextEdgeId--;
  }

  /**
   * Adds an edge without touching times or statistics. `parent` 0: `name` is a path, and the bucket follows from the child's
   * type. `place` 'head' is for live changes, 'tail' for loading an image in file order.
   */
  add(parent: number, child: number, name: Uint8Array, id: bigint, place: 'head' | 'tail' = 'head'): number {
    const edge = this.slots.allocate();
    this.parents.set(edge, parent);
    this.children.set(edge, child);
    this.setEdgeId(edge, id);
    this.names.set(edge, this.strings.store(name));
    this.nameLengths.set(edge, name.length);
    this.nameBytes += name.length;
    this.linkSibling(edge, place);
    const nodes = this.nodes;
    const oldFirst = nodes.firstParentEdge.get(child);
    this.previousOfChild.set(edge, 0);
    this.nextOfChild.set(edge, oldFirst);
    if (oldFirst !== 0) this.previousOfChild.set(oldFirst, edge);
    nodes.firstParentEdge.set(child, edge);
    if (parent !== 0) {
      this.hashes.set(edge, hashEntry(parent, name));
      this.index.insert(edge);
      if (nodes.type.get(child) === TYPE_DIRECTORY) nodes.nlink.add(parent, 1);
      else nodes.nlink.add(child, 1);
    }
    return edge;
  }

  /** Removes an edge without touching times or statistics. */
  remove(edge: number): void {
    const nodes = this.nodes;
    const parent = this.parents.get(edge);
    const child = this.children.get(edge);
    if (parent !== 0) {
      this.index.remove(edge);
      if (nodes.type.get(child) === TYPE_DIRECTORY) nodes.nlink.add(parent, -1);
      else nodes.nlink.add(child, -1);
    }
    this.unlinkSibling(edge);
    const before = this.previousOfChild.get(edge);
    const after = this.nextOfChild.get(edge);
    if (before === 0) nodes.firstParentEdge.set(child, after);
    else this.nextOfChild.set(before, after);
    if (after !== 0) this.previousOfChild.set(after, before);
    this.nameBytes -= this.nameLengths.get(edge);
    this.strings.release(this.names.get(edge), this.nameLengths.get(edge));
    this.slots.release(edge);
  }

  /** Changes the type of a detached node and puts its edge into the head of the bucket of the new type. */
  moveDetached(edge: number, type: number): void {
    this.unlinkSibling(edge);
    this.nodes.type.set(this.children.get(edge), type);
    this.linkSibling(edge, 'head');
  }

  /** Names for reading in list order, with what is in this table now. @param nodes the nodes frozen at the same time */
  freeze(nodes: NodeTable): EdgeTable {
    const frozen = new EdgeTable(nodes);
    for (const name of FROZEN) frozen[name] = this[name].freeze();
    frozen.strings = this.strings.freeze();
    frozen.trash = { first: this.trash.first.slice(), last: this.trash.last.slice() };
    frozen.sustained = { first: this.sustained.first.slice(), last: this.sustained.last.slice() };
    frozen.frozenCount = this.count;
    frozen.nameBytes = this.nameBytes;
    frozen.nextEdgeId = this.nextEdgeId;
    return frozen;
  }

  endSharing(): void {
    for (const name of FROZEN) this[name].endSharing();
    this.strings.endSharing();
  }

  get memoryBytes(): number {
    const { hashes, previous, nextOfChild, previousOfChild, strings, index, slots } = this;
    const parts = [...FROZEN.map((name) => this[name]), hashes, previous, nextOfChild, previousOfChild];
    return [...parts, strings, index, slots].reduce((sum, part) => sum + part.memoryBytes, 0);
  }

  private firstIn(parent: number, child: number): number {
    if (parent !== 0) return this.nodes.firstChild(parent);
    if (this.nodes.type.get(child) === TYPE_TRASH) return this.trash.first[child % TRASH_BUCKETS] ?? 0;
    return this.sustained.first[child % SUSTAINED_BUCKETS] ?? 0;
  }

  private lastIn(parent: number, child: number): number {
    if (parent !== 0) return this.nodes.lastChild(parent);
    if (this.nodes.type.get(child) === TYPE_TRASH) return this.trash.last[child % TRASH_BUCKETS] ?? 0;
    return this.sustained.last[child % SUSTAINED_BUCKETS] ?? 0;
  }

  private setEnds(parent: number, child: number, first: number, last: number): void {
    if (parent !== 0) {
      this.nodes.setFirstChild(parent, first);
      this.nodes.setLastChild(parent, last);
      return;
    }
    const inTrash = this.nodes.type.get(child) === TYPE_TRASH;
    const lists = inTrash ? this.trash : this.sustained;
    const bucket = child % (inTrash ? TRASH_BUCKETS : SUSTAINED_BUCKETS);
    lists.first[bucket] = first;
    lists.last[bucket] = last;
  }

  private linkSibling(edge: number, place: 'head' | 'tail'): void {
    const parent = this.parents.get(edge);
    const child = this.children.get(edge);
    const first = this.firstIn(parent, child);
    const last = this.lastIn(parent, child);
    if (place === 'head') {
      this.previous.set(edge, 0);
      this.next.set(edge, first);
      if (first !== 0) this.previous.set(first, edge);
      this.setEnds(parent, child, edge, last === 0 ? edge : last);
    } else {
      this.next.set(edge, 0);
      this.previous.set(edge, last);
      if (last !== 0) this.next.set(last, edge);
      this.setEnds(parent, child, first === 0 ? edge : first, edge);
    }
  }

  private unlinkSibling(edge: number): void {
    const parent = this.parents.get(edge);
    const child = this.children.get(edge);
    const first = this.firstIn(parent, child);
    const last = this.lastIn(parent, child);
    const before = this.previous.get(edge);
    const after = this.next.get(edge);
    if (before !== 0) this.next.set(before, after);
    if (after !== 0) this.previous.set(after, before);
    this.setEnds(parent, child, first === edge ? after : first, last === edge ? before : last);
  }
}
