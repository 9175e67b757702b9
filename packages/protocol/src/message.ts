import { Reader, Writer } from './bytes.js';
import { type Codec, type Fields, type FieldsValue, struct, type StructCodec, u32, u8 } from './codec.js';
import { ProtocolError } from './errors.js';

/** Size of the frame header: u32 type, u32 payload length (spec 01 §2). */
export const HEADER_SIZE_BYTES = 8;

export type Peer = 'any' | 'client' | 'master' | 'chunkserver' | 'metalogger' | 'tool';

export interface MessageInfo {
  /** Section that defines the layout, such as `02 §6.3`. */
  readonly spec: string;
  readonly from: Peer;
  readonly to: Peer;
  readonly summary?: string;
}

/** One message of the catalogue: its encoder, decoder and documentation. */
export interface Message<T> extends MessageInfo {
  readonly name: string;
  readonly type: number;
  readonly doc: string;
  /** What the payload may look like: one layout named '', or the layouts by variant. Trailing data is not part of them. */
  readonly layouts: Readonly<Record<string, Codec<unknown>>>;
  /** The whole frame: header and payload. Values out of range are a RangeError. */
  encode(value: T): Buffer;
  /**
   * The frame in two buffers, the second being the message's trailing data itself, uncopied; messages without trailing
   * data give one buffer.
   */
  encodeParts(value: T): Buffer[];
  /** The value of a payload (without header). Every byte must be used; errors are ProtocolErrors naming message and field. */
  decode(payload: Buffer): T;
}

export type MessageValue<M> = M extends Message<infer T> ? T : never;

const catalogue: Message<unknown>[] = [];

/** All declared messages, in order of declaration. */
export function allMessages(): readonly Message<unknown>[] {
  return catalogue;
}

/** `body` writes all but the trailing data, which is the value's member `tail`, when there is one. */
function declare<T>(
  name: string,
  type: number,
  info: MessageInfo,
  body: Codec<T>,
  layouts: Readonly<Record<string, Codec<unknown>>>,
  tail?: string,
): Message<T> {
  const declared: Message<T> = {
    ...info,
    name,
    type,
    doc: body.doc,
    layouts,
    encode(value) {
      const parts = declared.encodeParts(value);
      return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    },
    encodeParts(value) {
      const writer = new Writer();
      writer.u32(type);
      writer.u32(0);
      try {
        body.write(writer, value, {});
      } catch (error) {
        throw new RangeError(`${name}.${(error as Error).message}`, { cause: error });
      }
      if (tail === undefined) {
        writer.patchU32(4, writer.sizeBytes - HEADER_SIZE_BYTES);
        return [writer.finish()];
      }
      const data = (value as Record<string, unknown>)[tail] as Buffer;
      writer.patchU32(4, writer.sizeBytes - HEADER_SIZE_BYTES + data.length);
      return [writer.finish(), data];
    },
    decode(payload) {
      const reader = new Reader(payload);
      try {
        const value = body.read(reader, {});
        if (reader.remaining > 0) throw new ProtocolError(`${reader.remaining} bytes too many`);
        return value;
      } catch (error) {
        throw error instanceof ProtocolError ? error.at(name, '') : error;
      }
    },
  };
  catalogue.push(declared as Message<unknown>);
  return declared;
}

/** Declares a message with one layout. */
export function message<F extends Fields>(
  name: string,
  type: number,
  info: MessageInfo,
  fields: F,
): Message<FieldsValue<F>> {
  const body = struct(fields);
  return declare(name, type, info, body, { '': body as Codec<unknown> });
}

/**
 * Declares a message that ends with `size` bytes of data, `size` being the field before (spec 04 §4): a payload whose
 * length does not agree with it is an error. {@link Message.encodeParts} does not copy the data.
 */
export function dataMessage<F extends Fields>(
  name: string,
  type: number,
  info: MessageInfo,
  fields: F & { readonly size: Codec<number> },
): Message<FieldsValue<F> & { data: Buffer }> {
  const head = struct(fields as F);
  const body: Codec<FieldsValue<F> & { data: Buffer }> = {
    doc: `${head.doc}, bytes[size] data`,
    write(writer, value, context) {
      const size = (value as unknown as { size: number }).size;
      if (size !== value.data.length) throw new RangeError(`size ${size} with ${value.data.length} bytes of data`);
      head.write(writer, value, context);
    },
    read(reader, context) {
      const value = head.read(reader, context);
      const size = (value as unknown as { size: number }).size;
      if (size !== reader.remaining)
        throw new ProtocolError(`size ${size} with ${reader.remaining} bytes of data`, '', 'data');
      return Object.assign(value, { data: reader.rest() });
    },
  };
  return declare(name, type, info, body, { '': head as Codec<unknown> }, 'data');
}

type VariantValue<V extends Record<string, Fields>> = {
  [K in keyof V]: { variant: K } & FieldsValue<V[K]>;
}[keyof V];

/** Declares a message with several layouts, told apart by the payload (its length or first bytes). */
export function variants<V extends Record<string, Fields>>(
  name: string,
  type: number,
  info: MessageInfo,
  layouts: V,
  pick: (payload: Buffer) => keyof V & string,
): Message<VariantValue<V>> {
  const codecs = new Map(Object.entries(layouts).map(([key, fields]) => [key, struct(fields)]));
  const body: Codec<VariantValue<V>> = {
    doc: [...codecs].map(([key, codec]) => `${key}: ${codec.doc || 'empty'}`).join(' — '),
    write(writer, value, context) {
      const codec = codecs.get(value.variant as string);
      if (codec === undefined) throw new RangeError(`unknown variant ${String(value.variant)}`);
      codec.write(writer, value as never, context);
    },
    read(reader) {
      const variant = pick(reader.buffer);
      const codec = codecs.get(variant) as StructCodec<object>;
      return codec.readInto(reader, { variant }) as VariantValue<V>;
    },
  };
  return declare(name, type, info, body, Object.fromEntries(codecs) as Record<string, Codec<unknown>>);
}

const statusFields = { msgid: u32, status: u8 };

const byNumber = new Map<number, Message<unknown>[]>();

/** The message that `receiver` understands under this number; 499 means different things by direction. */
export function findMessage(type: number, receiver?: Peer): Message<unknown> | undefined {
  if (byNumber.size === 0) {
    for (const one of catalogue) byNumber.set(one.type, [...(byNumber.get(one.type) ?? []), one]);
  }
  const candidates = byNumber.get(type) ?? [];
  return candidates.find((one) => one.to === receiver || one.to === 'any') ?? candidates[0];
}

/** Wire name for logs, such as `CLTOMA_FUSE_LOOKUP`; the number for an unknown one. */
export function messageName(type: number, receiver?: Peer): string {
  return findMessage(type, receiver)?.name ?? `message ${type}`;
}

/**
 * Declares an answer of the master to a client: `{variant: 'ok', msgid, …fields}`, or `{variant: 'status', msgid, status}`
 * when the payload has five bytes (spec 02 §2.2).
 */
export function answer<F extends Fields>(
  name: string,
  type: number,
  info: MessageInfo,
  fields: F,
): Message<
  | ({ variant: 'status' } & FieldsValue<typeof statusFields>)
  | ({ variant: 'ok' } & FieldsValue<{ msgid: typeof u32 } & F>)
> {
  return variants(name, type, info, { status: statusFields, ok: { msgid: u32, ...fields } }, (payload) =>
    payload.length === 5 ? 'status' : 'ok',
  ) as never;
}
