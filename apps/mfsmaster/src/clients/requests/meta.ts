/** The meta mount: trash and deleted open files (spec 02 §15). */
import {
  detachedAttributes,
  listDetached,
  purge,
  type Refused,
  setTrashPath,
  trashPath,
  undelete,
} from '@wapiti-fs/metadata';
import {
  CLTOMA_FUSE_GETDETACHEDATTR,
  CLTOMA_FUSE_GETSUSTAINED,
  CLTOMA_FUSE_GETTRASH,
  CLTOMA_FUSE_GETTRASHPATH,
  CLTOMA_FUSE_PURGE,
  CLTOMA_FUSE_SETTRASHPATH,
  CLTOMA_FUSE_UNDEL,
  MATOCL_FUSE_GETDETACHEDATTR,
  MATOCL_FUSE_GETSUSTAINED,
  MATOCL_FUSE_GETTRASH,
  MATOCL_FUSE_GETTRASHPATH,
  MATOCL_FUSE_PURGE,
  MATOCL_FUSE_SETTRASHPATH,
  MATOCL_FUSE_UNDEL,
} from '@wapiti-fs/protocol';

import type { Request, Requests } from './request.js';

const listed = (answer: typeof MATOCL_FUSE_GETTRASH, msgid: number, result: ReturnType<typeof listDetached>): Buffer =>
  'files' in result
    ? answer.encode({ variant: 'ok', msgid, entries: result.files })
    : answer.encode({ variant: 'status', msgid, status: result.status });

const getTrash: Request = (client, payload) => {
  const { msgid, bucket } = CLTOMA_FUSE_GETTRASH.decode(payload);
  const result = listDetached(client.service.master.metadata, client.anonymous(), 'trash', bucket);
  return listed(MATOCL_FUSE_GETTRASH, msgid, result);
};

const getSustained: Request = (client, payload) => {
  const { msgid } = CLTOMA_FUSE_GETSUSTAINED.decode(payload);
  const result = listDetached(client.service.master.metadata, client.anonymous(), 'sustained');
  return listed(MATOCL_FUSE_GETSUSTAINED, msgid, result);
};

const getDetachedAttr: Request = (client, payload) => {
  const { msgid, inode, dtype } = CLTOMA_FUSE_GETDETACHEDATTR.decode(payload);
  const result = detachedAttributes(client.service.master.metadata, client.anonymous(), inode, dtype ?? 0);
  return 'attributes' in result
    ? MATOCL_FUSE_GETDETACHEDATTR.encode({ variant: 'ok', msgid, attributes: result.attributes })
    : MATOCL_FUSE_GETDETACHEDATTR.encode({ variant: 'status', msgid, status: result.status });
};

const getTrashPath: Request = (client, payload) => {
  const { msgid, inode } = CLTOMA_FUSE_GETTRASHPATH.decode(payload);
  const result = trashPath(client.service.master.metadata, client.anonymous(), inode);
  return 'path' in result
    ? MATOCL_FUSE_GETTRASHPATH.encode({ variant: 'ok', msgid, path: result.path })
    : MATOCL_FUSE_GETTRASHPATH.encode({ variant: 'status', msgid, status: result.status });
};

const status = (answer: typeof MATOCL_FUSE_UNDEL, msgid: number, result: Refused): Buffer =>
  answer.encode({ msgid, status: result.status });

const setPath: Request = (client, payload) => {
  const { msgid, inode, path } = CLTOMA_FUSE_SETTRASHPATH.decode(payload);
  const result = setTrashPath(client.service.master.metadata, client.anonymous(), inode, path);
  return status(MATOCL_FUSE_SETTRASHPATH, msgid, result);
};

const bringBack: Request = (client, payload) => {
  const { msgid, inode } = CLTOMA_FUSE_UNDEL.decode(payload);
  return status(MATOCL_FUSE_UNDEL, msgid, undelete(client.service.master.metadata, client.anonymous(), inode));
};

const removeForGood: Request = (client, payload) => {
  const { msgid, inode } = CLTOMA_FUSE_PURGE.decode(payload);
  return status(MATOCL_FUSE_PURGE, msgid, purge(client.service.master.metadata, client.anonymous(), inode));
};

export const metaRequests: Requests = new Map<number, Request>([
  [CLTOMA_FUSE_GETTRASH.type, getTrash],
  [CLTOMA_FUSE_GETSUSTAINED.type, getSustained],
  [CLTOMA_FUSE_GETDETACHEDATTR.type, getDetachedAttr],
  [CLTOMA_FUSE_GETTRASHPATH.type, getTrashPath],
  [CLTOMA_FUSE_SETTRASHPATH.type, setPath],
  [CLTOMA_FUSE_UNDEL.type, bringBack],
  [CLTOMA_FUSE_PURGE.type, removeForGood],
]);
