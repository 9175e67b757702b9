import { attributes } from '../attributes.js';
import { type Codec, listToEnd, name, rest, str32, struct, u16, u32, u64, u64n, u8, when } from '../codec.js';
import { LOOKUP_CHUNK_ZERO_DATA } from '../constants.js';
import { ProtocolError } from '../errors.js';
import { gidList, location } from '../fields.js';
import { answer, message, type MessageInfo, variants } from '../message.js';

/** Operations on names, attributes, locks, xattrs and ACLs between client and master (spec 02 §6-§10). */

const up = (spec: string, summary: string): MessageInfo => ({ spec, from: 'client', to: 'master', summary });
const down = (spec: string, summary: string): MessageInfo => ({ spec, from: 'master', to: 'client', summary });
const statusOnly = { msgid: u32, status: u8 };
const identity = { uid: u32, gids: gidList } as const;
const made = { inode: u32, attributes } as const;

export const CLTOMA_FUSE_STATFS = message('CLTOMA_FUSE_STATFS', 402, up('02 §6.1', 'space'), { msgid: u32 });
export const MATOCL_FUSE_STATFS = message('MATOCL_FUSE_STATFS', 403, down('02 §6.1', 'space'), {
  msgid: u32,
  totalSpace: u64n,
  availSpace: u64n,
  freeSpace: u64n,
  trashSpace: u64n,
  sustainedSpace: u64n,
  inodes: u32,
});
export const CLTOMA_FUSE_ACCESS = message('CLTOMA_FUSE_ACCESS', 404, up('02 §6.2', 'permission test'), {
  msgid: u32,
  inode: u32,
  ...identity,
  mask: u16,
});
export const MATOCL_FUSE_ACCESS = message('MATOCL_FUSE_ACCESS', 405, down('02 §6.2', 'result'), statusOnly);

export const CLTOMA_FUSE_LOOKUP = message('CLTOMA_FUSE_LOOKUP', 406, up('02 §6.3', 'finds a name'), {
  msgid: u32,
  parent: u32,
  name,
  ...identity,
});
const chunkZero = struct({ protocol: u8, chunkId: u64n, version: u32, locations: listToEnd(location) });
export const MATOCL_FUSE_LOOKUP = answer(
  'MATOCL_FUSE_LOOKUP',
  407,
  down('02 §6.3', 'inode, attributes, access, perhaps chunk 0'),
  {
    ...made,
    lflags: u16,
    chunkZero: when('lflags has 0x0100', (c) => ((c.lflags as number) & LOOKUP_CHUNK_ZERO_DATA) !== 0, chunkZero),
  },
);

/** Old clients leave out `opened`, or all but the inode (spec 02 §6.4). */
export const CLTOMA_FUSE_GETATTR = variants(
  'CLTOMA_FUSE_GETATTR',
  408,
  up('02 §6.4', 'attributes'),
  {
    full: { msgid: u32, inode: u32, opened: u8, uid: u32, gid: u32 },
    withoutOpened: { msgid: u32, inode: u32, uid: u32, gid: u32 },
    bare: { msgid: u32, inode: u32 },
  },
  (payload) => (payload.length === 8 ? 'bare' : payload.length === 16 ? 'withoutOpened' : 'full'),
);
export const MATOCL_FUSE_GETATTR = answer('MATOCL_FUSE_GETATTR', 409, down('02 §6.4', 'attributes'), { attributes });
export const CLTOMA_FUSE_SETATTR = message('CLTOMA_FUSE_SETATTR', 410, up('02 §6.5', 'changes attributes'), {
  msgid: u32,
  inode: u32,
  opened: u8,
  ...identity,
  setmask: u8,
  mode: u16,
  attrUid: u32,
  attrGid: u32,
  atime: u32,
  mtime: u32,
  winattr: u8,
  sugidClearMode: u8,
});
export const MATOCL_FUSE_SETATTR = answer('MATOCL_FUSE_SETATTR', 411, down('02 §6.5', 'attributes'), { attributes });

/** Text with a terminating zero byte that the length counts; handed over without it. */
const targetText: Codec<Buffer> = {
  doc: 'STR32 (zero included)',
  write(w, v) {
    w.u32(v.length + 1);
    w.bytes(v);
    w.u8(0);
  },
  read(r) {
    const text = r.bytes(r.u32());
    if (text.length === 0 || text[text.length - 1] !== 0) throw new ProtocolError('text without terminating zero byte');
    return text.subarray(0, text.length - 1);
  },
};
export const CLTOMA_FUSE_READLINK = message('CLTOMA_FUSE_READLINK', 412, up('02 §6.7', 'symlink target'), {
  msgid: u32,
  inode: u32,
});
export const MATOCL_FUSE_READLINK = answer('MATOCL_FUSE_READLINK', 413, down('02 §6.7', 'symlink target'), {
  target: targetText,
});
/** `target` as sent: the reference client includes a terminating zero, which the master strips. */
export const CLTOMA_FUSE_SYMLINK = message('CLTOMA_FUSE_SYMLINK', 414, up('02 §6.8', 'makes a symlink'), {
  msgid: u32,
  parent: u32,
  name,
  target: str32,
  ...identity,
});
export const MATOCL_FUSE_SYMLINK = answer('MATOCL_FUSE_SYMLINK', 415, down('02 §6.8', 'new inode'), made);
export const CLTOMA_FUSE_MKNOD = message(
  'CLTOMA_FUSE_MKNOD',
  416,
  up('02 §6.9', 'makes a file, fifo, device or socket'),
  {
    msgid: u32,
    parent: u32,
    name,
    type: u8,
    mode: u16,
    cumask: u16,
    ...identity,
    rdev: u32,
  },
);
export const MATOCL_FUSE_MKNOD = answer('MATOCL_FUSE_MKNOD', 417, down('02 §6.9', 'new inode'), made);
export const CLTOMA_FUSE_MKDIR = message('CLTOMA_FUSE_MKDIR', 418, up('02 §6.9', 'makes a directory'), {
  msgid: u32,
  parent: u32,
  name,
  mode: u16,
  cumask: u16,
  ...identity,
  copySgid: u8,
});
export const MATOCL_FUSE_MKDIR = answer('MATOCL_FUSE_MKDIR', 419, down('02 §6.9', 'new inode'), made);

const removal = { msgid: u32, parent: u32, name, ...identity };
export const CLTOMA_FUSE_UNLINK = message('CLTOMA_FUSE_UNLINK', 420, up('02 §6.10', 'removes a name'), removal);
export const MATOCL_FUSE_UNLINK = answer('MATOCL_FUSE_UNLINK', 421, down('02 §6.10', 'removed inode'), { inode: u32 });
export const CLTOMA_FUSE_RMDIR = message('CLTOMA_FUSE_RMDIR', 422, up('02 §6.10', 'removes a directory'), removal);
export const MATOCL_FUSE_RMDIR = answer('MATOCL_FUSE_RMDIR', 423, down('02 §6.10', 'removed inode'), { inode: u32 });
export const CLTOMA_FUSE_RENAME = message('CLTOMA_FUSE_RENAME', 424, up('02 §6.11', 'renames'), {
  msgid: u32,
  parentSrc: u32,
  nameSrc: name,
  parentDst: u32,
  nameDst: name,
  ...identity,
});
export const MATOCL_FUSE_RENAME = answer('MATOCL_FUSE_RENAME', 425, down('02 §6.11', 'inode'), made);
export const CLTOMA_FUSE_LINK = message('CLTOMA_FUSE_LINK', 426, up('02 §6.12', 'makes a hard link'), {
  msgid: u32,
  inode: u32,
  parentDst: u32,
  nameDst: name,
  ...identity,
});
export const MATOCL_FUSE_LINK = answer('MATOCL_FUSE_LINK', 427, down('02 §6.12', 'inode'), made);

export const CLTOMA_FUSE_READDIR = message('CLTOMA_FUSE_READDIR', 428, up('02 §7', 'lists a directory'), {
  msgid: u32,
  inode: u32,
  ...identity,
  flags: u8,
  maxEntries: u32,
  nextEdgeId: u64,
});
/** Entries depend on the flags of the request: decode `entries` with {@link directoryEntries} or {@link directoryEntriesWithAttributes}. */
export const MATOCL_FUSE_READDIR = answer('MATOCL_FUSE_READDIR', 429, down('02 §7', 'entries'), {
  nextEdgeId: u64,
  entries: rest,
});
export const directoryEntries = listToEnd(struct({ name, inode: u32, type: u8 }));
export const directoryEntriesWithAttributes = listToEnd(struct({ name, inode: u32, attributes }));

// Files (spec 02 §6.6, §8.3)
export const CLTOMA_FUSE_OPEN = message('CLTOMA_FUSE_OPEN', 430, up('02 §8.3', 'opens a file'), {
  msgid: u32,
  inode: u32,
  ...identity,
  flags: u8,
});
export const MATOCL_FUSE_OPEN = answer('MATOCL_FUSE_OPEN', 431, down('02 §8.3', 'flags and attributes'), {
  oflags: u8,
  attributes,
});
export const CLTOMA_FUSE_CREATE = message('CLTOMA_FUSE_CREATE', 482, up('02 §8.3', 'makes and opens a file'), {
  msgid: u32,
  parent: u32,
  name,
  mode: u16,
  cumask: u16,
  ...identity,
});
export const MATOCL_FUSE_CREATE = answer('MATOCL_FUSE_CREATE', 483, down('02 §8.3', 'flags, inode, attributes'), {
  oflags: u8,
  ...made,
});
export const CLTOMA_FUSE_TRUNCATE = message('CLTOMA_FUSE_TRUNCATE', 464, up('02 §6.6', 'sets the length'), {
  msgid: u32,
  inode: u32,
  flags: u8,
  ...identity,
  length: u64n,
});
export const MATOCL_FUSE_TRUNCATE = answer(
  'MATOCL_FUSE_TRUNCATE',
  465,
  down('02 §6.6', 'previous length and attributes'),
  {
    prevLength: u64n,
    attributes,
  },
);

// Locks (spec 02 §9)
export const CLTOMA_FUSE_FLOCK = message('CLTOMA_FUSE_FLOCK', 492, up('02 §9.1', 'BSD lock'), {
  msgid: u32,
  inode: u32,
  reqid: u32,
  owner: u64,
  cmd: u8,
});
export const MATOCL_FUSE_FLOCK = message(
  'MATOCL_FUSE_FLOCK',
  493,
  down('02 §9.1', 'result, perhaps much later'),
  statusOnly,
);
export const CLTOMA_FUSE_POSIX_LOCK = message(
  'CLTOMA_FUSE_POSIX_LOCK',
  494,
  up('02 §9.2', 'record lock on [start, end)'),
  {
    msgid: u32,
    inode: u32,
    reqid: u32,
    owner: u64,
    pid: u32,
    cmd: u8,
    type: u8,
    start: u64,
    end: u64,
  },
);
export const MATOCL_FUSE_POSIX_LOCK = answer(
  'MATOCL_FUSE_POSIX_LOCK',
  495,
  down('02 §9.2', 'result; for GET the lock in the way'),
  {
    pid: u32,
    type: u8,
    start: u64,
    end: u64,
  },
);

// Extended attributes and ACLs (spec 02 §10)
export const CLTOMA_FUSE_GETXATTR = message('CLTOMA_FUSE_GETXATTR', 478, up('02 §10.1', 'value, or list of names'), {
  msgid: u32,
  inode: u32,
  name,
  mode: u8,
  opened: u8,
  ...identity,
});
/** `value` is absent when only the length was asked for. */
export const MATOCL_FUSE_GETXATTR = answer('MATOCL_FUSE_GETXATTR', 479, down('02 §10.1', 'length and value'), {
  length: u32,
  value: rest,
});
export const CLTOMA_FUSE_SETXATTR = message('CLTOMA_FUSE_SETXATTR', 480, up('02 §10.2', 'sets or removes'), {
  msgid: u32,
  inode: u32,
  name,
  value: str32,
  mode: u8,
  opened: u8,
  ...identity,
});
export const MATOCL_FUSE_SETXATTR = message('MATOCL_FUSE_SETXATTR', 481, down('02 §10.2', 'result'), statusOnly);

/** Entries as many as the field `countField` before says. */
function aclEntries(countField: string): Codec<{ id: number; perm: number }[]> {
  return {
    doc: `${countField} × {u32 id, u16 perm}`,
    write(w, v, c) {
      if (v.length !== c[countField])
        throw new RangeError(`${v.length} entries, ${countField} is ${String(c[countField])}`);
      for (const one of v) {
        w.u32(one.id);
        w.u16(one.perm);
      }
    },
    read: (r, c) => Array.from({ length: c[countField] as number }, () => ({ id: r.u32(), perm: r.u16() })),
  };
}
const acl = {
  userPerm: u16,
  groupPerm: u16,
  otherPerm: u16,
  mask: u16,
  namedUserCount: u16,
  namedGroupCount: u16,
  namedUsers: aclEntries('namedUserCount'),
  namedGroups: aclEntries('namedGroupCount'),
} as const;
/** The longer old form carries opened, uid and gids, which are ignored (spec 02 §10.3). */
export const CLTOMA_FUSE_GETFACL = message('CLTOMA_FUSE_GETFACL', 488, up('02 §10.3', 'ACL of an inode'), {
  msgid: u32,
  inode: u32,
  aclType: u8,
  ignored: rest,
});
export const MATOCL_FUSE_GETFACL = answer('MATOCL_FUSE_GETFACL', 489, down('02 §10.3', 'ACL'), acl);
export const CLTOMA_FUSE_SETFACL = message('CLTOMA_FUSE_SETFACL', 490, up('02 §10.3', 'sets an ACL'), {
  msgid: u32,
  inode: u32,
  uid: u32,
  aclType: u8,
  ...acl,
});
export const MATOCL_FUSE_SETFACL = message('MATOCL_FUSE_SETFACL', 491, down('02 §10.3', 'result'), statusOnly);
