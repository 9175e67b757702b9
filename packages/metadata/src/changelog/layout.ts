/** Arguments and results of every operation in the order of the text (spec 08 §6). A catalogue. */
import type { ChangeOf, ChangeOp } from '../ops/records.js';
import type { OpLayout } from './kinds.js';

const COUNTERS = [
  ['changed', 'u32'],
  ['notchanged', 'u32'],
  ['denied', 'u32'],
] as const;

const SESSION = [
  ['exportsChecksum', 'csum'],
  ['rootInode', 'u32'],
  ['sesflags', 'u8'],
  ['umask', 'oct'],
  ['rootuid', 'u32'],
  ['rootgid', 'u32'],
  ['mapalluid', 'u32'],
  ['mapallgid', 'u32'],
  ['mingoal', 'u8'],
  ['maxgoal', 'u8'],
  ['mintrashtime', 'u32'],
  ['maxtrashtime', 'u32'],
  ['disables', 'hex32'],
  ['peerIp', 'u32'],
  ['info', 'data'],
] as const;

const ALL_BUCKETS = 0xffffffff;
const DEFAULT_REUSE_DELAY_S = 86400;

export const LAYOUTS: { readonly [K in ChangeOp]: OpLayout<Extract<Exclude<keyof ChangeOf<K>, 'op' | 'ts'>, string>> } =
  {
    SETMETAID: { args: [['metaid', 'u64']] },
    IDLE: { args: [] },
    RENUMERATEEDGES: { args: [], results: [['nextEdgeId', 'u64']] },
    CREATE: {
      args: [
        ['parent', 'u32'],
        ['name', 'name'],
        ['type', 'nodetype'],
        ['mode', 'r16'],
        ['cumask', 'r16'],
        ['uid', 'u32'],
        ['gid', 'u32'],
        ['rdev', 'u32'],
      ],
      results: [['inode', 'u32']],
    },
    SYMLINK: {
      args: [
        ['parent', 'u32'],
        ['name', 'name'],
        ['target', 'path'],
        ['uid', 'u32'],
        ['gid', 'u32'],
      ],
      results: [['inode', 'u32']],
    },
    LINK: {
      args: [
        ['inode', 'u32'],
        ['parent', 'u32'],
        ['name', 'name'],
      ],
    },
    UNLINK: {
      args: [
        ['parent', 'u32'],
        ['name', 'name'],
      ],
      results: [['inode', 'u32']],
    },
    MOVE: {
      args: [
        ['srcParent', 'u32'],
        ['srcName', 'name'],
        ['dstParent', 'u32'],
        ['dstName', 'name'],
      ],
      results: [['inode', 'u32']],
    },
    ATTR: {
      args: [
        ['inode', 'u32'],
        ['mode', 'u16'],
        ['uid', 'u32'],
        ['gid', 'u32'],
        ['atime', 'u32'],
        ['mtime', 'u32'],
        ['winattr', 'u8', null],
        ['aclmode', 'u16', null],
      ],
    },
    ACCESS: { args: [['inode', 'u32']] },
    AMTIME: {
      args: [
        ['inode', 'u32'],
        ['atime', 'u32'],
        ['mtime', 'u32'],
        ['ctime', 'u32'],
      ],
    },
    LENGTH: {
      args: [
        ['inode', 'u32'],
        ['length', 'u64n'],
        ['canmodmtime', 'r8', 1],
      ],
    },
    TRUNC: {
      args: [
        ['inode', 'u32'],
        ['index', 'u32'],
      ],
      results: [['chunkId', 'u64n']],
    },
    WRITE: {
      args: [
        ['inode', 'u32'],
        ['index', 'u32'],
        ['opflag', 'u8', 1],
        ['canmodmtime', 'r8', 1],
      ],
      results: [['chunkId', 'u64n']],
    },
    UNLOCK: { args: [['chunkId', 'u64n']] },
    ROLLBACK: {
      args: [
        ['inode', 'u32'],
        ['index', 'u32'],
        ['previousChunkId', 'u64n'],
        ['chunkId', 'u64n'],
      ],
    },
    CHUNKADD: {
      args: [
        ['chunkId', 'u64n'],
        ['version', 'u32'],
        ['lockedTo', 'u32'],
      ],
    },
    CHUNKDEL: {
      args: [
        ['chunkId', 'u64n'],
        ['version', 'u32'],
      ],
    },
    SETVERSION: {
      args: [
        ['chunkId', 'u64n'],
        ['version', 'u32'],
      ],
    },
    ACQUIRE: {
      args: [
        ['sessionId', 'u32'],
        ['inode', 'u32'],
      ],
    },
    RELEASE: {
      args: [
        ['sessionId', 'u32'],
        ['inode', 'u32'],
      ],
    },
    SESADD: { args: SESSION, results: [['sessionId', 'u32']] },
    SESCHANGED: { args: [['sessionId', 'u32'], ...SESSION] },
    SESDISCONNECTED: { args: [['sessionId', 'u32']] },
    SESDEL: { args: [['sessionId', 'u32']] },
    EMPTYTRASH: {
      args: [['bucket', 'u32', ALL_BUCKETS]],
      results: [
        ['freed', 'u32'],
        ['sustained', 'u32'],
        ['checksum', 'u32', 0],
      ],
    },
    EMPTYSUSTAINED: {
      args: [['bucket', 'u32', ALL_BUCKETS]],
      results: [
        ['freed', 'u32'],
        ['checksum', 'u32', 0],
      ],
    },
    FREEINODES: {
      args: [['delay', 'u32', DEFAULT_REUSE_DELAY_S]],
      results: [
        ['freed', 'u32'],
        ['requeued', 'u32', 0],
        ['checksum', 'u32', 0],
      ],
    },
    PURGE: { args: [['inode', 'u32']] },
    CSDBOP: {
      args: [
        ['operation', 'r8'],
        ['ip', 'u32'],
        ['port', 'r16'],
        ['argument', 'u32'],
      ],
    },
    SETEATTR: {
      args: [
        ['inode', 'u32'],
        ['uid', 'u32'],
        ['eattr', 'u8'],
        ['smode', 'u8'],
      ],
      results: COUNTERS,
    },
    SETTRASHTIME: {
      args: [
        ['inode', 'u32'],
        ['uid', 'u32'],
        ['trashtime', 'u32'],
        ['smode', 'u8'],
      ],
      results: COUNTERS,
    },
    SETSCLASS: {
      args: [
        ['inode', 'u32'],
        ['uid', 'u32'],
        ['src', 'u8'],
        ['dst', 'u8'],
        ['smode', 'u8'],
      ],
      results: COUNTERS,
    },
    SETXATTR: {
      args: [
        ['inode', 'u32'],
        ['name', 'name'],
        ['value', 'data'],
        ['mode', 'u8'],
      ],
    },
    SETACL: {
      args: [
        ['inode', 'u32'],
        ['mode', 'r16'],
        ['changectime', 'r8'],
        ['acltype', 'r8'],
        ['user', 'r16'],
        ['group', 'r16'],
        ['other', 'r16'],
        ['mask', 'r16'],
        ['nusers', 'r16'],
        ['ngroups', 'r16'],
        ['blob', 'data'],
      ],
    },
    QUOTA: {
      args: [
        ['inode', 'u32'],
        ['exceeded', 'u8'],
        ['flags', 'u8'],
        ['stimestamp', 'u32'],
        ['sinodes', 'u32'],
        ['hinodes', 'u32'],
        ['slength', 'u64n'],
        ['hlength', 'u64n'],
        ['ssize', 'u64n'],
        ['hsize', 'u64n'],
        ['srealsize', 'u64n'],
        ['hrealsize', 'u64n'],
        ['graceperiod', 'u32', 0],
      ],
    },
    APPEND: {
      args: [
        ['dst', 'u32'],
        ['src', 'u32'],
        ['from', 'u32', null],
        ['to', 'u32', null],
      ],
    },
    REPAIR: {
      args: [
        ['inode', 'u32'],
        ['index', 'u32'],
      ],
      results: [['version', 'u32']],
    },
    SETFILECHUNK: {
      args: [
        ['inode', 'u32'],
        ['index', 'u32'],
        ['chunkId', 'u64n'],
      ],
    },
    ARCHCHG: {
      args: [
        ['inode', 'u32'],
        ['uid', 'u32'],
        ['cmd', 'r8'],
      ],
      results: [
        ['changed', 'u64n'],
        ['notchanged', 'u64n'],
        ['denied', 'u32'],
      ],
    },
    SNAPSHOT: {
      args: [
        ['src', 'u32'],
        ['dstParent', 'u32'],
        ['name', 'name'],
        ['smode', 'u8'],
        ['sesflags', 'u8'],
        ['uid', 'u32'],
        ['gids', 'gids'],
        ['cumask', 'u16'],
      ],
      results: [
        ['checksum', 'u32'],
        ['removed', 'u32'],
        ['same', 'u32'],
        ['existing', 'u32'],
        ['hardlinks', 'u32'],
        ['created', 'u32'],
      ],
      resultsOptional: true,
    },
    SETPATH: {
      args: [
        ['inode', 'u32'],
        ['path', 'path'],
      ],
    },
    UNDEL: { args: [['inode', 'u32']] },
    FLOCK: {
      args: [
        ['inode', 'u32'],
        ['sessionId', 'u32'],
        ['owner', 'u64'],
        ['kind', 'lock'],
      ],
    },
    POSIXLOCK: {
      args: [
        ['inode', 'u32'],
        ['sessionId', 'u32'],
        ['owner', 'u64'],
        ['kind', 'lock'],
        ['start', 'u64'],
        ['end', 'u64'],
        ['pid', 'u32'],
      ],
    },
    SCSET: {
      args: [
        ['name', 'name'],
        ['isNew', 'r8'],
        ['create', 'sclass'],
      ],
      results: [['id', 'r16']],
    },
    SCDUP: {
      args: [
        ['oldName', 'name'],
        ['newName', 'name'],
      ],
      results: [
        ['oldId', 'r16'],
        ['newId', 'r16'],
      ],
    },
    SCREN: {
      args: [
        ['oldName', 'name'],
        ['newName', 'name'],
      ],
      results: [['id', 'r16']],
    },
    SCDEL: { args: [['name', 'name']], results: [['id', 'r16']] },
    SESSION: { args: [], results: [['sessionId', 'u32']] },
    INCVERSION: { args: [['chunkId', 'u64n']] },
    NEXTCHUNKID: { args: [['chunkId', 'u64n']] },
  };
