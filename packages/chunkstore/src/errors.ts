/** Status bytes of spec 01 §6 a store operation can end with. */
export const StoreStatus = {
  OK: 0,
  EINVAL: 6,
  NOCHUNK: 13,
  NOTDONE: 16,
  WRONGVERSION: 19,
  CHUNKEXIST: 20,
  NOSPACE: 21,
  IO: 22,
  BNUMTOOBIG: 23,
  WRONGSIZE: 24,
  WRONGOFFSET: 25,
  CRC: 29,
} as const;

export type StoreStatusCode = (typeof StoreStatus)[keyof typeof StoreStatus];

/** A chunk operation failed. `status` is what a peer is told (spec 03 §10, 04 §11); `code` its name. */
export class ChunkError extends Error {
  readonly code: string;
  /** The copy on disk is at fault: it is to be reported as damaged (spec 05 §11.2). */
  readonly damaged: boolean;

  constructor(
    readonly status: StoreStatusCode,
    message: string,
    options: { cause?: unknown; damaged?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ChunkError';
    this.damaged = options.damaged ?? false;
    this.code = Object.entries(StoreStatus).find(([, value]) => value === status)?.[0] ?? String(status);
  }
}

/** A data folder cannot be used, or the list of folders is wrong (spec 05 §5, §6). */
export class FolderError extends Error {
  readonly code = 'FOLDER';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'FolderError';
  }
}

/** The error of a failed system call on a chunk: NOSPACE when the disk is full (the copy stays good), else IO and damaged. */
export function ioError(path: string, cause: unknown): ChunkError {
  if (cause instanceof ChunkError) return cause;
  const message = `${path}: ${(cause as Error).message}`;
  const errno = errnoOf(cause);
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return new ChunkError(StoreStatus.NOSPACE, message, { cause });
  return new ChunkError(StoreStatus.IO, message, { cause, damaged: true });
}

/** A file that cannot be created says nothing about a chunk: not damaged (spec 05 §11.2). */
export function creationError(path: string, cause: unknown): ChunkError {
  const error = ioError(path, cause);
  return error.damaged ? new ChunkError(error.status, error.message, { cause }) : error;
}

/** `errno` name of a failed system call, such as `ENOSPC`. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
