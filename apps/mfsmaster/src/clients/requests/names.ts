/** Requests on names (spec 02 §6.3, §6.7-§6.12). */
import { type Entry, type Refused, touchRead } from '@wapiti-fs/metadata';
import {
  CLTOMA_FUSE_LINK,
  CLTOMA_FUSE_LOOKUP,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_MKNOD,
  CLTOMA_FUSE_READLINK,
  CLTOMA_FUSE_RENAME,
  CLTOMA_FUSE_RMDIR,
  CLTOMA_FUSE_SYMLINK,
  CLTOMA_FUSE_UNLINK,
  MATOCL_FUSE_LINK,
  MATOCL_FUSE_LOOKUP,
  MATOCL_FUSE_MKDIR,
  MATOCL_FUSE_MKNOD,
  MATOCL_FUSE_READLINK,
  MATOCL_FUSE_RENAME,
  MATOCL_FUSE_RMDIR,
  MATOCL_FUSE_SYMLINK,
  MATOCL_FUSE_UNLINK,
  TYPE_DIRECTORY,
} from '@wapiti-fs/protocol';

import type { ClientConnection } from '../connection.js';
import type { Request, Requests } from './request.js';

type MadeAnswer = typeof MATOCL_FUSE_MKDIR;

const isRefused = (result: Refused | { status: 0 }): result is Refused => result.status !== 0;

function made(answer: MadeAnswer, msgid: number, result: Refused | Entry): Buffer {
  return isRefused(result)
    ? answer.encode({ variant: 'status', msgid, status: result.status })
    : answer.encode({ variant: 'ok', msgid, inode: (result as Entry).inode, attributes: (result as Entry).attributes });
}

const lookup: Request = (client, payload) => {
  const { msgid, parent, name, uid, gids } = CLTOMA_FUSE_LOOKUP.decode(payload);
  const { metadata, sessions } = client.service.master;
  sessions.count(client.sessionId, 'lookup');
  const ctx = client.context(uid, gids);
  const found = metadata.lookup(ctx, parent, name);
  if (!('inode' in found)) return MATOCL_FUSE_LOOKUP.encode({ variant: 'status', msgid, status: found.status });
  return MATOCL_FUSE_LOOKUP.encode({ variant: 'ok', msgid, ...client.service.files.lookupAnswer(client, ctx, found) });
};

const mkdir: Request = (client, payload) => {
  const { msgid, parent, name, mode, cumask, uid, gids, copySgid } = CLTOMA_FUSE_MKDIR.decode(payload);
  const { metadata, sessions } = client.service.master;
  sessions.count(client.sessionId, 'mkdir');
  const ctx = client.context(uid, gids);
  return made(
    MATOCL_FUSE_MKDIR,
    msgid,
    metadata.mknod(ctx, parent, name, TYPE_DIRECTORY, mode, cumask, 0, copySgid !== 0),
  );
};

const mknod: Request = (client, payload) => {
  const { msgid, parent, name, type, mode, cumask, uid, gids, rdev } = CLTOMA_FUSE_MKNOD.decode(payload);
  const { metadata, sessions } = client.service.master;
  sessions.count(client.sessionId, 'mknod');
  return made(
    MATOCL_FUSE_MKNOD,
    msgid,
    metadata.mknod(client.context(uid, gids), parent, name, type, mode, cumask, rdev),
  );
};

const symlink: Request = (client, payload) => {
  const { msgid, parent, name, target, uid, gids } = CLTOMA_FUSE_SYMLINK.decode(payload);
  const { metadata, sessions } = client.service.master;
  sessions.count(client.sessionId, 'symlink');
  return made(MATOCL_FUSE_SYMLINK, msgid, metadata.symlink(client.context(uid, gids), parent, name, target));
};

const link: Request = (client, payload) => {
  const { msgid, inode, parentDst, nameDst, uid, gids } = CLTOMA_FUSE_LINK.decode(payload);
  const { metadata, sessions } = client.service.master;
  sessions.count(client.sessionId, 'link');
  return made(MATOCL_FUSE_LINK, msgid, metadata.link(client.context(uid, gids), inode, parentDst, nameDst));
};

const rename: Request = (client, payload) => {
  const { msgid, parentSrc, nameSrc, parentDst, nameDst, uid, gids } = CLTOMA_FUSE_RENAME.decode(payload);
  const { metadata, sessions } = client.service.master;
  sessions.count(client.sessionId, 'rename');
  return made(
    MATOCL_FUSE_RENAME,
    msgid,
    metadata.rename(client.context(uid, gids), parentSrc, nameSrc, parentDst, nameDst),
  );
};

function remove(client: ClientConnection, payload: Buffer, directory: boolean): Buffer {
  const message = directory ? CLTOMA_FUSE_RMDIR : CLTOMA_FUSE_UNLINK;
  const answer = directory ? MATOCL_FUSE_RMDIR : MATOCL_FUSE_UNLINK;
  const { msgid, parent, name, uid, gids } = message.decode(payload);
  const { metadata, sessions } = client.service.master;
  sessions.count(client.sessionId, directory ? 'rmdir' : 'unlink');
  const result = metadata.unlink(client.context(uid, gids), parent, name, directory);
  return 'inode' in result
    ? answer.encode({ variant: 'ok', msgid, inode: result.inode })
    : answer.encode({ variant: 'status', msgid, status: result.status });
}

const readlink: Request = (client, payload) => {
  const { msgid, inode } = CLTOMA_FUSE_READLINK.decode(payload);
  const { metadata, sessions, changelog, nowS } = client.service.master;
  sessions.count(client.sessionId, 'readlink');
  const result = metadata.readlink(client.anonymous(), inode);
  if (!('target' in result)) return MATOCL_FUSE_READLINK.encode({ variant: 'status', msgid, status: result.status });
  if (!changelog.blocked) touchRead(metadata, nowS(), inode);
  return MATOCL_FUSE_READLINK.encode({ variant: 'ok', msgid, target: result.target });
};

export const nameRequests: Requests = new Map<number, Request>([
  [CLTOMA_FUSE_LOOKUP.type, lookup],
  [CLTOMA_FUSE_MKDIR.type, mkdir],
  [CLTOMA_FUSE_MKNOD.type, mknod],
  [CLTOMA_FUSE_SYMLINK.type, symlink],
  [CLTOMA_FUSE_LINK.type, link],
  [CLTOMA_FUSE_RENAME.type, rename],
  [CLTOMA_FUSE_UNLINK.type, (client, payload) => remove(client, payload, false)],
  [CLTOMA_FUSE_RMDIR.type, (client, payload) => remove(client, payload, true)],
  [CLTOMA_FUSE_READLINK.type, readlink],
]);
