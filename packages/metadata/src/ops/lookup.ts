/** Live operations that read names and attributes: spec 09 §6, §24. */
import {
  type AttributeRecord,
  DISABLE_READDIR,
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_NODATACACHE,
  EATTR_NOECACHE,
  LOOKUP_ACCESS_MODES_RO,
  LOOKUP_APPENDONLY,
  LOOKUP_DIRECTMODE,
  LOOKUP_IMMUTABLE,
  LOOKUP_RO_FILESYSTEM,
  MFS_ERROR_EACCES,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOENT,
  MFS_ERROR_ENOENT_NOCACHE,
  MFS_ERROR_ENOTDIR,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MODE_MASK_R,
  MODE_MASK_W,
  MODE_MASK_X,
  TYPE_SYMLINK,
} from '@wapiti-fs/protocol';
import { touchRead } from './times.js';
import { type Ctx, accessSet, attributeRecord, mayAccess, resolve } from './access.js';
import { entry, shown, parentOf, isReadOnly } from './entries.js';
import type { Metadata } from './metadata.js';
import { isLegalName } from './primitives.js';
import { type Refused, type Entry, type DirectoryEntry, OK, refuse } from './results.js';

const READDIR_END = 0x7fffffffffffffffn;

/** Spec 09 §6.2. `flags` is the flags word of the reply without the cache and chunk-0 bits. */
export function lookup(
  metadata: Metadata,
  ctx: Ctx,
  parentInode: number,
  name: Buffer,
): Refused | (Entry & { flags: number }) {
  const { nodes, edges } = metadata.store;
  const parent = resolve(metadata.store, ctx.session, parentInode);
  if (parent === 0) return refuse(MFS_ERROR_ENOENT_NOCACHE);
  if (!nodes.isDirectory(parent)) return refuse(MFS_ERROR_ENOTDIR);
  if (!mayAccess(metadata.store, ctx, parent, MODE_MASK_X)) return refuse(MFS_ERROR_EACCES);
  let inode: number;
  if (name.equals(Buffer.from('.'))) inode = parent;
  else if (name.equals(Buffer.from('..'))) inode = parentOf(metadata.store, ctx, parent);
  else {
    if (!isLegalName(name)) return refuse(MFS_ERROR_EINVAL);
    const edge = edges.find(parent, name);
    if (edge === 0)
      return refuse((nodes.eattr.get(parent) & EATTR_NOECACHE) !== 0 ? MFS_ERROR_ENOENT_NOCACHE : MFS_ERROR_ENOENT);
    inode = edges.child(edge);
  }
  const eattr = nodes.eattr.get(inode);
  let flags = accessSet(metadata.store, ctx, inode);
  if ((eattr & EATTR_IMMUTABLE) !== 0) flags = (flags & LOOKUP_ACCESS_MODES_RO) | LOOKUP_IMMUTABLE;
  if ((eattr & EATTR_APPENDONLY) !== 0) flags |= LOOKUP_APPENDONLY;
  if ((eattr & EATTR_NODATACACHE) !== 0) flags |= LOOKUP_DIRECTMODE;
  if (isReadOnly(ctx)) flags |= LOOKUP_RO_FILESYSTEM;
  const { attributes, inode: number } = entry(metadata.store, ctx, inode, parent);
  return { status: 0, inode: number, attributes, flags };
}

/** Spec 09 §6.3. */
export function getattr(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  opened = false,
): Refused | { status: 0; attributes: AttributeRecord } {
  const inode = resolve(metadata.store, ctx.session, inodeNumber, opened);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  return { ...OK, attributes: attributeRecord(metadata.store, ctx, inode) };
}

/** Spec 09 §6.1. */
export function access(metadata: Metadata, ctx: Ctx, inodeNumber: number, mask: number): Refused {
  const writes = (mask & MODE_MASK_W) !== 0;
  if (writes && isReadOnly(ctx)) return refuse(MFS_ERROR_EROFS);
  const inode = resolve(metadata.store, ctx.session, inodeNumber, true);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (writes && (metadata.store.nodes.eattr.get(inode) & EATTR_IMMUTABLE) !== 0) return refuse(MFS_ERROR_EPERM);
  return mayAccess(metadata.store, ctx, inode, mask) ? OK : refuse(MFS_ERROR_EACCES);
}

/** Spec 09 §6.6. */
export function readlink(metadata: Metadata, ctx: Ctx, inodeNumber: number): Refused | { status: 0; target: Buffer } {
  const inode = resolve(metadata.store, ctx.session, inodeNumber);
  if (inode === 0) return refuse(MFS_ERROR_ENOENT);
  if (metadata.store.nodes.type.get(inode) !== TYPE_SYMLINK) return refuse(MFS_ERROR_EINVAL);
  touchRead(metadata, ctx.now, inode);
  return { ...OK, target: metadata.store.nodes.symlink(inode) };
}

/** Spec 09 §24: `.` (cookie 0), `..` (1), then children newest first; `next` is the cookie to go on with. */
export function readdir(
  metadata: Metadata,
  ctx: Ctx,
  inodeNumber: number,
  cookie: bigint,
  maxEntries: number,
  withAttributes: boolean,
): Refused | { status: 0; entries: DirectoryEntry[]; next: bigint } {
  const { nodes, edges } = metadata.store;
  if ((ctx.session.disables & DISABLE_READDIR) !== 0) return refuse(MFS_ERROR_EPERM);
  const directory = resolve(metadata.store, ctx.session, inodeNumber);
  if (directory === 0) return refuse(MFS_ERROR_ENOENT);
  if (!nodes.isDirectory(directory)) return refuse(MFS_ERROR_ENOTDIR);
  const mask = withAttributes ? MODE_MASK_R | MODE_MASK_X : MODE_MASK_R;
  if (cookie === 0n && !mayAccess(metadata.store, ctx, directory, mask)) return refuse(MFS_ERROR_EACCES);
  touchRead(metadata, ctx.now, directory);
  const entries: DirectoryEntry[] = [];
  const add = (name: Buffer, inode: number, parent: number): void => {
    entries.push({
      name,
      inode: shown(ctx, inode),
      attributes: attributeRecord(metadata.store, ctx, inode, parent),
    });
  };
  if (cookie === 0n && entries.length < maxEntries) add(Buffer.from('.'), directory, 0);
  if (cookie <= 1n && entries.length < maxEntries) add(Buffer.from('..'), parentOf(metadata.store, ctx, directory), 0);
  else if (cookie <= 1n) return { ...OK, entries, next: cookie + BigInt(entries.length) };
  for (const edge of edges.childEdges(directory)) {
    const id = edges.edgeId(edge);
    if (cookie > 1n && id < cookie) continue;
    if (entries.length >= maxEntries) return { ...OK, entries, next: id };
    add(edges.name(edge), edges.child(edge), directory);
  }
  return { ...OK, entries, next: READDIR_END };
}
