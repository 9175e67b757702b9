/** What live operations answer. */
import { type AttributeRecord, MFS_STATUS_OK } from '@wapiti-fs/protocol';

/** A refusal: a status other than 0, and nothing else. */
export interface Refused {
  readonly status: number;
}
export interface Entry {
  readonly status: 0;
  readonly inode: number;
  readonly attributes: AttributeRecord;
}
export interface DirectoryEntry {
  readonly name: Buffer;
  /** As shown to the session: its root is 1. */
  readonly inode: number;
  readonly attributes: AttributeRecord;
}

export const OK = { status: MFS_STATUS_OK } as const;
export const refuse = (status: number): Refused => ({ status });
