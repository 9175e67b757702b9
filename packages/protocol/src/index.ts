/**
 * The MooseFS 3.0.117 wire: framing, message catalogue, statuses, attribute records, CRC. Pure, no dependencies.
 *
 * @example
 * ```ts
 * import { ANTOAN_NOP, FrameParser } from '@wapiti-fs/protocol';
 * const parser = new FrameParser(50_000_000);
 * for (const frame of parser.push(ANTOAN_NOP.encode({}))) console.log(frame.type); // 0
 * ```
 *
 * @packageDocumentation
 */
export * from './errors.js';
export * from './bytes.js';
export * as codec from './codec.js';
export type { Codec, Fields, FieldsValue, Infer } from './codec.js';
export * from './message.js';
export * from './frame.js';
