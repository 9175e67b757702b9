/**
 * The MooseFS 3.0.117 wire: framing, message catalogue, statuses, attribute records, CRC. Pure, no dependencies.
 *
 * @example
 * ```ts
 * import { CLTOMA_FUSE_GETATTR, FrameParser } from '@wapiti-fs/protocol';
 * const frame = CLTOMA_FUSE_GETATTR.encode({ variant: 'full', msgid: 1, inode: 1, opened: 0, uid: 0, gid: 0 });
 * const parser = new FrameParser(50_000_000);
 * for (const { payload } of parser.push(frame)) console.log(CLTOMA_FUSE_GETATTR.decode(payload)); // { variant: 'full', msgid: 1, … }
 * ```
 *
 * @packageDocumentation
 */
export * from './errors.js';
export * from './bytes.js';
export * as codec from './codec.js';
export type { Codec, Fields, FieldsValue, Infer } from './codec.js';
export * from './constants.js';
export * from './status.js';
export * from './version.js';
export * from './crc.js';
export * from './challenge.js';
export * from './ipv4.js';
export * from './attributes.js';
export * from './message.js';
export * from './frame.js';
export { referencePage } from './reference.js';
export type { ChunkLocation, LabelExpression } from './fields.js';
export * from './messages/generic.js';
export * from './messages/metalogger.js';
export * from './messages/chunkserver.js';
export * from './messages/data.js';
export * from './messages/fuse-session.js';
export * from './messages/fuse-ops.js';
export * from './messages/fuse-tools.js';
export * from './messages/admin.js';
