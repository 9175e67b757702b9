import { type Codec, type Context, struct, u16, u32, u8 } from './codec.js';
import { ProtocolError } from './errors.js';

/** Field types shared by several messages. */

/** GIDLIST (spec 01 §3): u32 count ≥ 1, then the groups; the first one is the primary group. */
export const gidList: Codec<number[]> = {
  doc: 'GIDLIST',
  write(w, gids) {
    if (gids.length === 0) throw new RangeError('at least one group is needed');
    w.u32(gids.length);
    for (const gid of gids) w.u32(gid);
  },
  read(r) {
    const count = r.u32();
    if (count === 0) throw new ProtocolError('empty group list');
    if (count * 4 > r.remaining) throw new ProtocolError(`${count} groups in ${r.remaining} bytes`);
    const gids = new Array<number>(count);
    for (let i = 0; i < count; i++) gids[i] = r.u32();
    return gids;
  },
};

/** Where a copy of a chunk is, as clients get it (spec 02 §8.4): 14 bytes. */
export const location = struct({ ip: u32, port: u16, csVersion: u32, labelMask: u32 });
export interface ChunkLocation {
  readonly ip: number;
  readonly port: number;
  readonly csVersion: number;
  readonly labelMask: number;
}

/** Four OR-ed masks of labels (spec 01 §7.12). */
export type LabelExpression = readonly [number, number, number, number];

const labelExpression: Codec<LabelExpression> = {
  doc: '4 × u32',
  write(w, masks) {
    for (const mask of masks) w.u32(mask);
  },
  read: (r) => [r.u32(), r.u32(), r.u32(), r.u32()],
};

/** Label expressions as many as the field `countField` before says (spec 02 §13: all counts stand before all sets). */
export function labelSet(countField: string): Codec<LabelExpression[]> {
  return {
    doc: `${countField} × {4 × u32}`,
    write(w, set, context: Context) {
      if (set.length !== context[countField])
        throw new RangeError(`${set.length} label expressions, ${countField} is ${String(context[countField])}`);
      for (const one of set) labelExpression.write(w, one, context);
    },
    read(r, context: Context) {
      const set: LabelExpression[] = [];
      for (let i = 0; i < (context[countField] as number); i++) set.push(labelExpression.read(r, context));
      return set;
    },
  };
}

/** The definition of a storage class as in SCLASS_CREATE, _CHANGE, _LIST (spec 02 §13). */
export const sclassDefinition = {
  adminOnly: u8,
  mode: u8,
  archDelay: u16,
  createCount: u8,
  keepCount: u8,
  archCount: u8,
  createLabels: labelSet('createCount'),
  keepLabels: labelSet('keepCount'),
  archLabels: labelSet('archCount'),
} as const;

/** An item repeated a fixed number of times. */
export function times<T>(count: number, item: Codec<T>): Codec<T[]> {
  return {
    doc: `${count} × {${item.doc}}`,
    write(w, values, c) {
      if (values.length !== count) throw new RangeError(`${values.length} values, ${count} needed`);
      for (const value of values) item.write(w, value, c);
    },
    read(r, c) {
      const values: T[] = [];
      for (let i = 0; i < count; i++) values.push(item.read(r, c));
      return values;
    },
  };
}
