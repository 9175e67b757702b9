/** Trash time, storage class, extra attributes, archive flags of trees (spec 02 §11.2-§11.4, §11.10). */
import {
  countArchived,
  countSettings,
  findClass,
  type Refused,
  setArchived,
  setEattr,
  setStorageClass,
  setTrashtime,
} from '@wapiti-fs/metadata';
import {
  CLTOMA_FUSE_ARCHCTL,
  CLTOMA_FUSE_GETEATTR,
  CLTOMA_FUSE_GETSCLASS,
  CLTOMA_FUSE_GETTRASHTIME,
  CLTOMA_FUSE_SETEATTR,
  CLTOMA_FUSE_SETSCLASS,
  CLTOMA_FUSE_SETTRASHTIME,
  MATOCL_FUSE_ARCHCTL,
  MATOCL_FUSE_GETEATTR,
  MATOCL_FUSE_GETSCLASS,
  MATOCL_FUSE_GETTRASHTIME,
  MATOCL_FUSE_SETEATTR,
  MATOCL_FUSE_SETSCLASS,
  MATOCL_FUSE_SETTRASHTIME,
  MFS_ERROR_EINVAL,
  SMODE_EXCHANGE,
  SMODE_TMASK,
} from '@wapiti-fs/protocol';

import type { ClientConnection } from '../connection.js';
import { recorded } from './recorded.js';
import type { Request, Requests } from './request.js';

const RECURSIVE = 1;
const BY_NAME = 0xff;
const FIRST_NAMED_CLASS = 10;
const ARCHIVE_GET = 2;
const ARCHIVE_SET = 1;

type Setting = 'trashtime' | 'sclass' | 'eattr';
type Counts = Extract<ReturnType<typeof countSettings>, { files: unknown }>;

/** Counts of a GET request, or the status of a refusal. */
function counted(client: ClientConnection, inode: number, setting: Setting, gmode: number): Refused | Counts {
  if (gmode > RECURSIVE) return { status: MFS_ERROR_EINVAL };
  return countSettings(client.service.master.metadata, client.anonymous(), inode, setting, gmode === RECURSIVE);
}

function lists<T>(counts: Counts, item: (value: number, count: number) => T): { files: T[]; dirs: T[] } {
  const make = (map: ReadonlyMap<number, number>): T[] => [...map].map(([value, count]) => item(value, count));
  return { files: make(counts.files), dirs: make(counts.directories) };
}

const getTrashtime: Request = (client, payload) => {
  const { msgid, inode, gmode } = CLTOMA_FUSE_GETTRASHTIME.decode(payload);
  const counts = counted(client, inode, 'trashtime', gmode);
  return 'files' in counts
    ? MATOCL_FUSE_GETTRASHTIME.encode({
        variant: 'ok',
        msgid,
        lists: lists(counts, (seconds, count) => ({ seconds, count })),
      })
    : MATOCL_FUSE_GETTRASHTIME.encode({ variant: 'status', msgid, status: counts.status });
};

const getSclass: Request = (client, payload) => {
  const { msgid, inode, gmode } = CLTOMA_FUSE_GETSCLASS.decode(payload);
  const counts = counted(client, inode, 'sclass', gmode);
  if (!('files' in counts)) return MATOCL_FUSE_GETSCLASS.encode({ variant: 'status', msgid, status: counts.status });
  const { sclasses } = client.service.master.metadata.store.tables;
  const item = (id: number, count: number) =>
    id < FIRST_NAMED_CLASS ? { id, name: undefined, count } : { id: BY_NAME, name: sclasses.get(id)?.name, count };
  return MATOCL_FUSE_GETSCLASS.encode({ variant: 'ok', msgid, lists: lists(counts, item) });
};

const getEattr: Request = (client, payload) => {
  const { msgid, inode, gmode } = CLTOMA_FUSE_GETEATTR.decode(payload);
  const counts = counted(client, inode, 'eattr', gmode);
  return 'files' in counts
    ? MATOCL_FUSE_GETEATTR.encode({ variant: 'ok', msgid, lists: lists(counts, (eattr, count) => ({ eattr, count })) })
    : MATOCL_FUSE_GETEATTR.encode({ variant: 'status', msgid, status: counts.status });
};

type SetterAnswer = typeof MATOCL_FUSE_SETTRASHTIME;
type Changed = ReturnType<typeof setTrashtime>;

function changed(answer: SetterAnswer, msgid: number, result: Changed): Buffer {
  return 'changed' in result
    ? answer.encode({
        variant: 'ok',
        msgid,
        changed: result.changed,
        notChanged: result.notchanged,
        notPermitted: result.denied,
      })
    : answer.encode({ variant: 'status', msgid, status: result.status });
}

const setTrashtimeOf: Request = (client, payload) => {
  const { msgid, inode, uid, seconds, smode } = CLTOMA_FUSE_SETTRASHTIME.decode(payload);
  const ctx = client.context(uid, [0]);
  const result = setTrashtime(client.service.master.metadata, ctx, inode, seconds, smode);
  return changed(MATOCL_FUSE_SETTRASHTIME, msgid, result);
};

const setClassOf: Request = (client, payload) => {
  const { msgid, inode, uid, id, smode, oldName, name } = CLTOMA_FUSE_SETSCLASS.decode(payload);
  const { metadata } = client.service.master;
  const find = (given: Buffer | undefined): number =>
    given === undefined ? 0 : (findClass(metadata.store, given)?.id ?? 0);
  const target = id === BY_NAME ? find(name) : id < FIRST_NAMED_CLASS ? id : 0;
  const exchanges = id === BY_NAME && (smode & SMODE_TMASK) === SMODE_EXCHANGE;
  const source = exchanges ? find(oldName) : target;
  if (target === 0 || source === 0)
    return MATOCL_FUSE_SETSCLASS.encode({ variant: 'status', msgid, status: MFS_ERROR_EINVAL });
  const result = setStorageClass(metadata, client.context(uid, [0]), inode, source, target, smode);
  return changed(MATOCL_FUSE_SETSCLASS, msgid, result);
};

const setEattrOf: Request = (client, payload) => {
  const { msgid, inode, uid, eattr, smode } = CLTOMA_FUSE_SETEATTR.decode(payload);
  const result = setEattr(client.service.master.metadata, client.context(uid, [0]), inode, eattr, smode);
  return changed(MATOCL_FUSE_SETEATTR, msgid, result);
};

const archive: Request = (client, payload) => {
  const { msgid, inode, cmd, uid } = CLTOMA_FUSE_ARCHCTL.decode(payload);
  const { metadata } = client.service.master;
  const refuse = (status: number): Buffer => MATOCL_FUSE_ARCHCTL.encode({ variant: 'status', msgid, status });
  if (cmd === ARCHIVE_GET) {
    const counts = countArchived(metadata, client.anonymous(), inode);
    if (!('archived' in counts)) return refuse(counts.status);
    return MATOCL_FUSE_ARCHCTL.encode({
      variant: 'get',
      msgid,
      archChunks: counts.archived,
      notArchChunks: counts.notArchived,
      archInodes: counts.allArchived,
      partialInodes: counts.partlyArchived,
      notArchInodes: counts.none,
    });
  }
  const result = setArchived(metadata, client.context(uid ?? 0, [0]), inode, cmd === ARCHIVE_SET);
  if (!('changed' in result)) return refuse(result.status);
  return MATOCL_FUSE_ARCHCTL.encode({
    variant: 'set',
    msgid,
    chunksChanged: result.changed,
    chunksNotChanged: result.notchanged,
    inodesNotPermitted: result.denied,
  });
};

const isArchiveGet = (payload: Buffer): boolean => payload[8] === ARCHIVE_GET;

export const settingRequests: Requests = new Map<number, Request>([
  [CLTOMA_FUSE_GETTRASHTIME.type, getTrashtime],
  [CLTOMA_FUSE_GETSCLASS.type, getSclass],
  [CLTOMA_FUSE_GETEATTR.type, getEattr],
  [CLTOMA_FUSE_SETTRASHTIME.type, recorded(setTrashtimeOf)],
  [CLTOMA_FUSE_SETSCLASS.type, recorded(setClassOf)],
  [CLTOMA_FUSE_SETEATTR.type, recorded(setEattrOf)],
  [
    CLTOMA_FUSE_ARCHCTL.type,
    (client, payload) => (isArchiveGet(payload) ? archive : recorded(archive))(client, payload),
  ],
]);
