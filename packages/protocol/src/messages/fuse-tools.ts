import { type Codec, listToEnd, name, struct, u16, u32, u64n, u8, when } from '../codec.js';
import { gidList, sclassDefinition, times } from '../fields.js';
import { answer, message, type MessageInfo, variants } from '../message.js';

/** Operations of the bundled tools (spec 02 §11) and of storage-class administration (spec 02 §13). */

const up = (spec: string, summary: string): MessageInfo => ({ spec, from: 'client', to: 'master', summary });
const down = (spec: string, summary: string): MessageInfo => ({ spec, from: 'master', to: 'client', summary });
const statusOnly = { msgid: u32, status: u8 };
const inodeOnly = { msgid: u32, inode: u32 };
const inodeMode = { msgid: u32, inode: u32, gmode: u8 };
const identity = { uid: u32, gids: gidList } as const;
/** Answer of recursive setters. */
const counts = { changed: u32, notChanged: u32, notPermitted: u32 } as const;

/** Without an index: counts by number of copies; with one: the copies of that chunk. */
export const CLTOMA_FUSE_CHECK = variants(
  'CLTOMA_FUSE_CHECK',
  440,
  up('02 §11.1', 'copies of the chunks of a file'),
  { file: inodeOnly, chunk: { ...inodeOnly, chunkIndex: u32 } },
  (payload) => (payload.length === 8 ? 'file' : 'chunk'),
);
const copy = struct({ ip: u32, port: u16, type: u8 });
export const MATOCL_FUSE_CHECK = variants(
  'MATOCL_FUSE_CHECK',
  441,
  down('02 §11.1', '12 counters, or the copies of one chunk'),
  {
    status: statusOnly,
    file: { msgid: u32, counters: times(12, u32) },
    chunk: { msgid: u32, chunkId: u64n, version: u32, copies: listToEnd(copy) },
  },
  (payload) => (payload.length === 5 ? 'status' : payload.length === 52 ? 'file' : 'chunk'),
);

/** Both counts stand before both lists: files first (spec 02 §11.2). */
function twoLists<T>(countCodec: Codec<number>, item: Codec<T>): Codec<{ files: T[]; dirs: T[] }> {
  return {
    doc: `${countCodec.doc} F, ${countCodec.doc} D, F × {${item.doc}}, D × {${item.doc}}`,
    write(w, v, c) {
      countCodec.write(w, v.files.length, c);
      countCodec.write(w, v.dirs.length, c);
      for (const one of [...v.files, ...v.dirs]) item.write(w, one, c);
    },
    read(r, c) {
      const files = countCodec.read(r, c);
      const dirs = countCodec.read(r, c);
      const items = (count: number): T[] => {
        const values: T[] = [];
        for (let i = 0; i < count; i++) values.push(item.read(r, c));
        return values;
      };
      return { files: items(files), dirs: items(dirs) };
    },
  };
}
export const CLTOMA_FUSE_GETTRASHTIME = message(
  'CLTOMA_FUSE_GETTRASHTIME',
  442,
  up('02 §11.2', 'trash times'),
  inodeMode,
);
export const MATOCL_FUSE_GETTRASHTIME = answer('MATOCL_FUSE_GETTRASHTIME', 443, down('02 §11.2', 'trash times'), {
  lists: twoLists(u32, struct({ seconds: u32, count: u32 })),
});
export const CLTOMA_FUSE_SETTRASHTIME = message(
  'CLTOMA_FUSE_SETTRASHTIME',
  444,
  up('02 §11.2', 'sets the trash time'),
  {
    ...inodeOnly,
    uid: u32,
    seconds: u32,
    smode: u8,
  },
);
export const MATOCL_FUSE_SETTRASHTIME = answer('MATOCL_FUSE_SETTRASHTIME', 445, down('02 §11.2', 'counts'), counts);

/** A class: id 1…9, or a name behind 0xFF (spec 02 §11.3). */
const classCount = struct({
  id: u8,
  name: when('id is 0xFF', (c) => c.id === 0xff, name),
  count: u32,
});
export const CLTOMA_FUSE_GETSCLASS = message(
  'CLTOMA_FUSE_GETSCLASS',
  446,
  up('02 §11.3', 'storage classes'),
  inodeMode,
);
export const MATOCL_FUSE_GETSCLASS = answer('MATOCL_FUSE_GETSCLASS', 447, down('02 §11.3', 'storage classes'), {
  lists: twoLists(u8, classCount),
});
export const CLTOMA_FUSE_SETSCLASS = message('CLTOMA_FUSE_SETSCLASS', 448, up('02 §11.3', 'sets the storage class'), {
  ...inodeOnly,
  uid: u32,
  id: u8,
  smode: u8,
  oldName: when('id is 0xFF and smode & 3 is 3', (c) => c.id === 0xff && ((c.smode as number) & 3) === 3, name),
  name: when('id is 0xFF', (c) => c.id === 0xff, name),
});
export const MATOCL_FUSE_SETSCLASS = answer('MATOCL_FUSE_SETSCLASS', 449, down('02 §11.3', 'counts'), counts);

export const CLTOMA_FUSE_GETEATTR = message('CLTOMA_FUSE_GETEATTR', 472, up('02 §11.4', 'extra attributes'), inodeMode);
export const MATOCL_FUSE_GETEATTR = answer('MATOCL_FUSE_GETEATTR', 473, down('02 §11.4', 'extra attributes'), {
  lists: twoLists(u8, struct({ eattr: u8, count: u32 })),
});
export const CLTOMA_FUSE_SETEATTR = message('CLTOMA_FUSE_SETEATTR', 474, up('02 §11.4', 'sets extra attributes'), {
  ...inodeOnly,
  uid: u32,
  eattr: u8,
  smode: u8,
});
export const MATOCL_FUSE_SETEATTR = answer('MATOCL_FUSE_SETEATTR', 475, down('02 §11.4', 'counts'), counts);

export const CLTOMA_FUSE_GETDIRSTATS = message(
  'CLTOMA_FUSE_GETDIRSTATS',
  462,
  up('02 §11.5', 'sums below a directory'),
  inodeOnly,
);
const dirSums = { length: u64n, size: u64n, realsize: u64n } as const;
/** `tools` on tools connections, `mount` on mount connections. */
export const MATOCL_FUSE_GETDIRSTATS = variants(
  'MATOCL_FUSE_GETDIRSTATS',
  463,
  down('02 §11.5', 'sums below a directory'),
  {
    status: statusOnly,
    tools: { msgid: u32, inodes: u32, dirs: u32, files: u32, chunks: u32, ...dirSums },
    mount: {
      msgid: u32,
      inodes: u32,
      dirs: u32,
      files: u32,
      zeros: times(2, u32),
      chunks: u32,
      moreZeros: times(2, u32),
      ...dirSums,
    },
  },
  (payload) => (payload.length === 5 ? 'status' : payload.length === 44 ? 'tools' : 'mount'),
);
export const CLTOMA_FUSE_REPAIR = message('CLTOMA_FUSE_REPAIR', 466, up('02 §11.6', 'repairs a file'), {
  ...inodeOnly,
  ...identity,
});
export const MATOCL_FUSE_REPAIR = answer('MATOCL_FUSE_REPAIR', 467, down('02 §11.6', 'counts'), {
  notChanged: u32,
  erased: u32,
  repaired: u32,
});

const appendTail = { inode: u32, sourceInode: u32 } as const;
/** Odd length: with slices. Even length: the old form. */
export const CLTOMA_FUSE_APPEND_SLICE = variants(
  'CLTOMA_FUSE_APPEND_SLICE',
  438,
  up('02 §11.7', 'appends chunks of another file'),
  {
    slice: { msgid: u32, flags: u8, ...appendTail, sliceFrom: u32, sliceTo: u32, ...identity },
    old: { msgid: u32, ...appendTail, ...identity },
  },
  (payload) => (payload.length % 2 === 1 ? 'slice' : 'old'),
);
export const MATOCL_FUSE_APPEND_SLICE = message(
  'MATOCL_FUSE_APPEND_SLICE',
  439,
  down('02 §11.7', 'result'),
  statusOnly,
);
export const CLTOMA_FUSE_SNAPSHOT = message(
  'CLTOMA_FUSE_SNAPSHOT',
  468,
  up('02 §11.8', 'makes or removes a snapshot'),
  {
    msgid: u32,
    inode: u32,
    parentDst: u32,
    nameDst: name,
    ...identity,
    smode: u8,
    requmask: u16,
  },
);
export const MATOCL_FUSE_SNAPSHOT = message('MATOCL_FUSE_SNAPSHOT', 469, down('02 §11.8', 'result'), statusOnly);

const quotaLimits = {
  softInodes: u32,
  softLength: u64n,
  softSize: u64n,
  softRealsize: u64n,
  hardInodes: u32,
  hardLength: u64n,
  hardSize: u64n,
  hardRealsize: u64n,
} as const;
export const CLTOMA_FUSE_QUOTACONTROL = variants(
  'CLTOMA_FUSE_QUOTACONTROL',
  476,
  up('02 §11.9', 'reads, sets or deletes limits'),
  {
    delete: { ...inodeOnly, flags: u8 },
    set: { ...inodeOnly, flags: u8, gracePeriodS: u32, ...quotaLimits },
    setWithoutGrace: { ...inodeOnly, flags: u8, ...quotaLimits },
  },
  (payload) => (payload.length === 9 ? 'delete' : payload.length === 65 ? 'setWithoutGrace' : 'set'),
);
export const MATOCL_FUSE_QUOTACONTROL = answer('MATOCL_FUSE_QUOTACONTROL', 477, down('02 §11.9', 'limits and use'), {
  flags: u8,
  gracePeriodS: u32,
  ...quotaLimits,
  inodes: u32,
  length: u64n,
  size: u64n,
  realsize: u64n,
});

export const CLTOMA_FUSE_ARCHCTL = message('CLTOMA_FUSE_ARCHCTL', 496, up('02 §11.10', 'archive flags'), {
  ...inodeOnly,
  cmd: u8,
  uid: when('cmd is not GET', (c) => c.cmd !== 2, u32),
});
export const MATOCL_FUSE_ARCHCTL = variants(
  'MATOCL_FUSE_ARCHCTL',
  497,
  down('02 §11.10', 'counts'),
  {
    status: statusOnly,
    get: { msgid: u32, archChunks: u64n, notArchChunks: u64n, archInodes: u32, partialInodes: u32, notArchInodes: u32 },
    set: { msgid: u32, chunksChanged: u64n, chunksNotChanged: u64n, inodesNotPermitted: u32 },
  },
  (payload) => (payload.length === 5 ? 'status' : payload.length === 32 ? 'get' : 'set'),
);

// Storage classes (spec 02 §13)
export const CLTOMA_SCLASS_CREATE = message('CLTOMA_SCLASS_CREATE', 350, up('02 §13', 'new storage class'), {
  msgid: u32,
  name,
  fver: u8,
  ...sclassDefinition,
});
export const MATOCL_SCLASS_CREATE = message('MATOCL_SCLASS_CREATE', 351, down('02 §13', 'result'), statusOnly);
export const CLTOMA_SCLASS_CHANGE = message('CLTOMA_SCLASS_CHANGE', 352, up('02 §13', 'changes, or asks (chgmask 0)'), {
  msgid: u32,
  name,
  fver: u8,
  chgmask: u16,
  ...sclassDefinition,
});
export const MATOCL_SCLASS_CHANGE = answer('MATOCL_SCLASS_CHANGE', 353, down('02 §13', 'resulting definition'), {
  fver: u8,
  ...sclassDefinition,
});
export const CLTOMA_SCLASS_DELETE = message('CLTOMA_SCLASS_DELETE', 354, up('02 §13', 'removes a class'), {
  msgid: u32,
  name,
});
export const MATOCL_SCLASS_DELETE = message('MATOCL_SCLASS_DELETE', 355, down('02 §13', 'result'), statusOnly);
export const CLTOMA_SCLASS_DUPLICATE = message('CLTOMA_SCLASS_DUPLICATE', 356, up('02 §13', 'copies a class'), {
  msgid: u32,
  source: name,
  target: name,
});
export const MATOCL_SCLASS_DUPLICATE = message('MATOCL_SCLASS_DUPLICATE', 357, down('02 §13', 'result'), statusOnly);
export const CLTOMA_SCLASS_RENAME = message('CLTOMA_SCLASS_RENAME', 358, up('02 §13', 'renames a class'), {
  msgid: u32,
  source: name,
  target: name,
});
export const MATOCL_SCLASS_RENAME = message('MATOCL_SCLASS_RENAME', 359, down('02 §13', 'result'), statusOnly);
export const CLTOMA_SCLASS_LIST = message('CLTOMA_SCLASS_LIST', 360, up('02 §13', 'mode 0: names; 1: definitions'), {
  msgid: u32,
  mode: u8,
});
/** The layout of `classes` depends on the mode asked for: decode with {@link sclassNames} or {@link sclassDefinitions}. */
export const MATOCL_SCLASS_LIST = answer('MATOCL_SCLASS_LIST', 361, down('02 §13', 'classes'), {
  classes: { doc: 'rest', write: (w, v: Buffer) => w.bytes(v), read: (r) => r.rest() } as Codec<Buffer>,
});
export const sclassNames = listToEnd(name);
export const sclassDefinitions = listToEnd(struct({ name, ...sclassDefinition }));

// Chunk map of an inode (spec 11 §3.17)
export const CLTOMA_NODE_INFO = variants(
  'CLTOMA_NODE_INFO',
  546,
  up('11 §3.17', 'children or chunks of an inode'),
  {
    msgid: { msgid: u32, inode: u32, maxEntries: u32, continueId: u64n },
    plain: { inode: u32, maxEntries: u32, continueId: u64n },
  },
  (payload) => (payload.length === 20 ? 'msgid' : 'plain'),
);
