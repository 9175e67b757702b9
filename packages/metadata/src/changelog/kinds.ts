/** Forms of values in changelog lines. */
/**
 * How a value is written (spec 08 §3.1): u8…u64 are decimal, cut to their width when read; `r8`, `r16` are range checked; `u64n` is
 * a 64-bit value kept as number; `name`, `path` and `data` are escaped; `sclass` stands for the six values of SCSET.
 */
export type Kind =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'u64'
  | 'u64n'
  | 'r8'
  | 'r16'
  | 'csum'
  | 'oct'
  | 'hex32'
  | 'name'
  | 'path'
  | 'data'
  | 'lock'
  | 'gids'
  | 'sclass'
  | 'nodetype';

/** Key of the record, kind, and, for what older writers left out, the value then taken (`null`: the key stays absent). */
export type Field<K extends string = string> = readonly [key: K, kind: Kind, absent?: number | null];
export interface OpLayout<K extends string = string> {
  readonly args: readonly Field<K>[];
  readonly results?: readonly Field<K>[];
  /** The whole result part may be missing; everything is then 0. */
  readonly resultsOptional?: boolean;
}
