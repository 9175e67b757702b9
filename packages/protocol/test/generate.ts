import { type Codec, FUSE_REGISTER_BLOB_ACL, type Message, ProtocolError, Reader } from '../src/index.js';

/** A random number generator: the same seed gives the same numbers. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000;
  };
}

const MAX_READS = 2000;

/** A reader of bytes that do not exist yet: whatever is asked for is made up, small numbers and edges more often. */
class InventingReader extends Reader {
  private reads = 0;
  lastRead = -1;

  constructor(
    private readonly random: () => number,
    private readonly forced: ReadonlyMap<number, number>,
  ) {
    super(Buffer.alloc(0));
  }

  private number(bits: number): number {
    const call = this.reads++;
    this.lastRead = call;
    if (call > MAX_READS) throw new ProtocolError('too long');
    this.offset += bits / 8;
    const max = 2 ** bits - 1;
    const kind = this.random();
    const value = kind < 0.5 ? Math.floor(this.random() * 4) : kind < 0.6 ? max : Math.floor(this.random() * (max + 1));
    return this.forced.get(call) ?? value;
  }

  override get remaining(): number {
    return this.random() < 0.3 ? 0 : Number.MAX_SAFE_INTEGER;
  }
  override u8 = (): number => this.number(8);
  override u16 = (): number => this.number(16);
  override u32 = (): number => this.number(32);
  override u64 = (): bigint => (BigInt(this.number(32)) << 32n) | BigInt(this.number(32));
  override u64n = (): number => this.number(21) * 0x100000000 + this.number(32);
  override bytes = (sizeBytes: number): Buffer => {
    if (sizeBytes > 300) throw new ProtocolError('too long');
    this.offset += sizeBytes;
    if (sizeBytes === FUSE_REGISTER_BLOB_ACL.length) return FUSE_REGISTER_BLOB_ACL;
    const made = Buffer.from(Array.from({ length: sizeBytes }, () => Math.floor(this.random() * 256)));
    // Many texts end with a zero byte.
    if (sizeBytes > 0 && this.random() < 0.5) made[sizeBytes - 1] = 0;
    return made;
  };
  override rest = (): Buffer => this.bytes(Math.floor(this.random() * 30));
}

/** A value that a layout can have, or undefined when this seed leads nowhere. */
function invent(codec: Codec<unknown>, seed: number): unknown {
  const forced = new Map<number, number>();
  for (let attempt = 0; attempt < 10; attempt++) {
    const reader = new InventingReader(numbers(seed), forced);
    try {
      return codec.read(reader, {});
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const expected = /expected (\d+), got/.exec(error.message)?.[1];
      if (expected === undefined) return undefined;
      forced.set(reader.lastRead, Number(expected));
    }
  }
  return undefined;
}

/** A value of a message in one of its layouts; undefined when this seed leads nowhere. */
export function inventValue(
  message: Message<unknown>,
  layout: string,
  seed: number,
): Record<string, unknown> | undefined {
  const codec = message.layouts[layout];
  const value = codec === undefined ? undefined : invent(codec, seed);
  if (value === undefined) return undefined;
  const record = value as Record<string, unknown>;
  if (message.doc.endsWith('bytes[size] data')) {
    const data = Buffer.alloc(seed % 100, seed);
    return { ...record, size: data.length, data };
  }
  // Told apart by the digit that a version begins with.
  if (message.name === 'ANTOAN_VERSION') record.text = Buffer.from('3.0.117');
  return layout === '' ? record : { variant: layout, ...record };
}
