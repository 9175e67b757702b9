import {
  type AttributeRecord,
  MATTR_NOACACHE,
  MATTR_NOECACHE,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_FIFO,
  TYPE_FILE,
  TYPE_SOCKET,
  TYPE_SYMLINK,
} from '@wapiti-fs/protocol';
import type { Attributes } from '@wapiti-fs/fuse';

import type { MountSettings } from '../options/settings.js';

export const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;

/** File type bits of stat(2) by TYPE_* code. */
const MODE_OF_TYPE: readonly number[] = (() => {
  const modes = new Array<number>(16).fill(0);
  modes[TYPE_FILE] = S_IFREG;
  modes[TYPE_DIRECTORY] = S_IFDIR;
  modes[TYPE_SYMLINK] = 0o120000;
  modes[TYPE_FIFO] = 0o010000;
  modes[TYPE_BLOCKDEV] = 0o060000;
  modes[TYPE_CHARDEV] = 0o020000;
  modes[TYPE_SOCKET] = 0o140000;
  return modes;
})();

export function modeOfType(type: number): number {
  return MODE_OF_TYPE[type] ?? 0;
}

/** TYPE_* code for the mode of mknod(2), or undefined for a type that cannot be made so. */
export function typeOfMode(mode: number): number | undefined {
  const bits = mode & S_IFMT;
  if (bits === 0 || bits === S_IFREG) return TYPE_FILE;
  const type = MODE_OF_TYPE.indexOf(bits);
  return type === TYPE_FIFO || type === TYPE_BLOCKDEV || type === TYPE_CHARDEV || type === TYPE_SOCKET
    ? type
    : undefined;
}

const BLOCK_SIZE_BYTES = 65536;

/** `sizeBytes`: of a file with data under way more than the record tells. */
export function kernelAttributes(inode: number, record: AttributeRecord, sizeBytes = record.length): Attributes {
  const { type } = record;
  const counted = type === TYPE_FILE || type === TYPE_DIRECTORY || type === TYPE_SYMLINK;
  return {
    inode,
    sizeBytes,
    blocks: counted ? Math.ceil(sizeBytes / 512) : 0,
    atime: record.atime,
    mtime: record.mtime,
    ctime: record.ctime,
    mode: modeOfType(type) | record.mode,
    nlink: record.nlink,
    uid: record.uid,
    gid: record.gid,
    rdev: record.rdev,
    blockSizeBytes: BLOCK_SIZE_BYTES,
  };
}

type Timeouts = Pick<MountSettings, 'attributesCacheMs' | 'entryCacheMs' | 'directoryEntryCacheMs'>;

/** How long the kernel may keep the attributes (spec 13 §3). */
export function attributesTimeoutMs(record: AttributeRecord, settings: Timeouts): number {
  return record.flags & MATTR_NOACACHE ? 0 : settings.attributesCacheMs;
}

export function entryTimeoutMs(record: AttributeRecord, settings: Timeouts): number {
  if (record.flags & MATTR_NOECACHE) return 0;
  return record.type === TYPE_DIRECTORY ? settings.directoryEntryCacheMs : settings.entryCacheMs;
}
