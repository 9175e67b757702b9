/** What a file system call of a {@link Disk} says about a file. */
export interface DiskStat {
  readonly kind: 'file' | 'directory' | 'other';
  readonly sizeBytes: number;
  /** Milliseconds since 1970. */
  readonly mtimeMs: number;
  readonly mode: number;
}

/** Space of the file system that holds a path, in bytes. */
export interface DiskSpace {
  readonly totalBytes: number;
  /** Free to ordinary users. */
  readonly availableBytes: number;
}

/** `r` existing, reading; `r+` existing, both; `w` created or emptied; `wx` created, must not exist; `a` appending, created. */
export type OpenFlags = 'r' | 'r+' | 'w' | 'wx' | 'a';

/** An open file. Positions and lengths in bytes. */
export interface DiskFile {
  readonly path: string;
  /** Bytes read; fewer than asked for only at the end of the file. */
  read(buffer: Buffer, positionBytes: number): Promise<number>;
  /** Writes all of the parts in order (without joining them), or fails. With flag `a` the position is ignored. */
  write(parts: Buffer | readonly Buffer[], positionBytes: number): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /** Data and size are on the disk. */
  sync(): Promise<void>;
  stat(): Promise<DiskStat>;
  close(): Promise<void>;
}

/**
 * Files as the cores see them: the real disk (`nodeDisk`) or one in memory that injects faults (`MemoryDisk`).
 * Every failure is a {@link DiskError} with the errno name, the call and the path.
 */
export interface Disk {
  open(path: string, flags: OpenFlags, mode?: number): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  mkdir(path: string, options?: { readonly recursive?: boolean; readonly mode?: number }): Promise<void>;
  rmdir(path: string): Promise<void>;
  /** Names, sorted, without `.` and `..`. */
  readdir(path: string): Promise<string[]>;
  /** Undefined when there is no such file. */
  stat(path: string): Promise<DiskStat | undefined>;
  statfs(path: string): Promise<DiskSpace>;
  /** The entries of a directory (creations, renames, removals) are on the disk. */
  syncDirectory(path: string): Promise<void>;
}

/** A failed file operation. `code` is the errno name: `ENOENT`, `ENOSPC`, `EIO`, … */
export class DiskError extends Error {
  constructor(
    readonly code: string,
    readonly operation: string,
    readonly path: string,
    options?: ErrorOptions,
  ) {
    super(`${path}: ${operation}: ${DISK_ERROR_TEXTS[code] ?? code}`, options);
    this.name = 'DiskError';
  }
}

const DISK_ERROR_TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBADF: 'file is not open',
  EEXIST: 'file exists',
  EFBIG: 'file too large',
  EINVAL: 'invalid argument',
  EIO: 'input/output error',
  EISDIR: 'is a directory',
  EMFILE: 'too many open files',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  ENOTEMPTY: 'directory not empty',
  EPERM: 'operation not permitted',
  EROFS: 'read-only file system',
};
