import { constants } from 'node:os';

import { FuseError } from '@wapiti-fs/fuse';

export const {
  EACCES,
  EBADF,
  EFBIG,
  EINVAL,
  EIO,
  ENAMETOOLONG,
  ENODATA,
  ENOENT,
  ENOTDIR,
  EPERM,
  ERANGE,
  ENOSYS,
  EROFS,
} = constants.errno;

const NUMBERS = constants.errno as Readonly<Record<string, number>>;

/** The errno of an error of the client library (`code` is its name); undefined for what nobody expected. */
export function errnoOf(error: unknown): number | undefined {
  if (error instanceof FuseError) return error.errno;
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? NUMBERS[code] : undefined;
}

export function hasCode(error: unknown, code: string): boolean {
  return (error as { readonly code?: unknown } | undefined)?.code === code;
}

export function statusOf(error: unknown): number | undefined {
  const status = (error as { readonly status?: unknown } | undefined)?.status;
  return typeof status === 'number' ? status : undefined;
}
