import {
  type ErrnoName,
  MFS_ERROR_CHUNKLOST,
  MFS_ERROR_CSNOTPRESENT,
  MFS_ERROR_ENOENT,
  MFS_ERROR_EPERM,
  MFS_ERROR_EROFS,
  MFS_ERROR_INDEXTOOBIG,
  MFS_ERROR_IO,
  MFS_ERROR_NOCHUNK,
  MFS_ERROR_NOCHUNKSERVERS,
  MFS_ERROR_NOSPACE,
  MFS_ERROR_QUOTA,
  statusText,
} from '@wapiti-fs/protocol';

/** Reading or writing a file's contents failed for good. */
export class DataError extends Error {
  constructor(
    readonly code: ErrnoName,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${code}: ${message}`, options);
    this.name = 'DataError';
  }
}

/** The MFS status of an error, if it is an answer of the master. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { status?: unknown } | undefined)?.status;
  return typeof status === 'number' ? status : undefined;
}

/** Statuses of READ_CHUNK and WRITE_CHUNK that no second try changes (spec 13 §7.8, §8.6). */
const FINAL = new Map<number, ErrnoName>([
  [MFS_ERROR_ENOENT, 'EBADF'],
  [MFS_ERROR_EPERM, 'EBADF'],
  [MFS_ERROR_NOCHUNK, 'EBADF'],
  [MFS_ERROR_INDEXTOOBIG, 'EINVAL'],
  [MFS_ERROR_QUOTA, 'EDQUOT'],
  [MFS_ERROR_IO, 'EIO'],
  [MFS_ERROR_EROFS, 'EROFS'],
]);

export function finalError(status: number, what: string): DataError | undefined {
  const code = FINAL.get(status);
  return code === undefined ? undefined : new DataError(code, `${what}: ${statusText(status)}`);
}

/** What a status becomes when it has been tried long enough. */
export function exhaustedError(status: number, what: string): DataError {
  let code: ErrnoName = 'EIO';
  if (status === MFS_ERROR_NOSPACE || status === MFS_ERROR_NOCHUNKSERVERS) code = 'ENOSPC';
  if (status === MFS_ERROR_CHUNKLOST || status === MFS_ERROR_CSNOTPRESENT) code = 'ENXIO';
  return new DataError(code, `${what}: ${statusText(status)}`);
}

/** Statuses of WRITE_CHUNK_END: all final. */
export function endError(status: number, what: string): DataError {
  let code: ErrnoName = 'ENXIO';
  if (status === MFS_ERROR_ENOENT) code = 'EBADF';
  if (status === MFS_ERROR_QUOTA) code = 'EDQUOT';
  if (status === MFS_ERROR_IO) code = 'EIO';
  return new DataError(code, `${what}: ${statusText(status)}`);
}
