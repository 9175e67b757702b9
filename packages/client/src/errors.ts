import { statusErrnoName, statusText } from '@wapiti-fs/protocol';

export interface MfsErrorFields {
  /** Errno name, such as `ENOENT`. */
  readonly code: string;
  /** Status of the master's answer (spec 01 §6); undefined when there was none. */
  readonly status?: number | undefined;
  /** What was tried, such as `mkdir`. */
  readonly operation?: string | undefined;
  readonly inode?: number | undefined;
  /** Path or name. */
  readonly path?: string | undefined;
  readonly cause?: unknown;
}

/**
 * A failed operation on the file system. `code` is an errno name, as in errors of `node:fs`; `status` is what the master answered,
 * if it did. The message names operation and place.
 */
export class MfsError extends Error {
  readonly code: string;
  readonly status: number | undefined;
  readonly operation: string | undefined;
  readonly inode: number | undefined;
  readonly path: string | undefined;

  constructor(
    private readonly text: string,
    fields: MfsErrorFields,
  ) {
    const { code, status, operation, inode, path, cause } = fields;
    const place = path !== undefined ? ` '${path}'` : inode !== undefined ? ` inode ${inode}` : '';
    super(
      `${code}: ${text}${operation === undefined ? '' : `, ${operation}${place}`}`,
      cause === undefined ? {} : { cause },
    );
    this.name = 'MfsError';
    this.code = code;
    this.status = status;
    this.operation = operation;
    this.inode = inode;
    this.path = path;
  }

  /** The error of a status other than OK. */
  static ofStatus(status: number, fields: Omit<MfsErrorFields, 'code' | 'status'> = {}): MfsError {
    return new MfsError(statusText(status), { ...fields, status, code: statusErrnoName(status) ?? 'EIO' });
  }

  /** The same error with another operation and path: where a caller of several steps saw it. */
  at(operation: string, path: string): MfsError {
    const { code, status, inode, text } = this;
    return new MfsError(text, { code, status, inode, operation, path, cause: this.cause });
  }
}
