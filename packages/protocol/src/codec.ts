import { Reader, Writer } from './bytes.js';
import { ProtocolError } from './errors.js';

/** Fields decoded (or given) so far of the record a codec stands in: lets a field depend on an earlier one. */
export type Context = Readonly<Record<string, unknown>>;

/** Two-way description of one value on the wire. `doc` is its notation in the reference page. */
export interface Codec<T> {
  readonly doc: string;
  write(writer: Writer, value: T, context: Context): void;
  read(reader: Reader, context: Context): T;
}

export type Infer<C> = C extends Codec<infer T> ? T : never;
export type Fields = Readonly<Record<string, Codec<unknown>>>;
/** The value type of a field list; fields made with {@link optional} or {@link when} may be undefined or left out. */
export type FieldsValue<F extends Fields> = {
  [K in keyof F as undefined extends Infer<F[K]> ? never : K]: Infer<F[K]>;
} & {
  [K in keyof F as undefined extends Infer<F[K]> ? K : never]?: Infer<F[K]>;
};

export const u8: Codec<number> = { doc: 'u8', write: (w, v) => w.u8(v), read: (r) => r.u8() };
export const u16: Codec<number> = { doc: 'u16', write: (w, v) => w.u16(v), read: (r) => r.u16() };
export const u32: Codec<number> = { doc: 'u32', write: (w, v) => w.u32(v), read: (r) => r.u32() };
/** All 64 bits, as bigint. */
export const u64: Codec<bigint> = { doc: 'u64', write: (w, v) => w.u64(v), read: (r) => r.u64() };
/** 64 bits on the wire, values up to 2^53-1, as number. */
export const u64n: Codec<number> = { doc: 'u64', write: (w, v) => w.u64n(v), read: (r) => r.u64n() };

/** `NAME`: u8 length, then bytes (spec 01 §3). */
export const name: Codec<Buffer> = {
  doc: 'NAME',
  write(w, v) {
    if (v.length > 255) throw new RangeError(`name of ${v.length} bytes`);
    w.u8(v.length);
    w.bytes(v);
  },
  read: (r) => r.bytes(r.u8()),
};

/** `STR32`: u32 length, then bytes; whether they end with a zero byte is a matter of the message (spec 01 §3). */
export const str32: Codec<Buffer> = {
  doc: 'STR32',
  write(w, v) {
    w.u32(v.length);
    w.bytes(v);
  },
  read: (r) => r.bytes(r.u32()),
};

/** All that is left of the payload; last field only. */
export const rest: Codec<Buffer> = { doc: 'rest', write: (w, v) => w.bytes(v), read: (r) => r.rest() };

export function bytes(sizeBytes: number): Codec<Buffer> {
  return {
    doc: `bytes[${sizeBytes}]`,
    write(w, v) {
      if (v.length !== sizeBytes) throw new RangeError(`expected ${sizeBytes} bytes, got ${v.length}`);
      w.bytes(v);
    },
    read: (r) => r.bytes(sizeBytes),
  };
}

/** A fixed value: written as is, any other value received is an error. */
export function constant<T extends number>(codec: Codec<number>, value: T): Codec<T> {
  return {
    doc: `${codec.doc} = ${value}`,
    write: (w, _v, c) => codec.write(w, value, c),
    read(r, c) {
      const got = codec.read(r, c);
      if (got !== value) throw new ProtocolError(`expected ${value}, got ${got}`);
      return value;
    },
  };
}

/** Present only if bytes are left; at the end of a payload. */
export function optional<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    doc: `[${codec.doc}]`,
    write(w, v, c) {
      if (v !== undefined) codec.write(w, v, c);
    },
    read: (r, c) => (r.remaining === 0 ? undefined : codec.read(r, c)),
  };
}

/** Present only if `condition` of the fields before it holds. */
export function when<T>(text: string, condition: (context: Context) => boolean, codec: Codec<T>): Codec<T | undefined> {
  return {
    doc: `${codec.doc} if ${text}`,
    write(w, v, c) {
      if (!condition(c)) return;
      if (v === undefined) throw new RangeError(`missing field (needed since ${text})`);
      codec.write(w, v, c);
    },
    read: (r, c) => (condition(c) ? codec.read(r, c) : undefined),
  };
}

/** `count` items, the count written before them with `countCodec`. */
export function list<T>(countCodec: Codec<number>, item: Codec<T>): Codec<T[]> {
  return {
    doc: `${countCodec.doc} n, n × {${item.doc}}`,
    write(w, v, c) {
      countCodec.write(w, v.length, c);
      for (const one of v) item.write(w, one, c);
    },
    read(r, c) {
      const count = countCodec.read(r, c);
      const items: T[] = [];
      for (let i = 0; i < count; i++) items.push(readItem(r, c, item, i));
      return items;
    },
  };
}

/** Items up to the end of the payload. */
export function listToEnd<T>(item: Codec<T>): Codec<T[]> {
  return {
    doc: `… × {${item.doc}}`,
    write(w, v, c) {
      for (const one of v) item.write(w, one, c);
    },
    read(r, c) {
      const items: T[] = [];
      while (r.remaining > 0) items.push(readItem(r, c, item, items.length));
      return items;
    },
  };
}

function readItem<T>(r: Reader, c: Context, item: Codec<T>, index: number): T {
  const before = r.offset;
  try {
    const value = item.read(r, c);
    if (r.offset === before) throw new ProtocolError('empty list item');
    return value;
  } catch (error) {
    throw error instanceof ProtocolError ? error.at('', `[${index}]`) : error;
  }
}

/** Named fields one after the other; they can also be read into an object that has other members already. */
export interface StructCodec<T> extends Codec<T> {
  readInto(reader: Reader, record: Record<string, unknown>): T;
}

export function struct<F extends Fields>(fields: F): StructCodec<FieldsValue<F>> {
  const entries = Object.entries(fields);
  return {
    doc: entries.map(([key, codec]) => `${codec.doc} ${key}`).join(', '),
    write(w, v) {
      const record = v as Record<string, unknown>;
      for (const [key, codec] of entries) {
        try {
          codec.write(w, record[key], record);
        } catch (error) {
          throw new RangeError(`${key}: ${(error as Error).message}`, { cause: error });
        }
      }
    },
    read: (r) => readInto(r, {}),
    readInto,
  };

  function readInto(r: Reader, record: Record<string, unknown>): FieldsValue<F> {
    for (const [key, codec] of entries) {
      try {
        const value = codec.read(r, record);
        if (value !== undefined) record[key] = value;
      } catch (error) {
        throw error instanceof ProtocolError ? error.at('', key) : error;
      }
    }
    return record as FieldsValue<F>;
  }
}
