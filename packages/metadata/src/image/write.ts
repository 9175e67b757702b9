/** Writer of images (spec 07 §3, §6). */
import {
  MFS_ROOT_ID,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_SYMLINK,
  Writer,
} from '@wapiti-fs/protocol';
import type { ChunkTable } from '../store/chunks.js';
import type { EdgeTable } from '../store/edges.js';
import type { NodeTable } from '../store/nodes.js';
import type { AclTable, PackedTable, XattrTable } from '../store/packed.js';
import type { MetadataStore } from '../store/store.js';
import { END_MARKER, type SectionName, SECTIONS, SIGNATURE } from './frame.js';
import { imageOrder, inOrder, PAUSE } from './order.js';
import { writeTables } from './write-tables.js';

/** A piece is handed out when it has grown to this size. */
const PIECE_BYTES = 1 << 18;
const NODE_BYTES = 32;
const EDGE_BYTES = 18;
const CHUNK_BYTES = 17;
const XATTR_BUCKETS = 1 << 20;
const XATTR_END_BYTES = 9;
const ACL_END_BYTES = 17;
const STEP = 1 << 16;
const NOTHING = Buffer.alloc(0);

/** What an image is written from; it must not change meanwhile. */
export interface ImageSource {
  readonly version: number;
  readonly metaid: bigint;
  readonly nodes: NodeTable;
  readonly edges: EdgeTable;
  readonly chunks: ChunkTable;
  readonly xattrs: XattrTable;
  readonly acls: AclTable;
  readonly tables: ReadonlyMap<SectionName, Buffer>;
}

/** Collects bytes and gives them out in pieces. */
class Output {
  writer = new Writer(PIECE_BYTES + 4096);

  get full(): boolean {
    return this.writer.sizeBytes >= PIECE_BYTES;
  }

  take(): Buffer {
    const piece = this.writer.finish();
    this.writer = new Writer(PIECE_BYTES + 4096);
    return piece;
  }
}

/** Entries of a file's chunk list without the holes at its end. */
function storedChunks(nodes: NodeTable, inode: number): number {
  let count = nodes.chunkCount(inode);
  while (count > 0 && nodes.chunkAt(inode, count - 1) === 0) count--;
  return count;
}

function nodeBytes(nodes: NodeTable, inode: number): number {
  const type = nodes.type.get(inode);
  if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) return NODE_BYTES + 4;
  if (type === TYPE_SYMLINK) return NODE_BYTES + 4 + nodes.symlinkLength(inode);
  return nodes.isFile(inode) ? NODE_BYTES + 12 + 8 * storedChunks(nodes, inode) : NODE_BYTES;
}

function writeNode(nodes: NodeTable, inode: number, w: Writer): void {
  const type = nodes.type.get(inode);
  w.u8(type);
  w.u32(inode);
  w.u8(nodes.sclass.get(inode));
  w.u8(nodes.eattr.get(inode));
  w.u8(nodes.winattr.get(inode));
  w.u16(nodes.mode.get(inode));
  w.u32(nodes.uid.get(inode));
  w.u32(nodes.gid.get(inode));
  w.u32(nodes.atime.get(inode));
  w.u32(nodes.mtime.get(inode));
  w.u32(nodes.ctime.get(inode));
  w.u16(nodes.trashtime.get(inode));
  if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) w.u32(nodes.rdev(inode));
  else if (type === TYPE_SYMLINK) {
    w.u32(nodes.symlinkLength(inode));
    w.bytes(nodes.symlink(inode));
  } else if (nodes.isFile(inode)) {
    const count = storedChunks(nodes, inode);
    w.u64n(nodes.length.get(inode));
    w.u32(count);
    for (let i = 0; i < count; i++) w.u64n(nodes.chunkAt(inode, i));
  }
}

function* nodesSection({ nodes }: ImageSource): Generator<Buffer> {
  let length = 8 + 1;
  let seen = 0;
  for (const inode of nodes.inodes()) {
    length += nodeBytes(nodes, inode);
    if (++seen % STEP === 0) yield NOTHING;
  }
  yield sectionHead('NODE', length);
  const out = new Output();
  out.writer.u32(nodes.maxInode);
  out.writer.u32(nodes.count);
  const order = imageOrder(
    () => nodes.inodes(),
    nodes.count,
    (inode) => inode,
    nodes.maxInode + 1,
  );
  for (const inode of order) {
    if (inode === PAUSE) yield NOTHING;
    else writeNode(nodes, inode, out.writer);
    if (out.full) yield out.take();
  }
  out.writer.u8(0);
  yield out.take();
}

/** Edges in the order of spec 07 §3.4. */
function* edgesInOrder({ nodes, edges }: ImageSource): Generator<number> {
  const open = [MFS_ROOT_ID];
  for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
    const below: number[] = [];
    for (const edge of edges.childEdges(directory)) {
      yield edge;
      if (nodes.isDirectory(edges.child(edge))) below.push(edges.child(edge));
    }
    for (const child of below.reverse()) open.push(child);
  }
  for (let i = 0; i < TRASH_BUCKETS; i++) yield* edges.detachedEdges('trash', i);
  for (let i = 0; i < SUSTAINED_BUCKETS; i++) yield* edges.detachedEdges('sustained', i);
}

function* edgesSection(source: ImageSource): Generator<Buffer> {
  const { edges } = source;
  yield sectionHead('EDGE', 8 + edges.count * EDGE_BYTES + edges.nameBytes + EDGE_BYTES);
  const out = new Output();
  out.writer.u64(edges.nextEdgeId);
  for (const edge of edgesInOrder(source)) {
    const w = out.writer;
    const name = edges.nameView(edge);
    w.u32(edges.parent(edge));
    w.u32(edges.child(edge));
    w.u64(edges.edgeId(edge));
    w.u16(name.length);
    w.bytes(name);
    if (out.full) yield out.take();
  }
  out.writer.bytes(Buffer.alloc(EDGE_BYTES));
  yield out.take();
}

function* chunksSection({ chunks }: ImageSource, now: number): Generator<Buffer> {
  yield sectionHead('CHNK', 8 + chunks.count * CHUNK_BYTES + CHUNK_BYTES);
  const out = new Output();
  out.writer.u64n(chunks.nextChunkId);
  const order = imageOrder(
    () => chunks.entries(),
    chunks.count,
    (slot) => chunks.id(slot),
    chunks.nextChunkId,
  );
  for (const slot of order) {
    if (slot === PAUSE) {
      yield NOTHING;
      continue;
    }
    const w = out.writer;
    const lockedTo = chunks.lockedTo(slot);
    w.u64n(chunks.id(slot));
    w.u32(chunks.version(slot));
    w.u32(lockedTo < now ? 0 : lockedTo);
    w.u8(chunks.archived(slot) ? 1 : 0);
    if (out.full) yield out.take();
  }
  out.writer.bytes(Buffer.alloc(CHUNK_BYTES));
  yield out.take();
}

/** Packed tables in the order of the reference's buckets, in each the newest first (spec 07 §3.14). */
function bucketOrder(packed: PackedTable, bucket: (key: number) => number): Generator<number> {
  const { size } = packed;
  return inOrder(
    () => packed.entries(),
    size,
    (slot) => bucket(packed.key(slot)),
    XATTR_BUCKETS,
    (slot) => packed.added(slot),
  );
}

function* xattrsSection({ xattrs }: ImageSource): Generator<Buffer> {
  const { packed } = xattrs;
  yield sectionHead('XATR', packed.valueBytes + xattrs.attributes * 4 + XATTR_END_BYTES);
  const out = new Output();
  for (const slot of bucketOrder(packed, (inode) => inode % XATTR_BUCKETS)) {
    if (slot === PAUSE) {
      yield NOTHING;
      continue;
    }
    for (const { encoded } of xattrs.decode(slot)) {
      out.writer.u32(packed.key(slot));
      out.writer.bytes(encoded);
    }
    if (out.full) yield out.take();
  }
  out.writer.bytes(Buffer.alloc(XATTR_END_BYTES));
  yield out.take();
}

function* aclsSection({ acls }: ImageSource): Generator<Buffer> {
  const { packed } = acls;
  yield sectionHead('PACL', packed.valueBytes + packed.size * 5 + ACL_END_BYTES);
  const out = new Output();
  const bucket = (key: number): number =>
    ((Math.imul(Math.floor(key / 4), 0x56bf7623) + (key % 4)) >>> 0) % XATTR_BUCKETS;
  for (const slot of bucketOrder(packed, bucket)) {
    if (slot === PAUSE) {
      yield NOTHING;
      continue;
    }
    const key = packed.key(slot);
    out.writer.u32(Math.floor(key / 4));
    out.writer.u8(key % 4);
    out.writer.bytes(packed.value(slot));
    if (out.full) yield out.take();
  }
  out.writer.bytes(Buffer.alloc(ACL_END_BYTES));
  yield out.take();
}

function sectionHead(name: SectionName, length: number): Buffer {
  const version = SECTIONS.find(([section]) => section === name)?.[1] ?? '';
  const head = new Writer(16);
  head.bytes(Buffer.from(`${name} ${version}`));
  head.u64n(length);
  return head.finish();
}

/** Pieces of an image; empty ones where the user may do something else. */
export function* writeSource(source: ImageSource, now: number): Generator<Buffer> {
  const header = new Writer(24);
  header.bytes(SIGNATURE);
  header.u64n(source.version);
  header.u64(source.metaid);
  yield header.finish();
  for (const [name] of SECTIONS) {
    if (name === 'NODE') yield* nodesSection(source);
    else if (name === 'EDGE') yield* edgesSection(source);
    else if (name === 'XATR') yield* xattrsSection(source);
    else if (name === 'PACL') yield* aclsSection(source);
    else if (name === 'CHNK') yield* chunksSection(source, now);
    else {
      const body = source.tables.get(name) ?? NOTHING;
      yield sectionHead(name, body.length);
      yield body;
    }
  }
  yield END_MARKER;
}

/**
 * Pieces of the image of a store; the store must not change meanwhile (see {@link takeSnapshot} for the other case).
 * @param now seconds: chunk locks that ended before are written as 0
 */
export function* writeImage(store: MetadataStore, now = 0): Generator<Buffer> {
  const { version, metaid, nodes, edges, chunks } = store;
  const { xattrs, acls } = store.tables;
  const source = { version, metaid, nodes, edges, chunks, xattrs, acls, tables: writeTables(store) };
  for (const piece of writeSource(source, now)) if (piece.length > 0) yield piece;
}
