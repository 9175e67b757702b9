/** Status codes (spec 01 §6): u8 on the wire. The errno is what a mount gives to the kernel for a failing metadata call. */

export const MFS_STATUS_OK = 0;
export const MFS_ERROR_EPERM = 1;
export const MFS_ERROR_ENOTDIR = 2;
export const MFS_ERROR_ENOENT = 3;
export const MFS_ERROR_EACCES = 4;
export const MFS_ERROR_EEXIST = 5;
export const MFS_ERROR_EINVAL = 6;
export const MFS_ERROR_ENOTEMPTY = 7;
export const MFS_ERROR_CHUNKLOST = 8;
export const MFS_ERROR_OUTOFMEMORY = 9;
export const MFS_ERROR_INDEXTOOBIG = 10;
export const MFS_ERROR_LOCKED = 11;
export const MFS_ERROR_NOCHUNKSERVERS = 12;
export const MFS_ERROR_NOCHUNK = 13;
export const MFS_ERROR_CHUNKBUSY = 14;
export const MFS_ERROR_REGISTER = 15;
export const MFS_ERROR_NOTDONE = 16;
export const MFS_ERROR_NOTOPENED = 17;
export const MFS_ERROR_NOTSTARTED = 18;
export const MFS_ERROR_WRONGVERSION = 19;
export const MFS_ERROR_CHUNKEXIST = 20;
export const MFS_ERROR_NOSPACE = 21;
export const MFS_ERROR_IO = 22;
export const MFS_ERROR_BNUMTOOBIG = 23;
export const MFS_ERROR_WRONGSIZE = 24;
export const MFS_ERROR_WRONGOFFSET = 25;
export const MFS_ERROR_CANTCONNECT = 26;
export const MFS_ERROR_WRONGCHUNKID = 27;
export const MFS_ERROR_DISCONNECTED = 28;
export const MFS_ERROR_CRC = 29;
export const MFS_ERROR_DELAYED = 30;
export const MFS_ERROR_CANTCREATEPATH = 31;
export const MFS_ERROR_MISMATCH = 32;
export const MFS_ERROR_EROFS = 33;
export const MFS_ERROR_QUOTA = 34;
export const MFS_ERROR_BADSESSIONID = 35;
export const MFS_ERROR_NOPASSWORD = 36;
export const MFS_ERROR_BADPASSWORD = 37;
export const MFS_ERROR_ENOATTR = 38;
export const MFS_ERROR_ENOTSUP = 39;
export const MFS_ERROR_ERANGE = 40;
export const MFS_ERROR_NOTFOUND = 41;
export const MFS_ERROR_ACTIVE = 42;
export const MFS_ERROR_CSNOTPRESENT = 43;
export const MFS_ERROR_WAITING = 44;
export const MFS_ERROR_EAGAIN = 45;
export const MFS_ERROR_EINTR = 46;
export const MFS_ERROR_ECANCELED = 47;
export const MFS_ERROR_ENOENT_NOCACHE = 48;
export const MFS_ERROR_EPERM_NOTADMIN = 49;
export const MFS_ERROR_CLASSEXISTS = 50;
export const MFS_ERROR_CLASSLIMITREACH = 51;
export const MFS_ERROR_NOSUCHCLASS = 52;
export const MFS_ERROR_CLASSINUSE = 53;

/** Linux errno numbers of the statuses; fixed, because they go to the Linux kernel whatever machine encodes them. */
const ERRNO = {
  OK: 0,
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EAGAIN: 11,
  EACCES: 13,
  EEXIST: 17,
  ENOTDIR: 20,
  EINVAL: 22,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  ERANGE: 34,
  ENOTEMPTY: 39,
  ENODATA: 61,
  ENOTSUP: 95,
  EDQUOT: 122,
  ECANCELED: 125,
  EBADF: 9,
} as const;

export type ErrnoName = Exclude<keyof typeof ERRNO, 'OK'>;

export interface StatusInfo {
  readonly status: number;
  readonly name: string;
  /** What tools print. */
  readonly text: string;
  /** Errno name in the standard mount, `OK` for status 0. */
  readonly errnoName: keyof typeof ERRNO;
  /** Errno name in the meta mount. */
  readonly metaErrnoName: keyof typeof ERRNO;
}

const TABLE: readonly (readonly [number, string, string, keyof typeof ERRNO, keyof typeof ERRNO])[] = [
  [0, 'MFS_STATUS_OK', 'OK', 'OK', 'OK'],
  [1, 'MFS_ERROR_EPERM', 'Operation not permitted', 'EPERM', 'EPERM'],
  [2, 'MFS_ERROR_ENOTDIR', 'Not a directory', 'ENOTDIR', 'ENOTDIR'],
  [3, 'MFS_ERROR_ENOENT', 'No such file or directory', 'ENOENT', 'ENOENT'],
  [4, 'MFS_ERROR_EACCES', 'Permission denied', 'EACCES', 'EACCES'],
  [5, 'MFS_ERROR_EEXIST', 'File exists', 'EEXIST', 'EEXIST'],
  [6, 'MFS_ERROR_EINVAL', 'Invalid argument', 'EINVAL', 'EINVAL'],
  [7, 'MFS_ERROR_ENOTEMPTY', 'Directory not empty', 'ENOTEMPTY', 'ENOTEMPTY'],
  [8, 'MFS_ERROR_CHUNKLOST', 'Chunk lost', 'ENXIO', 'EINVAL'],
  [9, 'MFS_ERROR_OUTOFMEMORY', 'Out of memory', 'EINVAL', 'EINVAL'],
  [10, 'MFS_ERROR_INDEXTOOBIG', 'Index too big', 'EFBIG', 'EINVAL'],
  [11, 'MFS_ERROR_LOCKED', 'Chunk locked', 'EINVAL', 'EINVAL'],
  [12, 'MFS_ERROR_NOCHUNKSERVERS', 'No chunk servers', 'ENOSPC', 'EINVAL'],
  [13, 'MFS_ERROR_NOCHUNK', 'No such chunk', 'EINVAL', 'EINVAL'],
  [14, 'MFS_ERROR_CHUNKBUSY', 'Chunk is busy', 'EINVAL', 'EINVAL'],
  [15, 'MFS_ERROR_REGISTER', 'Incorrect register BLOB', 'EINVAL', 'EINVAL'],
  [16, 'MFS_ERROR_NOTDONE', 'Operation not completed', 'EINVAL', 'EINVAL'],
  [17, 'MFS_ERROR_NOTOPENED', 'File not opened', 'EBADF', 'EINVAL'],
  [18, 'MFS_ERROR_NOTSTARTED', 'Write not started', 'EINVAL', 'EINVAL'],
  [19, 'MFS_ERROR_WRONGVERSION', 'Wrong chunk version', 'EINVAL', 'EINVAL'],
  [20, 'MFS_ERROR_CHUNKEXIST', 'Chunk already exists', 'EINVAL', 'EINVAL'],
  [21, 'MFS_ERROR_NOSPACE', 'No space left', 'ENOSPC', 'EINVAL'],
  [22, 'MFS_ERROR_IO', 'IO error', 'EIO', 'EIO'],
  [23, 'MFS_ERROR_BNUMTOOBIG', 'Incorrect block number', 'EINVAL', 'EINVAL'],
  [24, 'MFS_ERROR_WRONGSIZE', 'Incorrect size', 'EINVAL', 'EINVAL'],
  [25, 'MFS_ERROR_WRONGOFFSET', 'Incorrect offset', 'EINVAL', 'EINVAL'],
  [26, 'MFS_ERROR_CANTCONNECT', "Can't connect", 'EINVAL', 'EINVAL'],
  [27, 'MFS_ERROR_WRONGCHUNKID', 'Incorrect chunk id', 'EINVAL', 'EINVAL'],
  [28, 'MFS_ERROR_DISCONNECTED', 'Disconnected', 'EINVAL', 'EINVAL'],
  [29, 'MFS_ERROR_CRC', 'CRC error', 'EINVAL', 'EINVAL'],
  [30, 'MFS_ERROR_DELAYED', 'Operation delayed', 'EINVAL', 'EINVAL'],
  [31, 'MFS_ERROR_CANTCREATEPATH', "Can't create path", 'EINVAL', 'EINVAL'],
  [32, 'MFS_ERROR_MISMATCH', 'Data mismatch', 'EINVAL', 'EINVAL'],
  [33, 'MFS_ERROR_EROFS', 'Read-only file system', 'EROFS', 'EROFS'],
  [34, 'MFS_ERROR_QUOTA', 'Quota exceeded', 'EDQUOT', 'EDQUOT'],
  [35, 'MFS_ERROR_BADSESSIONID', 'Bad session id', 'EINVAL', 'EINVAL'],
  [36, 'MFS_ERROR_NOPASSWORD', 'Password is needed', 'EINVAL', 'EINVAL'],
  [37, 'MFS_ERROR_BADPASSWORD', 'Incorrect password', 'EINVAL', 'EINVAL'],
  [38, 'MFS_ERROR_ENOATTR', 'Attribute not found', 'ENODATA', 'EINVAL'],
  [39, 'MFS_ERROR_ENOTSUP', 'Operation not supported', 'ENOTSUP', 'EINVAL'],
  [40, 'MFS_ERROR_ERANGE', 'Result too large', 'ERANGE', 'EINVAL'],
  [41, 'MFS_ERROR_NOTFOUND', 'Entity not found', 'EINVAL', 'EINVAL'],
  [42, 'MFS_ERROR_ACTIVE', 'Entity is active', 'EINVAL', 'EINVAL'],
  [43, 'MFS_ERROR_CSNOTPRESENT', 'Chunkserver not present', 'ENXIO', 'EINVAL'],
  [44, 'MFS_ERROR_WAITING', 'Waiting on lock', 'EINVAL', 'EINVAL'],
  [45, 'MFS_ERROR_EAGAIN', 'Resource temporarily unavailable', 'EAGAIN', 'EINVAL'],
  [46, 'MFS_ERROR_EINTR', 'Interrupted system call', 'EINTR', 'EINVAL'],
  [47, 'MFS_ERROR_ECANCELED', 'Operation canceled', 'ECANCELED', 'EINVAL'],
  [48, 'MFS_ERROR_ENOENT_NOCACHE', 'No such file or directory (not cacheable)', 'ENOENT', 'EINVAL'],
  [49, 'MFS_ERROR_EPERM_NOTADMIN', 'Operation not permitted (mfs admin only)', 'EINVAL', 'EINVAL'],
  [50, 'MFS_ERROR_CLASSEXISTS', 'Class name already in use', 'EINVAL', 'EINVAL'],
  [51, 'MFS_ERROR_CLASSLIMITREACH', 'Maximum number of classes reached', 'EINVAL', 'EINVAL'],
  [52, 'MFS_ERROR_NOSUCHCLASS', 'No such class', 'EINVAL', 'EINVAL'],
  [53, 'MFS_ERROR_CLASSINUSE', 'Class in use', 'EINVAL', 'EINVAL'],
];

const infos: readonly StatusInfo[] = TABLE.map(([status, name, text, errnoName, metaErrnoName]) => ({
  status,
  name,
  text,
  errnoName,
  metaErrnoName,
}));

/** All statuses, index = number. */
export function allStatuses(): readonly StatusInfo[] {
  return infos;
}

export function statusName(status: number): string {
  return infos[status]?.name ?? `status ${status}`;
}

/** Message text, as the tools print it. */
export function statusText(status: number): string {
  return infos[status]?.text ?? 'Unknown MFS error';
}

/** Positive errno for the kernel, 0 for OK. Unknown statuses are EINVAL, as in the reference mount. */
export function statusErrno(status: number, metaMount = false): number {
  const info = infos[status];
  if (info === undefined) return ERRNO.EINVAL;
  return ERRNO[metaMount ? info.metaErrnoName : info.errnoName];
}

/** Name of the errno, such as `ENOENT`: the `code` of errors of the client library. */
export function statusErrnoName(status: number): ErrnoName | undefined {
  const name = infos[status]?.errnoName ?? 'EINVAL';
  return name === 'OK' ? undefined : name;
}
