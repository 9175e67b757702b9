/** The records that {@link applyRecord} carries out. Argument names and order are those of spec 08 §6; results are included. */
import type { SessionParameters } from '../store/tables.js';

interface Arguments {
  SETMETAID: { metaid: bigint };
  IDLE: object;
  RENUMERATEEDGES: { nextEdgeId: bigint };
  CREATE: {
    parent: number;
    name: Buffer;
    type: number;
    mode: number;
    cumask: number;
    uid: number;
    gid: number;
    rdev: number;
    inode: number;
  };
  SYMLINK: { parent: number; name: Buffer; target: Buffer; uid: number; gid: number; inode: number };
  LINK: { inode: number; parent: number; name: Buffer };
  UNLINK: { parent: number; name: Buffer; inode: number };
  MOVE: { srcParent: number; srcName: Buffer; dstParent: number; dstName: Buffer; inode: number };
  ATTR: {
    inode: number;
    mode: number;
    uid: number;
    gid: number;
    atime: number;
    mtime: number;
    winattr: number;
    aclmode: number;
  };
  ACCESS: { inode: number };
  AMTIME: { inode: number; atime: number; mtime: number; ctime: number };
  LENGTH: { inode: number; length: number; canmodmtime: number };
  TRUNC: { inode: number; index: number; chunkId: number };
  WRITE: { inode: number; index: number; opflag: number; canmodmtime: number; chunkId: number };
  UNLOCK: { chunkId: number };
  ROLLBACK: { inode: number; index: number; previousChunkId: number; chunkId: number };
  CHUNKADD: { chunkId: number; version: number; lockedTo: number };
  CHUNKDEL: { chunkId: number; version: number };
  SETVERSION: { chunkId: number; version: number };
  ACQUIRE: { sessionId: number; inode: number };
  RELEASE: { sessionId: number; inode: number };
  SESADD: SessionParameters & { sessionId: number };
  SESCHANGED: SessionParameters & { sessionId: number };
  SESDISCONNECTED: { sessionId: number };
  SESDEL: { sessionId: number };
  EMPTYTRASH: { bucket: number; freed: number; sustained: number; checksum: number };
  EMPTYSUSTAINED: { bucket: number; freed: number; checksum: number };
  FREEINODES: { delay: number; freed: number; requeued: number; checksum: number };
  PURGE: { inode: number };
  CSDBOP: { operation: number; ip: number; port: number; argument: number };
}

export type ChangeOp = keyof Arguments;
/** `ts` = time of the change in seconds. */
export type ChangeOf<K extends ChangeOp> = { readonly op: K; readonly ts: number } & Readonly<Arguments[K]>;
export type Change = { [K in ChangeOp]: ChangeOf<K> }[ChangeOp];
