import {
  type Codec,
  constant,
  listToEnd,
  name,
  optional,
  rest,
  str32,
  struct,
  u16,
  u32,
  u64,
  u64n,
  u8,
  when,
} from '../codec.js';
import { ProtocolError } from '../errors.js';
import { times } from '../fields.js';
import { message, type MessageInfo, variants } from '../message.js';

/** Monitoring and administration of the master, port 9421 (spec 11 §3, §6). */

const up = (spec: string, summary: string): MessageInfo => ({ spec, from: 'client', to: 'master', summary });
const down = (spec: string, summary: string): MessageInfo => ({ spec, from: 'master', to: 'client', summary });

export const CLTOMA_INFO = message('CLTOMA_INFO', 510, up('11 §3.1', 'general state'), {});
export const MATOCL_INFO = message('MATOCL_INFO', 511, down('11 §3.1', 'general state'), {
  version: u32,
  memUsage: u64n,
  sysCpu: u64n,
  userCpu: u64n,
  totalSpace: u64n,
  availSpace: u64n,
  freeSpace: u64n,
  trashSpace: u64n,
  trashNodes: u32,
  sustainedSpace: u64n,
  sustainedNodes: u32,
  allNodes: u32,
  dirNodes: u32,
  fileNodes: u32,
  chunks: u32,
  allChunkCopies: u32,
  regularChunkCopies: u32,
  lastStoreTime: u32,
  lastStoreDurationMs: u32,
  lastStoreStatus: u8,
  state: u8,
  nstate: u8,
  stable: u8,
  sync: u8,
  leaderIp: u32,
  stateChangeTime: u32,
  metaVersion: u64n,
  exportsChecksum: u64,
  usecTime: u64n,
  lastChangelogTime: u32,
});

export const CLTOMA_MEMORY_INFO = message('CLTOMA_MEMORY_INFO', 528, up('11 §3.2', 'memory use'), {});
/** In this order: chunk hash, chunks, cs lists, edge hash, edges, node hash, nodes, deleted nodes, chunk tabs, symlinks, quota. */
export const MATOCL_MEMORY_INFO = message('MATOCL_MEMORY_INFO', 529, down('11 §3.2', 'memory use'), {
  areas: listToEnd(struct({ allocated: u64n, used: u64n })),
});

const u24: Codec<number> = {
  doc: 'u24',
  write(w, v) {
    w.u8(v >>> 16);
    w.u16(v & 0xffff);
  },
  read: (r) => r.u8() * 0x10000 + r.u16(),
};
export const CLTOMA_CSERV_LIST = message('CLTOMA_CSERV_LIST', 500, up('11 §3.3', 'chunkservers'), {});
/** flags: 1 disconnected, 2 maintenance, 4 temporary maintenance. */
export const MATOCL_CSERV_LIST = message('MATOCL_CSERV_LIST', 501, down('11 §3.3', 'chunkservers'), {
  servers: listToEnd(
    struct({
      flags: u8,
      version: u24,
      ip: u32,
      port: u16,
      csid: u16,
      used: u64n,
      total: u64n,
      chunks: u32,
      tdUsed: u64n,
      tdTotal: u64n,
      tdChunks: u32,
      errorCount: u32,
      load: u32,
      graceTime: u32,
      labelMask: u32,
      mfrStatus: u8,
    }),
  ),
});

export const CLTOMA_MLOG_LIST = message('CLTOMA_MLOG_LIST', 522, up('11 §3.4', 'metaloggers'), {});
export const MATOCL_MLOG_LIST = message('MATOCL_MLOG_LIST', 523, down('11 §3.4', 'metaloggers'), {
  metaloggers: listToEnd(struct({ version: u32, ip: u32 })),
});

const vmode = { vmode: optional(u8) };
export const CLTOMA_EXPORTS_INFO = message('CLTOMA_EXPORTS_INFO', 520, up('11 §3.5', 'exports'), vmode);
/** Decode `entries` with {@link exportsEntries}, which needs the vmode asked for. */
export const MATOCL_EXPORTS_INFO = message('MATOCL_EXPORTS_INFO', 521, down('11 §3.5', 'exports'), { entries: rest });
const mapping = { rootUid: u32, rootGid: u32, mapallUid: u32, mapallGid: u32 };
const limits = { minGoal: u8, maxGoal: u8, minTrashtimeS: u32, maxTrashtimeS: u32 };

function from<T>(version: number, mode: number, codec: Codec<T>): Codec<T | undefined> {
  return when(`vmode ≥ ${version}`, () => mode >= version, codec);
}

export function exportsEntries(mode: number) {
  return listToEnd(
    struct({
      fromIp: u32,
      toIp: u32,
      path: str32,
      minVersion: u32,
      extraFlags: u8,
      sesflags: u8,
      umask: from(2, mode, u16),
      ...mapping,
      limits: from(1, mode, struct(limits)),
      disables: from(3, mode, u32),
    }),
  );
}

export const CLTOMA_SESSION_LIST = message('CLTOMA_SESSION_LIST', 508, up('11 §3.6', 'sessions'), vmode);
/** Decode `entries` with {@link sessionEntries}, which needs the vmode asked for. */
export const MATOCL_SESSION_LIST = message('MATOCL_SESSION_LIST', 509, down('11 §3.6', 'sessions'), {
  statsCount: u16,
  entries: rest,
});

export function sessionEntries(mode: number) {
  return listToEnd(
    struct({
      sessionId: u32,
      ip: u32,
      version: u32,
      use: from(2, mode, struct({ openFiles: u32, sockets: u8, expire: u32 })),
      info: str32,
      path: str32,
      sesflags: u8,
      umask: from(3, mode, u16),
      ...mapping,
      limits: from(1, mode, struct(limits)),
      disables: from(4, mode, u32),
      currentHour: times(16, u32),
      lastHour: times(16, u32),
    }),
  );
}

const matrix = times(121, u32);
export const CLTOMA_CHUNKS_MATRIX = message('CLTOMA_CHUNKS_MATRIX', 516, up('11 §3.7', 'chunks by goal and copies'), {
  matrixId: optional(u8),
});
/** 11 × 11 counters, row = goal, column = copies. */
export const MATOCL_CHUNKS_MATRIX = variants(
  'MATOCL_CHUNKS_MATRIX',
  517,
  down('11 §3.7', 'chunks by goal and copies'),
  { both: { progress: u8, all: matrix, regular: matrix }, one: { matrix } },
  (payload) => (payload.length === 484 ? 'one' : 'both'),
);

const loop = { loopStart: u32, loopEnd: u32, files: u32, undergoalFiles: u32, missingFiles: u32 };
const loopChunks = { chunks: u32, undergoalChunks: u32, missingChunks: u32, text: str32 };
export const CLTOMA_FSTEST_INFO = message('CLTOMA_FSTEST_INFO', 512, up('11 §3.8', 'file check loop'), {
  mode: optional(u8),
});
/** Told apart by the place of the text's length: see {@link fstestInfo}. */
export const MATOCL_FSTEST_INFO = variants(
  'MATOCL_FSTEST_INFO',
  513,
  down('11 §3.8', 'file check loop'),
  {
    plain: { ...loop, ...loopChunks },
    extended: { ...loop, missingTrashFiles: u32, missingSustainedFiles: u32, ...loopChunks },
  },
  (payload) => {
    if (payload.length >= 36 && payload.readUInt32BE(32) === payload.length - 36) return 'plain';
    if (payload.length >= 44 && payload.readUInt32BE(40) === payload.length - 44) return 'extended';
    throw new ProtocolError(`answer of ${payload.length} bytes`);
  },
);
export const CLTOMA_CHUNKSTEST_INFO = message('CLTOMA_CHUNKSTEST_INFO', 514, up('11 §3.9', 'chunk loop'), {});
export const MATOCL_CHUNKSTEST_INFO = message('MATOCL_CHUNKSTEST_INFO', 515, down('11 §3.9', 'chunk loop'), {
  loopStart: u32,
  loopEnd: u32,
  delInvalid: u32,
  nodelInvalid: u32,
  delUnused: u32,
  nodelUnused: u32,
  delDiskclean: u32,
  nodelDiskclean: u32,
  delOvergoal: u32,
  nodelOvergoal: u32,
  copyUndergoal: u32,
  nocopyUndergoal: u32,
  copyWronglabels: u32,
  nocopyWronglabels: u32,
  copyRebalance: u32,
  labelsDontMatch: u32,
  lockedUnused: u32,
  lockedUsed: u32,
});

const quotaNumbers = struct({ inodes: u32, length: u64n, size: u64n, realsize: u64n });
export const CLTOMA_QUOTA_INFO = message('CLTOMA_QUOTA_INFO', 518, up('11 §3.10', 'quotas'), {});
export const MATOCL_QUOTA_INFO = message('MATOCL_QUOTA_INFO', 519, down('11 §3.10', 'quotas'), {
  quotas: listToEnd(
    struct({
      inode: u32,
      path: str32,
      gracePeriodS: u32,
      exceeded: u8,
      flags: u8,
      timeToBlockS: u32,
      soft: quotaNumbers,
      hard: quotaNumbers,
      current: quotaNumbers,
    }),
  ),
});

const byMsgid = (shorter: number) => (payload: Buffer) =>
  payload.length === shorter ? ('plain' as const) : ('msgid' as const);
export const CLTOMA_LIST_OPEN_FILES = variants(
  'CLTOMA_LIST_OPEN_FILES',
  532,
  up('11 §3.11', 'open files of a session, or of all (0)'),
  { plain: { sessionId: u32 }, msgid: { msgid: u32, sessionId: u32 } },
  byMsgid(4),
);
/** [msgid], then inodes, or pairs session and inode when all were asked for: plain u32 numbers. */
export const MATOCL_LIST_OPEN_FILES = message('MATOCL_LIST_OPEN_FILES', 533, down('11 §3.11', 'open files'), {
  numbers: listToEnd(u32),
});
export const CLTOMA_LIST_ACQUIRED_LOCKS = variants(
  'CLTOMA_LIST_ACQUIRED_LOCKS',
  534,
  up('11 §3.12', 'locks of an inode, or all (0)'),
  { plain: { inode: u32 }, msgid: { msgid: u32, inode: u32 } },
  byMsgid(4),
);
const lock = { sessionId: u32, owner: u64, pid: u32, start: u64, end: u64, type: u8 };
/** Decode `locks` with {@link lockEntries} (one inode) or {@link lockEntriesWithInode} (all), behind a msgid if one was sent. */
export const MATOCL_LIST_ACQUIRED_LOCKS = message('MATOCL_LIST_ACQUIRED_LOCKS', 535, down('11 §3.12', 'locks'), {
  locks: rest,
});
export const lockEntries = listToEnd(struct(lock));
export const lockEntriesWithInode = listToEnd(struct({ inode: u32, ...lock }));

export const CLTOMA_MASS_RESOLVE_PATHS = message('CLTOMA_MASS_RESOLVE_PATHS', 536, up('11 §3.13', 'paths of inodes'), {
  inodes: listToEnd(u32),
});
export const MATOCL_MASS_RESOLVE_PATHS = message(
  'MATOCL_MASS_RESOLVE_PATHS',
  537,
  down('11 §3.13', 'paths of inodes'),
  {
    /** `paths`: u32 length and bytes, repeated. */
    inodes: listToEnd(struct({ inode: u32, paths: str32 })),
  },
);

const sclassLabels = listOfCounted();
export const CLTOMA_SCLASS_INFO = message(
  'CLTOMA_SCLASS_INFO',
  542,
  up('11 §3.14', 'storage classes and their state'),
  {},
);
export const MATOCL_SCLASS_INFO = message(
  'MATOCL_SCLASS_INFO',
  543,
  down('11 §3.14', 'storage classes and their state'),
  {
    servers: u16,
    classes: listToEnd(
      struct({
        id: u8,
        name,
        files: u32,
        dirs: u32,
        /** undergoal, exact, overgoal; each standard and archive */
        chunkCounts: times(6, u64n),
        adminOnly: u8,
        mode: u8,
        archDelay: u16,
        createFulfilled: u8,
        createCount: u8,
        keepFulfilled: u8,
        keepCount: u8,
        archFulfilled: u8,
        archCount: u8,
        createLabels: sclassLabels('createCount'),
        keepLabels: sclassLabels('keepCount'),
        archLabels: sclassLabels('archCount'),
      }),
    ),
  },
);

/** Label expressions with the number of servers that match, as many as the count field before says. */
function listOfCounted(): (countField: string) => Codec<{ masks: number[]; matchingServers: number }[]> {
  const item = struct({ masks: times(4, u32), matchingServers: u16 });
  return (countField) => ({
    doc: `${countField} × {${item.doc}}`,
    write(w, v, c) {
      if (v.length !== c[countField])
        throw new RangeError(`${v.length} expressions, ${countField} is ${String(c[countField])}`);
      for (const one of v) item.write(w, one, c);
    },
    read: (r, c) => Array.from({ length: c[countField] as number }, () => item.read(r, c)),
  });
}

export const CLTOMA_MISSING_CHUNKS = message('CLTOMA_MISSING_CHUNKS', 544, up('11 §3.15', 'missing chunks'), {
  mode: optional(u8),
});
/** Decode `chunks` with {@link missingChunks}, which needs the mode asked for. */
export const MATOCL_MISSING_CHUNKS = message('MATOCL_MISSING_CHUNKS', 545, down('11 §3.15', 'missing chunks'), {
  chunks: rest,
});
export function missingChunks(mode: number) {
  return listToEnd(struct({ chunkId: u64n, inode: u32, index: u32, type: when('mode ≠ 0', () => mode !== 0, u8) }));
}

const NODE_DIRECTORY = 1;
const NODE_FILE = 2;
/** Layout of the rest by `kind`: 1 directory, 2 file, 0 other; a status alone is an error. */
export const MATOCL_NODE_INFO = variants(
  'MATOCL_NODE_INFO',
  547,
  down('11 §3.17', 'children or chunks of an inode'),
  {
    status: { msgid: u32, status: u8 },
    other: { msgid: u32, kind: u16 },
    directory: { msgid: u32, kind: constant(u16, NODE_DIRECTORY), nextId: u64n, children: listToEnd(u32) },
    file: {
      msgid: u32,
      kind: constant(u16, NODE_FILE),
      nextId: u64n,
      length: u64n,
      chunks: listToEnd(struct({ chunkId: u64n, size: u32, copies: u8 })),
    },
  },
  (payload) => {
    if (payload.length === 5) return 'status';
    if (payload.length === 6) return 'other';
    return payload.length >= 6 && payload.readUInt16BE(4) === NODE_DIRECTORY ? 'directory' : 'file';
  },
);

export const CLTOMA_CSSERV_COMMAND = message(
  'CLTOMA_CSSERV_COMMAND',
  524,
  up('11 §6.1', 'remove, back to work, maintenance'),
  {
    command: u8,
    ip: u32,
    port: u16,
  },
);
export const MATOCL_CSSERV_COMMAND = message('MATOCL_CSSERV_COMMAND', 525, down('11 §6.1', 'result'), { status: u8 });
export const CLTOMA_SESSION_COMMAND = message('CLTOMA_SESSION_COMMAND', 526, up('11 §6.2', 'removes a session'), {
  command: u8,
  sessionId: u32,
});
export const MATOCL_SESSION_COMMAND = message('MATOCL_SESSION_COMMAND', 527, down('11 §6.2', 'result'), { status: u8 });
