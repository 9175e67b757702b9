/** Frame of an image: signature, header, sections, end marker (spec 07 §2). */
import { ImageError } from './error.js';

export const SIGNATURE = Buffer.from('MFSM 2.0');
export const SIGNATURE_NEW = Buffer.from('MFSM NEW');
export const END_MARKER = Buffer.from('[MFS EOF MARKER]');
export const HEADER_BYTES = 24;
export const SECTION_HEADER_BYTES = 16;

/** Section versions of 3.0.117 in the order written. */
export const SECTIONS = [
  ['SESS', '1.5'],
  ['SCLA', '1.6'],
  ['NODE', '1.4'],
  ['EDGE', '1.1'],
  ['FREE', '1.0'],
  ['QUOT', '1.1'],
  ['XATR', '1.0'],
  ['PACL', '1.1'],
  ['OPEN', '1.0'],
  ['FLCK', '1.0'],
  ['PLCK', '1.0'],
  ['CSDB', '1.3'],
  ['CHNK', '1.1'],
] as const;
export type SectionName = (typeof SECTIONS)[number][0];

export interface ImageHeader {
  /** A request for an empty file system (`MFSM NEW`): version 1, id 0. */
  readonly isNew: boolean;
  readonly version: number;
  readonly metaid: bigint;
}

/**
 * Header of an image from its first 24 and last 16 bytes (spec 06 §9.1), without reading the rest.
 * @throws {ImageError}
 */
export function readImageHeader(head: Buffer, tail: Buffer): ImageHeader {
  if (head.length >= 8 && head.subarray(0, 8).equals(SIGNATURE_NEW)) return { isNew: true, version: 1, metaid: 0n };
  if (!/^MFSM [2-9]\.[0-9]$/.test(head.toString('latin1', 0, 8))) throw new ImageError('HEAD', 0, 0, 'wrong header');
  if (head.length < HEADER_BYTES) throw new ImageError('HEAD', head.length, 0, 'file ends in its header');
  if (!tail.equals(END_MARKER)) throw new ImageError('END', 0, 0, 'wrong ending: no end marker');
  const version = head.readBigUInt64BE(8);
  if (version === 0n || version > BigInt(Number.MAX_SAFE_INTEGER))
    throw new ImageError('HEAD', 8, 0, `version ${version} is not within 1…2^53-1`);
  return { isNew: false, version: Number(version), metaid: head.readBigUInt64BE(16) };
}
