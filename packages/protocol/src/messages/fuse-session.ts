import {
  bytes,
  type Codec,
  constant,
  listToEnd,
  name,
  optional,
  str32,
  struct,
  u16,
  u32,
  u64,
  u64n,
  u8,
} from '../codec.js';
import { ProtocolError } from '../errors.js';
import { location } from '../fields.js';
import { answer, message, type MessageInfo, variants } from '../message.js';
import { attributes } from '../attributes.js';

/** Registration, synchronisation and notifications between client and master, port 9421 (spec 02 §3, §12). */

const up = (spec: string, summary: string): MessageInfo => ({ spec, from: 'client', to: 'master', summary });
const down = (spec: string, summary: string): MessageInfo => ({ spec, from: 'master', to: 'client', summary });

/** The only blob that 3.0.117 accepts (spec 02 §3). */
export const FUSE_REGISTER_BLOB_ACL = Buffer.from(
  'DjI1GAQDULI5d2YjA26ypc3ovkhjvhciTQVx3CS4nYgtBoUcsljiVpsErJENHaw0',
  'latin1',
);

export const REGISTER_GETRANDOM = 1;
export const REGISTER_NEWSESSION = 2;
export const REGISTER_RECONNECT = 3;
export const REGISTER_TOOLS = 4;
export const REGISTER_NEWMETASESSION = 5;
export const REGISTER_CLOSESESSION = 6;

const blob: Codec<Buffer> = {
  doc: 'bytes[64] blob',
  write: (w) => w.bytes(FUSE_REGISTER_BLOB_ACL),
  read(r) {
    const got = r.bytes(64);
    if (!got.equals(FUSE_REGISTER_BLOB_ACL)) throw new ProtocolError('unknown registration blob');
    return got;
  },
};

/** Old session id, metaid and passcode: told apart by the number of bytes left (0, 4, 12, each with 16 more). */
export interface RegisterTail {
  readonly sessionId?: number | undefined;
  /** Only together with `sessionId`. */
  readonly metaid?: bigint | undefined;
  readonly passcode?: Buffer | undefined;
}
const registerTail: Codec<RegisterTail> = {
  doc: '[u32 sessionid [u64 metaid]] [bytes[16] passcode]',
  write(w, v) {
    if (v.metaid !== undefined && v.sessionId === undefined) throw new RangeError('metaid without session id');
    if (v.sessionId !== undefined) w.u32(v.sessionId);
    if (v.metaid !== undefined) w.u64(v.metaid);
    if (v.passcode !== undefined) {
      if (v.passcode.length !== 16) throw new RangeError('passcode of another length than 16');
      w.bytes(v.passcode);
    }
  },
  read(r) {
    const left = r.remaining;
    if (![0, 4, 12, 16, 20, 28].includes(left)) throw new ProtocolError(`${left} bytes after the path`);
    const ids = left % 16;
    return {
      ...(ids >= 4 ? { sessionId: r.u32() } : {}),
      ...(ids === 12 ? { metaid: r.u64() } : {}),
      ...(left >= 16 ? { passcode: r.bytes(16) } : {}),
    };
  },
};

/** A path or text ended by a zero byte that its length counts; handed over without it. Length 0 is the empty text. */
const zeroEnded: Codec<Buffer> = {
  doc: 'STR32 (zero included)',
  write(w, v) {
    w.u32(v.length + 1);
    w.bytes(v);
    w.u8(0);
  },
  read(r) {
    const text = r.bytes(r.u32());
    if (text.length === 0) return text;
    if (text[text.length - 1] !== 0) throw new ProtocolError('text without terminating zero byte');
    return text.subarray(0, text.length - 1);
  },
};

const reconnect = { sessionId: u32, version: u32, metaid: optional(u64) };
/** `blob` is filled in when encoding: give any buffer, such as {@link FUSE_REGISTER_BLOB_ACL}. */
export const CLTOMA_FUSE_REGISTER = variants(
  'CLTOMA_FUSE_REGISTER',
  400,
  up('02 §3', 'registration; no msgid'),
  {
    getRandom: { blob, kind: constant(u8, REGISTER_GETRANDOM) },
    newSession: {
      blob,
      kind: constant(u8, REGISTER_NEWSESSION),
      version: u32,
      info: str32,
      path: zeroEnded,
      tail: registerTail,
    },
    reconnect: { blob, kind: constant(u8, REGISTER_RECONNECT), ...reconnect },
    tools: { blob, kind: constant(u8, REGISTER_TOOLS), ...reconnect },
    newMetaSession: {
      blob,
      kind: constant(u8, REGISTER_NEWMETASESSION),
      version: u32,
      info: str32,
      tail: registerTail,
    },
    closeSession: { blob, kind: constant(u8, REGISTER_CLOSESESSION), sessionId: u32, metaid: optional(u64) },
  },
  (payload) => {
    switch (payload[64]) {
      case REGISTER_GETRANDOM:
        return 'getRandom';
      case REGISTER_NEWSESSION:
        return 'newSession';
      case REGISTER_RECONNECT:
        return 'reconnect';
      case REGISTER_TOOLS:
        return 'tools';
      case REGISTER_NEWMETASESSION:
        return 'newMetaSession';
      case REGISTER_CLOSESESSION:
        return 'closeSession';
      default:
        throw new ProtocolError(`unknown kind ${payload[64] ?? 'none'}`, '', 'kind');
    }
  },
);

/** Told apart by length; 4 bytes (a redirect) come only from other editions. */
export const MATOCL_FUSE_REGISTER = variants(
  'MATOCL_FUSE_REGISTER',
  401,
  down('02 §3', 'answer to a registration; no msgid'),
  {
    status: { status: u8 },
    redirect: { leaderIp: u32 },
    reconnected: { version: u32, status: u8 },
    metaSession: {
      version: u32,
      sessionId: u32,
      metaid: u64,
      sesflags: u8,
      minGoal: u8,
      maxGoal: u8,
      minTrashtimeS: u32,
      maxTrashtimeS: u32,
    },
    random: { random: bytes(32) },
    session: {
      version: u32,
      sessionId: u32,
      metaid: u64,
      sesflags: u8,
      umask: u16,
      rootUid: u32,
      rootGid: u32,
      mapallUid: u32,
      mapallGid: u32,
      minGoal: u8,
      maxGoal: u8,
      minTrashtimeS: u32,
      maxTrashtimeS: u32,
      disables: u32,
    },
  },
  (payload) => {
    switch (payload.length) {
      case 1:
        return 'status';
      case 4:
        return 'redirect';
      case 5:
        return 'reconnected';
      case 27:
        return 'metaSession';
      case 32:
        return 'random';
      case 49:
        return 'session';
      default:
        throw new ProtocolError(`answer of ${payload.length} bytes`);
    }
  },
);

const inodeList = { inodes: listToEnd(u32) };
export const CLTOMA_FUSE_SUSTAINED_INODES_DEPRECATED = message(
  'CLTOMA_FUSE_SUSTAINED_INODES_DEPRECATED',
  499,
  up('02 §12.1', 'as 700, from old clients'),
  inodeList,
);
export const CLTOMA_FUSE_SUSTAINED_INODES = message(
  'CLTOMA_FUSE_SUSTAINED_INODES',
  700,
  up('02 §12.1', 'all inodes the mount holds'),
  inodeList,
);
export const CLTOMA_FUSE_AMTIME_INODES = message(
  'CLTOMA_FUSE_AMTIME_INODES',
  701,
  up('02 §12.2', 'times of files read and written'),
  {
    times: listToEnd(struct({ inode: u32, atime: u32, mtime: u32 })),
  },
);
export const MATOCL_FUSE_CHUNK_HAS_CHANGED = message(
  'MATOCL_FUSE_CHUNK_HAS_CHANGED',
  702,
  down('02 §12.4', 'another client wrote'),
  {
    msgid: u32,
    inode: u32,
    chunkIndex: u32,
    chunkId: u64n,
    version: u32,
    length: u64n,
    truncateFlag: u8,
  },
);
export const MATOCL_FUSE_FLENG_HAS_CHANGED = message(
  'MATOCL_FUSE_FLENG_HAS_CHANGED',
  703,
  down('02 §12.4', 'another client changed the length'),
  {
    msgid: u32,
    inode: u32,
    length: u64n,
  },
);
export const CLTOMA_FUSE_TIME_SYNC = variants(
  'CLTOMA_FUSE_TIME_SYNC',
  704,
  up('02 §12.3', "asks for the master's clock"),
  { plain: {}, msgid: { msgid: u32 } },
  (payload) => (payload.length === 0 ? 'plain' : 'msgid'),
);
export const MATOCL_FUSE_TIME_SYNC = variants(
  'MATOCL_FUSE_TIME_SYNC',
  705,
  down('02 §12.3', 'microseconds since 1970'),
  { plain: { timeUs: u64n }, msgid: { msgid: u32, timeUs: u64n } },
  (payload) => (payload.length === 8 ? 'plain' : 'msgid'),
);
export const MATOCL_FUSE_INVALIDATE_CHUNK_CACHE = message(
  'MATOCL_FUSE_INVALIDATE_CHUNK_CACHE',
  706,
  down('02 §12.4', 'forget chunk locations'),
  { msgid: u32 },
);

// Chunks of files (spec 02 §8)
const chunkRequest = { msgid: u32, inode: u32, chunkIndex: u32, flags: u8 };
/** Layout of READ_CHUNK and WRITE_CHUNK answers. chunkId 0: a hole. */
const chunkAnswer = {
  protocol: constant(u8, 2),
  length: u64n,
  chunkId: u64n,
  version: u32,
  locations: listToEnd(location),
} as const;
export const CLTOMA_FUSE_READ_CHUNK = message(
  'CLTOMA_FUSE_READ_CHUNK',
  432,
  up('02 §8.4', 'where to read'),
  chunkRequest,
);
export const MATOCL_FUSE_READ_CHUNK = answer(
  'MATOCL_FUSE_READ_CHUNK',
  433,
  down('02 §8.4', 'where to read'),
  chunkAnswer,
);
export const CLTOMA_FUSE_WRITE_CHUNK = message(
  'CLTOMA_FUSE_WRITE_CHUNK',
  434,
  up('02 §8.5', 'where to write'),
  chunkRequest,
);
export const MATOCL_FUSE_WRITE_CHUNK = answer(
  'MATOCL_FUSE_WRITE_CHUNK',
  435,
  down('02 §8.5', 'where to write'),
  chunkAnswer,
);
export const CLTOMA_FUSE_WRITE_CHUNK_END = message(
  'CLTOMA_FUSE_WRITE_CHUNK_END',
  436,
  up('02 §8.5', 'end of writing, new length'),
  {
    msgid: u32,
    chunkId: u64n,
    inode: u32,
    chunkIndex: u32,
    length: u64n,
    flags: u8,
  },
);
export const MATOCL_FUSE_WRITE_CHUNK_END = message('MATOCL_FUSE_WRITE_CHUNK_END', 437, down('02 §8.5', 'result'), {
  msgid: u32,
  status: u8,
});
export const CLTOMA_FUSE_FSYNC = message('CLTOMA_FUSE_FSYNC', 498, up('02 §8.7', 'declared, never sent'), {
  msgid: u32,
  inode: u32,
});
export const MATOCL_FUSE_FSYNC = message('MATOCL_FUSE_FSYNC', 499, down('02 §8.7', 'declared, never sent'), {
  msgid: u32,
  status: u8,
});

// Meta mount (spec 02 §15)
const msgid = { msgid: u32 };
const statusOnly = { msgid: u32, status: u8 };
const trashNames = { entries: listToEnd(struct({ name, inode: u32 })) };
export const CLTOMA_FUSE_GETTRASH = message('CLTOMA_FUSE_GETTRASH', 450, up('02 §15', 'lists the trash'), {
  ...msgid,
  bucket: optional(u32),
});
export const MATOCL_FUSE_GETTRASH = answer('MATOCL_FUSE_GETTRASH', 451, down('02 §15', 'trash entries'), trashNames);
export const CLTOMA_FUSE_GETDETACHEDATTR = message(
  'CLTOMA_FUSE_GETDETACHEDATTR',
  452,
  up('02 §15', 'attributes in trash'),
  {
    ...msgid,
    inode: u32,
    dtype: optional(u8),
  },
);
export const MATOCL_FUSE_GETDETACHEDATTR = answer(
  'MATOCL_FUSE_GETDETACHEDATTR',
  453,
  down('02 §15', 'attributes in trash'),
  { attributes },
);
export const CLTOMA_FUSE_GETTRASHPATH = message('CLTOMA_FUSE_GETTRASHPATH', 454, up('02 §15', 'path in trash'), {
  ...msgid,
  inode: u32,
});
export const MATOCL_FUSE_GETTRASHPATH = answer('MATOCL_FUSE_GETTRASHPATH', 455, down('02 §15', 'path in trash'), {
  path: zeroEnded,
});
export const CLTOMA_FUSE_SETTRASHPATH = message('CLTOMA_FUSE_SETTRASHPATH', 456, up('02 §15', 'changes the path'), {
  ...msgid,
  inode: u32,
  path: str32,
});
export const MATOCL_FUSE_SETTRASHPATH = message('MATOCL_FUSE_SETTRASHPATH', 457, down('02 §15', 'result'), statusOnly);
export const CLTOMA_FUSE_UNDEL = message('CLTOMA_FUSE_UNDEL', 458, up('02 §15', 'brings a file back'), {
  ...msgid,
  inode: u32,
});
export const MATOCL_FUSE_UNDEL = message('MATOCL_FUSE_UNDEL', 459, down('02 §15', 'result'), statusOnly);
export const CLTOMA_FUSE_PURGE = message('CLTOMA_FUSE_PURGE', 460, up('02 §15', 'removes for good'), {
  ...msgid,
  inode: u32,
});
export const MATOCL_FUSE_PURGE = message('MATOCL_FUSE_PURGE', 461, down('02 §15', 'result'), statusOnly);
export const CLTOMA_FUSE_GETSUSTAINED = message(
  'CLTOMA_FUSE_GETSUSTAINED',
  470,
  up('02 §15', 'lists deleted open files'),
  msgid,
);
export const MATOCL_FUSE_GETSUSTAINED = answer(
  'MATOCL_FUSE_GETSUSTAINED',
  471,
  down('02 §15', 'deleted open files'),
  trashNames,
);

// Paths (spec 02 §11.11)
export const CLTOMA_FUSE_PARENTS = message('CLTOMA_FUSE_PARENTS', 484, up('02 §11.11', 'parents of an inode'), {
  ...msgid,
  inode: u32,
});
export const MATOCL_FUSE_PARENTS = answer('MATOCL_FUSE_PARENTS', 485, down('02 §11.11', 'parents'), {
  parents: listToEnd(u32),
});
export const CLTOMA_FUSE_PATHS = message('CLTOMA_FUSE_PATHS', 486, up('02 §11.11', 'paths of an inode'), {
  ...msgid,
  inode: u32,
});
export const MATOCL_FUSE_PATHS = answer('MATOCL_FUSE_PATHS', 487, down('02 §11.11', 'paths'), {
  paths: listToEnd(str32),
});
