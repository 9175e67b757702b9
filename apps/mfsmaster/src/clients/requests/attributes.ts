/** Requests on attributes, directories and space (spec 02 §6.1-§6.5, §7), and synchronisation (§12). */
import { type DirectoryEntry, setattr as setAttributes, syncTimes, touchRead } from '@wapiti-fs/metadata';
import {
  attributes as attributeCodec,
  CLTOMA_FUSE_ACCESS,
  CLTOMA_FUSE_AMTIME_INODES,
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_READDIR,
  CLTOMA_FUSE_SETATTR,
  CLTOMA_FUSE_STATFS,
  CLTOMA_FUSE_SUSTAINED_INODES,
  CLTOMA_FUSE_SUSTAINED_INODES_DEPRECATED,
  CLTOMA_FUSE_TIME_SYNC,
  GETDIR_FLAG_WITHATTR,
  MATOCL_FUSE_ACCESS,
  MATOCL_FUSE_GETATTR,
  MATOCL_FUSE_READDIR,
  MATOCL_FUSE_SETATTR,
  MATOCL_FUSE_STATFS,
  MATOCL_FUSE_TIME_SYNC,
  MFS_ERROR_ERANGE,
  MFS_ROOT_ID,
  Writer,
} from '@wapiti-fs/protocol';

import { spaceOf } from '../space.js';
import { attributesAfter, type Request, type Requests } from './request.js';

/** Ids of a GETATTR without them (spec 02 §6.4). */
const NO_ID = 12345;
const MAX_READDIR_BYTES = 0xffff0000;

const statfs: Request = (client, payload) => {
  const { msgid } = CLTOMA_FUSE_STATFS.decode(payload);
  const { sessions } = client.service.master;
  sessions.count(client.sessionId, 'statfs');
  return MATOCL_FUSE_STATFS.encode({ msgid, ...spaceOf(client) });
};

const access: Request = (client, payload) => {
  const { msgid, inode, uid, gids, mask } = CLTOMA_FUSE_ACCESS.decode(payload);
  const { status } = client.service.master.metadata.access(client.context(uid, gids), inode, mask & 7);
  return MATOCL_FUSE_ACCESS.encode({ msgid, status });
};

const getattr: Request = (client, payload) => {
  const request = CLTOMA_FUSE_GETATTR.decode(payload);
  const { metadata, sessions } = client.service.master;
  sessions.count(client.sessionId, 'getattr');
  const { msgid, inode } = request;
  const opened = request.variant === 'full' && request.opened !== 0;
  const ctx =
    request.variant === 'bare'
      ? { ...client.anonymous(), uid: NO_ID, gids: [NO_ID], auid: NO_ID, agid: NO_ID }
      : client.context(request.uid, [request.gid]);
  const result = metadata.getattr(ctx, inode, opened);
  return 'attributes' in result
    ? MATOCL_FUSE_GETATTR.encode({ variant: 'ok', msgid, attributes: result.attributes })
    : MATOCL_FUSE_GETATTR.encode({ variant: 'status', msgid, status: result.status });
};

const setattr: Request = (client, payload) => {
  const request = CLTOMA_FUSE_SETATTR.decode(payload);
  const { metadata, sessions } = client.service.master;
  sessions.count(client.sessionId, 'setattr');
  const { msgid, inode } = request;
  const ctx = client.context(request.uid, request.gids);
  const opened = request.opened !== 0;
  const done = setAttributes(metadata, ctx, inode, opened, {
    setmask: request.setmask,
    mode: request.mode,
    uid: request.attrUid,
    gid: request.attrGid,
    atime: request.atime,
    mtime: request.mtime,
    winattr: request.winattr,
    sugidClearMode: request.sugidClearMode,
  });
  const result = attributesAfter(done, () => metadata.getattr(ctx, inode, opened));
  return 'attributes' in result
    ? MATOCL_FUSE_SETATTR.encode({ variant: 'ok', msgid, attributes: result.attributes })
    : MATOCL_FUSE_SETATTR.encode({ variant: 'status', msgid, status: result.status });
};

const readdir: Request = (client, payload) => {
  const { msgid, inode, uid, gids, flags, maxEntries, nextEdgeId } = CLTOMA_FUSE_READDIR.decode(payload);
  const { master } = client.service;
  master.sessions.count(client.sessionId, 'readdir');
  const ctx = client.context(uid, gids);
  const withAttributes = (flags & GETDIR_FLAG_WITHATTR) !== 0;
  const refuse = (status: number): Buffer => MATOCL_FUSE_READDIR.encode({ variant: 'status', msgid, status });
  const result = master.metadata.readdir(ctx, inode, nextEdgeId, maxEntries, withAttributes);
  if (!('entries' in result)) return refuse(result.status);
  // reading works while nothing can be recorded
  if (!master.changelog.blocked)
    touchRead(master.metadata, master.nowS(), inode === MFS_ROOT_ID ? ctx.session.rootInode : inode);
  const entries = directoryBytes(result.entries, withAttributes);
  if (entries.length >= MAX_READDIR_BYTES) return refuse(MFS_ERROR_ERANGE);
  // the position to go on with: the reference repeats that of the request, with which nobody can page
  const position = maxEntries === 0xffffffff ? nextEdgeId : result.next;
  return MATOCL_FUSE_READDIR.encode({ variant: 'ok', msgid, nextEdgeId: position, entries });
};

function directoryBytes(entries: readonly DirectoryEntry[], withAttributes: boolean): Buffer {
  const writer = new Writer(entries.length * (withAttributes ? 64 : 32) + 64);
  for (const { name, inode, attributes } of entries) {
    writer.u8(name.length);
    writer.bytes(name);
    writer.u32(inode);
    if (withAttributes) attributeCodec.write(writer, attributes, {});
    else writer.u8(attributes.type);
  }
  return writer.finish();
}

const timeSync: Request = (client, payload) => {
  const request = CLTOMA_FUSE_TIME_SYNC.decode(payload);
  const timeUs = Math.floor(client.service.master.services.clock.nowMs() * 1000);
  return request.variant === 'msgid'
    ? MATOCL_FUSE_TIME_SYNC.encode({ variant: 'msgid', msgid: request.msgid, timeUs })
    : MATOCL_FUSE_TIME_SYNC.encode({ variant: 'plain', timeUs });
};

const sustainedInodes: Request = (client, payload) => {
  const { inodes } = CLTOMA_FUSE_SUSTAINED_INODES.decode(payload);
  const { metadata, nowS } = client.service.master;
  metadata.setOpenFiles(nowS(), client.sessionId, inodes);
  return undefined;
};

const amtimeInodes: Request = (client, payload) => {
  const { times } = CLTOMA_FUSE_AMTIME_INODES.decode(payload);
  syncTimes(client.service.master.metadata, client.anonymous(), times);
  return undefined;
};

export const attributeRequests: Requests = new Map<number, Request>([
  [CLTOMA_FUSE_STATFS.type, statfs],
  [CLTOMA_FUSE_ACCESS.type, access],
  [CLTOMA_FUSE_GETATTR.type, getattr],
  [CLTOMA_FUSE_SETATTR.type, setattr],
  [CLTOMA_FUSE_READDIR.type, readdir],
  [CLTOMA_FUSE_TIME_SYNC.type, timeSync],
  [CLTOMA_FUSE_SUSTAINED_INODES.type, sustainedInodes],
  [CLTOMA_FUSE_SUSTAINED_INODES_DEPRECATED.type, sustainedInodes],
  [CLTOMA_FUSE_AMTIME_INODES.type, amtimeInodes],
]);
