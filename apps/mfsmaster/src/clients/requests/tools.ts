/** What tools ask of files and trees (spec 02 §11.1, §11.5-§11.9, §11.11, 11 §3.17). */
import {
  appendSlice,
  checkFile,
  directoryStats,
  parents,
  paths,
  quotaControl,
  type QuotaRequest,
  repairFile,
  snapshot,
} from '@wapiti-fs/metadata';
import {
  CHECK_INVALID,
  CHECK_MARKEDFORREMOVAL,
  CHECK_VALID,
  CHECK_WRONGVERSION,
  CHECK_WV_AND_MFR,
  CLTOMA_FUSE_APPEND_SLICE,
  CLTOMA_FUSE_CHECK,
  CLTOMA_FUSE_GETDIRSTATS,
  CLTOMA_FUSE_PARENTS,
  CLTOMA_FUSE_PATHS,
  CLTOMA_FUSE_QUOTACONTROL,
  CLTOMA_FUSE_REPAIR,
  CLTOMA_FUSE_SNAPSHOT,
  MATOCL_FUSE_APPEND_SLICE,
  MATOCL_FUSE_CHECK,
  MATOCL_FUSE_GETDIRSTATS,
  MATOCL_FUSE_PARENTS,
  MATOCL_FUSE_PATHS,
  MATOCL_FUSE_QUOTACONTROL,
  MATOCL_FUSE_REPAIR,
  MATOCL_FUSE_SNAPSHOT,
  MFS_ERROR_INDEXTOOBIG,
  MFS_ERROR_NOCHUNK,
  MFS_MAX_CHUNK_INDEX,
} from '@wapiti-fs/protocol';
import type { CopyState } from '@wapiti-fs/placement';

import type { MasterContext } from '../../context.js';
import { recorded } from './recorded.js';
import type { Request, Requests } from './request.js';

const check: Request = (client, payload) => {
  const request = CLTOMA_FUSE_CHECK.decode(payload);
  const { msgid, inode } = request;
  const { metadata, chunkservers } = client.service.master;
  const { manager } = chunkservers;
  const refuse = (status: number): Buffer => MATOCL_FUSE_CHECK.encode({ variant: 'status', msgid, status });
  const result = checkFile(metadata, client.anonymous(), inode, (chunkId) => manager.validCount(chunkId));
  if (!('byCopies' in result)) return refuse(result.status);
  if (request.variant === 'file')
    return MATOCL_FUSE_CHECK.encode({ variant: 'file', msgid, counters: [...result.byCopies, result.holes] });
  if (request.chunkIndex > MFS_MAX_CHUNK_INDEX) return refuse(MFS_ERROR_INDEXTOOBIG);
  const { nodes, chunks } = metadata.store;
  const chunkId = nodes.chunkAt(inode, request.chunkIndex);
  if (chunkId === 0) return MATOCL_FUSE_CHECK.encode({ variant: 'chunk', msgid, chunkId, version: 0, copies: [] });
  const slot = chunks.find(chunkId);
  if (slot === 0) return refuse(MFS_ERROR_NOCHUNK);
  const copies = manager.copies(chunkId).flatMap(({ server: { ip, port }, state, marked }) => {
    const type = copyType(state, marked);
    return type === undefined ? [] : [{ ip, port, type }];
  });
  return MATOCL_FUSE_CHECK.encode({ variant: 'chunk', msgid, chunkId, version: chunks.version(slot), copies });
};

function copyType(state: CopyState, marked: boolean): number | undefined {
  switch (state) {
    case 'valid':
    case 'busy':
      return marked ? CHECK_MARKEDFORREMOVAL : CHECK_VALID;
    case 'wrongVersion':
      return marked ? CHECK_WV_AND_MFR : CHECK_WRONGVERSION;
    case 'invalid':
      return CHECK_INVALID;
    case 'deleting':
      return undefined;
  }
}

const dirStats: Request = (client, payload) => {
  const { msgid, inode } = CLTOMA_FUSE_GETDIRSTATS.decode(payload);
  const result = directoryStats(client.service.master.metadata, client.anonymous(), inode);
  if (!('stats' in result)) return MATOCL_FUSE_GETDIRSTATS.encode({ variant: 'status', msgid, status: result.status });
  const { stats } = result;
  // the layout depends on the kind of connection (spec 02 §11.5)
  return client.state === 'tools'
    ? MATOCL_FUSE_GETDIRSTATS.encode({ variant: 'tools', msgid, ...stats })
    : MATOCL_FUSE_GETDIRSTATS.encode({ variant: 'mount', msgid, ...stats, zeros: [0, 0], moreZeros: [0, 0] });
};

/** What is to be done with a chunk of a file to repair. Nothing is given up while it is not certain that it is lost. */
function judge({ metadata, chunkservers, nowS }: MasterContext, chunkId: number): 'keep' | 'erase' | number {
  const { manager, database } = chunkservers;
  const { chunks } = metadata.store;
  const slot = chunks.find(chunkId);
  if (slot !== 0 && (chunks.lockedTo(slot) >= nowS() || manager.isBusy(chunkId))) return 'keep';
  if (manager.validCount(chunkId) > 0 || !manager.isCertainlyLost(nowS(), database.count)) return 'keep';
  const version = manager.bestOtherVersion(chunkId);
  return version === 0 ? 'erase' : version;
}

const repair: Request = (client, payload) => {
  const { msgid, inode, uid, gids } = CLTOMA_FUSE_REPAIR.decode(payload);
  const { master } = client.service;
  const repaired: number[] = [];
  const result = repairFile(master.metadata, client.context(uid, gids), inode, (chunkId) => {
    const verdict = judge(master, chunkId);
    if (typeof verdict === 'number') repaired.push(chunkId);
    return verdict;
  });
  if (!('repaired' in result)) return MATOCL_FUSE_REPAIR.encode({ variant: 'status', msgid, status: result.status });
  for (const chunkId of repaired) master.chunkservers.manager.versionRestored(chunkId);
  return MATOCL_FUSE_REPAIR.encode({ ...result, variant: 'ok', msgid });
};

const append: Request = (client, payload) => {
  const request = CLTOMA_FUSE_APPEND_SLICE.decode(payload);
  const { msgid, inode, sourceInode, uid, gids } = request;
  const { metadata } = client.service.master;
  // the old form appends nothing (spec 02 §11.7)
  const { flags, sliceFrom, sliceTo } = request.variant === 'slice' ? request : { flags: 0, sliceFrom: 0, sliceTo: 0 };
  const ctx = client.context(uid, gids);
  const result = appendSlice(metadata, ctx, inode, sourceInode, flags, sliceFrom, sliceTo);
  if ('changed' in result && result.changed) client.service.files.notifyLength(undefined, result.inode, result.length);
  return MATOCL_FUSE_APPEND_SLICE.encode({ msgid, status: result.status });
};

const makeSnapshot: Request = (client, payload) => {
  const { msgid, inode, parentDst, nameDst, uid, gids, smode, requmask } = CLTOMA_FUSE_SNAPSHOT.decode(payload);
  const ctx = client.context(uid, gids);
  const { metadata } = client.service.master;
  const { status } = snapshot(metadata, ctx, inode, parentDst, Buffer.from(nameDst), smode, requmask);
  return MATOCL_FUSE_SNAPSHOT.encode({ msgid, status });
};

const quota: Request = (client, payload) => {
  const request = CLTOMA_FUSE_QUOTACONTROL.decode(payload);
  const { msgid, inode, flags } = request;
  const { metadata, sessions } = client.service.master;
  const limits =
    request.variant === 'delete'
      ? {}
      : {
          set: {
            graceperiod: request.variant === 'set' ? request.gracePeriodS : 0,
            sinodes: request.softInodes,
            slength: request.softLength,
            ssize: request.softSize,
            srealsize: request.softRealsize,
            hinodes: request.hardInodes,
            hlength: request.hardLength,
            hsize: request.hardSize,
            hrealsize: request.hardRealsize,
          },
        };
  const rootuid = sessions.get(client.sessionId)?.rootuid ?? 0;
  const wanted: QuotaRequest = { flags, rootuid, ...limits };
  const state = quotaControl(metadata, client.anonymous(), inode, wanted);
  if (!('current' in state)) return MATOCL_FUSE_QUOTACONTROL.encode({ variant: 'status', msgid, status: state.status });
  return MATOCL_FUSE_QUOTACONTROL.encode({
    variant: 'ok',
    msgid,
    flags: state.flags,
    gracePeriodS: state.graceperiod,
    softInodes: state.sinodes,
    softLength: state.slength,
    softSize: state.ssize,
    softRealsize: state.srealsize,
    hardInodes: state.hinodes,
    hardLength: state.hlength,
    hardSize: state.hsize,
    hardRealsize: state.hrealsize,
    ...state.current,
  });
};

const parentsOf: Request = (client, payload) => {
  const { msgid, inode } = CLTOMA_FUSE_PARENTS.decode(payload);
  const result = parents(client.service.master.metadata, client.anonymous(), inode);
  return 'inodes' in result
    ? MATOCL_FUSE_PARENTS.encode({ variant: 'ok', msgid, parents: result.inodes })
    : MATOCL_FUSE_PARENTS.encode({ variant: 'status', msgid, status: result.status });
};

const pathsOf: Request = (client, payload) => {
  const { msgid, inode } = CLTOMA_FUSE_PATHS.decode(payload);
  const result = paths(client.service.master.metadata, client.anonymous(), inode);
  return 'paths' in result
    ? MATOCL_FUSE_PATHS.encode({ variant: 'ok', msgid, paths: result.paths })
    : MATOCL_FUSE_PATHS.encode({ variant: 'status', msgid, status: result.status });
};

export const toolRequests: Requests = new Map<number, Request>([
  [CLTOMA_FUSE_CHECK.type, check],
  [CLTOMA_FUSE_GETDIRSTATS.type, dirStats],
  [CLTOMA_FUSE_REPAIR.type, recorded(repair)],
  [CLTOMA_FUSE_APPEND_SLICE.type, append],
  [CLTOMA_FUSE_SNAPSHOT.type, recorded(makeSnapshot)],
  [CLTOMA_FUSE_QUOTACONTROL.type, quota],
  [CLTOMA_FUSE_PARENTS.type, parentsOf],
  [CLTOMA_FUSE_PATHS.type, pathsOf],
]);
