import { ByteArena } from './arena.js';
import { hash32, SlotHash } from './hash.js';
import { type Column, f64Column, Slots, u32Column } from './paged.js';
import type { Acl } from './tables.js';

/** Longer values are kept one by one: few, and a page of the arena would not hold them. */
const MAX_PACKED_BYTES = 65536;

/** Byte strings by number outside the JavaScript heap, in the order in which the numbers were added. */
export class PackedTable {
  private readonly slots = new Slots();
  private keys = f64Column();
  private refs = u32Column();
  private lengths = u32Column();
  /** When the number was added, counted from 1; 0 = slot not in use. */
  private sequences = f64Column();
  private strings = new ByteArena();
  private large = new Map<number, Buffer>();
  private readonly index = new SlotHash((slot) => hash32(this.keys.get(slot)));
  private sequence = 0;
  private frozen: { readonly size: number; readonly end: number } | undefined;
  /** Bytes of all values. */
  valueBytes = 0;

  get size(): number {
    return this.frozen?.size ?? this.slots.count;
  }

  find(key: number): number {
    return this.index.find(hash32(key), (slot) => this.keys.get(slot) === key);
  }
  key(slot: number): number {
    return this.keys.get(slot);
  }
  /** Rises with each number added. */
  added(slot: number): number {
    return this.sequences.get(slot);
  }
  /** A view, valid until the value is replaced or removed. */
  value(slot: number): Buffer {
    return this.large.get(slot) ?? this.strings.view(this.refs.get(slot), this.lengths.get(slot));
  }

  /** Adds, or replaces in its place. */
  set(key: number, value: Buffer): void {
    let slot = this.find(key);
    if (slot !== 0) this.dropValue(slot);
    else {
      slot = this.slots.allocate();
      this.keys.set(slot, key);
      this.sequences.set(slot, ++this.sequence);
      this.index.insert(slot);
    }
    this.lengths.set(slot, value.length);
    this.valueBytes += value.length;
    if (value.length > MAX_PACKED_BYTES) this.large.set(slot, value);
    else this.refs.set(slot, this.strings.store(value));
  }

  delete(key: number): void {
    const slot = this.find(key);
    if (slot === 0) return;
    this.dropValue(slot);
    this.index.remove(slot);
    this.sequences.set(slot, 0);
    this.slots.release(slot);
  }

  /** Slots in use, in no particular order. */
  *entries(): Generator<number> {
    const end = this.frozen?.end ?? this.slots.end;
    for (let slot = 1; slot < end; slot++) if (this.sequences.get(slot) !== 0) yield slot;
  }

  /** A table for reading by slot with what is in this one now. */
  freeze(): PackedTable {
    const frozen = new PackedTable();
    for (const name of COLUMNS) frozen[name] = this[name].freeze();
    frozen.strings = this.strings.freeze();
    frozen.large = new Map(this.large);
    frozen.frozen = { size: this.size, end: this.slots.end };
    frozen.sequence = this.sequence;
    frozen.valueBytes = this.valueBytes;
    return frozen;
  }

  /** No frozen table is in use any more. */
  endSharing(): void {
    for (const name of COLUMNS) this[name].endSharing();
    this.strings.endSharing();
  }

  get memoryBytes(): number {
    const columns: (Column | ByteArena)[] = [...COLUMNS.map((name) => this[name]), this.strings];
    const large = [...this.large.values()].reduce((sum, value) => sum + value.length, 0);
    return columns.reduce((sum, part) => sum + part.memoryBytes, large + this.index.memoryBytes);
  }

  private dropValue(slot: number): void {
    this.valueBytes -= this.lengths.get(slot);
    if (!this.large.delete(slot)) this.strings.release(this.refs.get(slot), this.lengths.get(slot));
  }
}
const COLUMNS = ['keys', 'refs', 'lengths', 'sequences'] as const;

const ENTRY_BYTES = 6;
const ACL_BYTES = 12;

/** ACLs by {@link aclKey}. What is got is a copy: a change has to be set again. */
export class AclTable {
  /** Values are image records without inode and type. */
  readonly packed: PackedTable;

  constructor(packed = new PackedTable()) {
    this.packed = packed;
  }

  get(key: number): Acl | undefined {
    const slot = this.packed.find(key);
    return slot === 0 ? undefined : this.decode(slot);
  }

  set(key: number, { user, group, other, mask, users, groups }: Acl): void {
    const value = Buffer.alloc(ACL_BYTES + (users.length + groups.length) * ENTRY_BYTES);
    [user, group, other, mask, users.length, groups.length].forEach((field, i) => value.writeUInt16BE(field, i * 2));
    [...users, ...groups].forEach(({ id, perm }, i) => {
      value.writeUInt32BE(id, ACL_BYTES + i * ENTRY_BYTES);
      value.writeUInt16BE(perm, ACL_BYTES + i * ENTRY_BYTES + 4);
    });
    this.packed.set(key, value);
  }

  delete(key: number): void {
    this.packed.delete(key);
  }

  *[Symbol.iterator](): Generator<[number, Acl]> {
    for (const slot of this.packed.entries()) yield [this.packed.key(slot), this.decode(slot)];
  }

  private decode(slot: number): Acl {
    const value = this.packed.value(slot);
    const entries = (from: number, count: number): { id: number; perm: number }[] =>
      Array.from({ length: count }, (_, i) => ({
        id: value.readUInt32BE(ACL_BYTES + (from + i) * ENTRY_BYTES),
        perm: value.readUInt16BE(ACL_BYTES + (from + i) * ENTRY_BYTES + 4),
      }));
    const field = (i: number): number => value.readUInt16BE(i * 2);
    const users = entries(0, field(4));
    const groups = entries(field(4), field(5));
    return { user: field(0), group: field(1), other: field(2), mask: field(3), users, groups };
  }
}

export interface Xattr {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** Extended attributes by inode, newest FIRST (the image keeps this order). */
export class XattrTable {
  /** Values are the attributes one after the other as in images: lengths of name (u8) and value (u32), name, value. */
  readonly packed: PackedTable;
  /** Attributes of all inodes. */
  attributes = 0;

  constructor(packed = new PackedTable()) {
    this.packed = packed;
  }

  get(inode: number): Xattr[] | undefined {
    const slot = this.packed.find(inode);
    return slot === 0 ? undefined : [...this.decode(slot)].map(({ name, value }) => ({ name, value }));
  }

  set(inode: number, attributes: readonly Xattr[]): void {
    this.attributes += attributes.length - (this.get(inode)?.length ?? 0);
    const parts = attributes.flatMap(({ name, value }) => {
      const head = Buffer.alloc(5);
      head.writeUInt8(name.length, 0);
      head.writeUInt32BE(value.length, 1);
      return [head, name, value];
    });
    this.packed.set(inode, Buffer.concat(parts));
  }

  delete(inode: number): void {
    this.attributes -= this.get(inode)?.length ?? 0;
    this.packed.delete(inode);
  }

  *[Symbol.iterator](): Generator<[number, Xattr[]]> {
    for (const slot of this.packed.entries()) yield [this.packed.key(slot), [...this.decode(slot)]];
  }

  /** Attributes of a slot with their encoded form (a view). */
  *decode(slot: number): Generator<Xattr & { readonly encoded: Buffer }> {
    const bytes = this.packed.value(slot);
    for (let at = 0; at < bytes.length;) {
      const nameEnd = at + 5 + bytes.readUInt8(at);
      const end = nameEnd + bytes.readUInt32BE(at + 1);
      const name = Buffer.from(bytes.subarray(at + 5, nameEnd));
      yield { name, value: Buffer.from(bytes.subarray(nameEnd, end)), encoded: bytes.subarray(at, end) };
      at = end;
    }
  }
}
