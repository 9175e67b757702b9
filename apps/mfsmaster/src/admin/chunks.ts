/** Chunks, loops over them, storage classes (spec 11 §3.7-§3.9, §3.14, §3.15). */
import { newFileLoopReport } from '@wapiti-fs/metadata';
import { matches } from '@wapiti-fs/placement';
import {
  CLTOMA_CHUNKS_MATRIX,
  CLTOMA_CHUNKSTEST_INFO,
  CLTOMA_FSTEST_INFO,
  CLTOMA_MISSING_CHUNKS,
  CLTOMA_SCLASS_INFO,
  MATOCL_CHUNKS_MATRIX,
  MATOCL_CHUNKSTEST_INFO,
  MATOCL_FSTEST_INFO,
  MATOCL_MISSING_CHUNKS,
  MATOCL_SCLASS_INFO,
  type MessageValue,
  missingChunks,
} from '@wapiti-fs/protocol';

import type { MasterContext } from '../context.js';
import { type ChunkCounts, countChunks, countUsers, findUsers, inSlices, MATRIX_SIDE } from './chunk-scan.js';
import { encoded, on } from './request.js';

const MATRIX_ALL = 0;
const MATRIX_REGULAR = 1;
const REGISTERING = 2;
const FULFILLED_NO = 0;
const FULFILLED_NO_SPACE = 1;
const FULFILLED_YES = 3;

type ClassInfo = MessageValue<typeof MATOCL_SCLASS_INFO>['classes'][number];

function matrix(
  master: MasterContext,
  { matrixId }: MessageValue<typeof CLTOMA_CHUNKS_MATRIX>,
  answer: (frame: Buffer) => void,
): undefined {
  countChunks(master, ({ all, regular }) => {
    const none = new Array<number>(MATRIX_SIDE ** 2).fill(0);
    const one = matrixId === MATRIX_ALL ? all : matrixId === MATRIX_REGULAR ? regular : none;
    const progress = master.chunkservers.manager.registering > 0 ? REGISTERING : 0;
    answer(
      MATOCL_CHUNKS_MATRIX.encode(
        matrixId === undefined ? { variant: 'both', progress, all, regular } : { variant: 'one', matrix: one },
      ),
    );
  });
}

function missing(
  master: MasterContext,
  { mode = 0 }: MessageValue<typeof CLTOMA_MISSING_CHUNKS>,
  answer: (frame: Buffer) => void,
): undefined {
  countChunks(master, (counts) => {
    const types = new Map(counts.missing.map(({ chunkId, type }) => [chunkId, type]));
    inSlices(findUsers(master, new Set(types.keys())), (users) => {
      const chunks = users.map((user) => ({ ...user, type: types.get(user.chunkId) ?? 0 }));
      answer(MATOCL_MISSING_CHUNKS.encode({ chunks: encoded(missingChunks(mode), chunks) }));
    });
  });
}

/** Whether the servers there are can hold a copy for every expression of a set. */
function fulfilled({ chunkservers }: MasterContext, set: readonly (readonly number[])[]): number {
  const servers = [...chunkservers.manager.servers.all()];
  if (servers.length < set.length) return FULFILLED_NO;
  if (!set.every((expression) => servers.some((one) => matches(one.labelMask, expression)))) return FULFILLED_NO;
  const { servers: table } = chunkservers.manager;
  return table.choose(set.length, new Set(), set).length < set.length ? FULFILLED_NO_SPACE : FULFILLED_YES;
}

function classList(master: MasterContext, answer: (frame: Buffer) => void): undefined {
  countChunks(master, (counts) => inSlices(countUsers(master), (users) => answer(classInfo(master, counts, users))));
}

function classInfo(
  master: MasterContext,
  { byClass }: ChunkCounts,
  users: ReadonlyMap<number, { files: number; dirs: number }>,
): Buffer {
  const { store } = master.metadata;
  const { servers } = master.chunkservers.manager;
  const labels = (set: readonly number[][]) =>
    set.map((masks) => ({
      masks: [0, 1, 2, 3].map((i) => masks[i] ?? 0),
      matchingServers: [...servers.all()].filter((one) => matches(one.labelMask, masks)).length,
    }));
  const classes = [...store.tables.sclasses.values()].map((one): ClassInfo => {
    const [under, exact, over] = byClass.get(one.id) ?? [0, 0, 0];
    const { files, dirs } = users.get(one.id) ?? { files: 0, dirs: 0 };
    return {
      id: one.id,
      name: one.name,
      files,
      dirs,
      chunkCounts: [under, 0, exact, 0, over, 0],
      adminOnly: one.adminOnly ? 1 : 0,
      mode: one.mode,
      archDelay: one.archDelayDays,
      createFulfilled: fulfilled(master, one.create),
      createCount: one.create.length,
      keepFulfilled: fulfilled(master, one.keep),
      keepCount: one.keep.length,
      archFulfilled: fulfilled(master, one.arch),
      archCount: one.arch.length,
      createLabels: labels(one.create),
      keepLabels: labels(one.keep),
      archLabels: labels(one.arch),
    };
  });
  return MATOCL_SCLASS_INFO.encode({ servers: servers.count, classes });
}

/** All zero: no loop has finished yet. */
function fileLoop(master: MasterContext, { mode }: MessageValue<typeof CLTOMA_FSTEST_INFO>): Buffer {
  const last = master.fileCheck.last ?? newFileLoopReport(0);
  const loop = {
    loopStart: last.start,
    loopEnd: last.end,
    files: last.files,
    undergoalFiles: last.underGoalFiles,
    missingFiles: last.missingFiles,
    chunks: last.chunks,
    undergoalChunks: last.underGoalChunks,
    missingChunks: last.missingChunks,
    text: Buffer.alloc(0),
  };
  if (mode === undefined) return MATOCL_FSTEST_INFO.encode({ variant: 'plain', ...loop });
  const missingTrashFiles = last.missingTrash;
  const missingSustainedFiles = last.missingSustained;
  return MATOCL_FSTEST_INFO.encode({ variant: 'extended', ...loop, missingTrashFiles, missingSustainedFiles });
}

/** No loop has finished: the form for "no data". */
const NO_CHUNK_LOOP = MATOCL_CHUNKSTEST_INFO.encode({
  loopStart: 0,
  loopEnd: 0,
  delInvalid: 0,
  nodelInvalid: 0,
  delUnused: 0,
  nodelUnused: 0,
  delDiskclean: 0,
  nodelDiskclean: 0,
  delOvergoal: 0,
  nodelOvergoal: 0,
  copyUndergoal: 0,
  nocopyUndergoal: 0,
  copyWronglabels: 0,
  nocopyWronglabels: 0,
  copyRebalance: 0,
  labelsDontMatch: 0,
  lockedUnused: 0,
  lockedUsed: 0,
});

export const CHUNK_REQUESTS = [
  on(CLTOMA_CHUNKS_MATRIX, matrix),
  on(CLTOMA_MISSING_CHUNKS, missing),
  on(CLTOMA_SCLASS_INFO, (master, _, answer) => classList(master, answer)),
  on(CLTOMA_CHUNKSTEST_INFO, () => NO_CHUNK_LOOP),
  on(CLTOMA_FSTEST_INFO, fileLoop),
];
