import type { InodeData } from '@wapiti-fs/client';
import { FuseError } from '@wapiti-fs/fuse';

import { EBADF } from './errors.js';

/** One open(2) of a file. */
export interface OpenFile {
  readonly handle: number;
  readonly inode: number;
  readonly data: InodeData;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Every write goes to the end of the file, wherever other clients have moved it. */
  readonly append: boolean;
  readonly openedMs: number;
  /** Written since the last flush. */
  wrote: boolean;
  /** Owners of record locks and of BSD locks set through this handle. */
  readonly posixOwners: Set<bigint>;
  readonly flockOwners: Set<bigint>;
  /**
   * The master has not answered the open yet: resolves with whether the file is still as it was when it was looked up, rejects (and
   * stays) when the master refuses. Whatever uses the file waits for it.
   */
  opening: Promise<boolean> | undefined;
  /** What the open was refused with. */
  refusal: Error | undefined;
}

export class OpenFiles {
  private readonly files = new Map<number, OpenFile>();
  private lastHandle = 0;

  add(file: Omit<OpenFile, 'handle' | 'wrote' | 'posixOwners' | 'flockOwners' | 'opening' | 'refusal'>): OpenFile {
    const handle = ++this.lastHandle;
    const opened: OpenFile = {
      ...file,
      handle,
      wrote: false,
      posixOwners: new Set(),
      flockOwners: new Set(),
      opening: undefined,
      refusal: undefined,
    };
    this.files.set(handle, opened);
    return opened;
  }

  get(handle: number): OpenFile {
    const file = this.files.get(handle);
    if (file === undefined) throw new FuseError(EBADF, `no open file ${handle}`);
    return file;
  }

  take(handle: number): OpenFile | undefined {
    const file = this.files.get(handle);
    this.files.delete(handle);
    return file;
  }

  /** Data of all open files, each once. */
  opened(): Set<InodeData> {
    return new Set([...this.files.values()].map(({ data }) => data));
  }
}
