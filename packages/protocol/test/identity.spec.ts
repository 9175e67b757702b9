import fc from 'fast-check';

import { allMessages, type Message, ProtocolError } from '../src/index.js';
import { inventValue } from './generate.js';

const layouts = allMessages().flatMap((message) =>
  Object.keys(message.layouts).map((layout) => ({ name: `${message.name} ${layout}`, message, layout })),
);

/** Counts of lists are bytes of the packet: what a decoder builds cannot be larger than that by more than this. */
const MAX_MEMBERS_PER_BYTE = 4;

function members(value: unknown): number {
  if (Buffer.isBuffer(value) || typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, one) => sum + members(one), 1);
}

function decoded(message: Message<unknown>, payload: Buffer): unknown {
  try {
    return message.decode(payload);
  } catch (error) {
    if (error instanceof ProtocolError && error.message.startsWith(message.name)) return undefined;
    throw error;
  }
}

describe('every layout of every message', () => {
  it.each(layouts)('$name: what is encoded is decoded to the same', ({ message, layout }) => {
    let same = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const value = inventValue(message, layout, seed);
      if (value === undefined) continue;
      const frame = message.encode(value);
      const back = message.decode(frame.subarray(8)) as Record<string, unknown>;
      expect(message.encode(back).equals(frame)).toBe(true);
      // Some layouts differ by length only: a value of one may have the bytes of another.
      if (back.variant !== value.variant) continue;
      expect(back).toEqual(value);
      same += 1;
    }
    expect(same).toBeGreaterThan(2);
  });
});

test('a payload that is cut, prolonged or changed gives a value or a ProtocolError, and nothing larger than the payload', () => {
  fc.assert(
    fc.property(
      fc.nat(layouts.length - 1),
      fc.nat(),
      fc.array(fc.record({ at: fc.nat(400), byte: fc.nat(255) }), { maxLength: 4 }),
      fc.integer({ min: -20, max: 20 }),
      (index, seed, changes, longer) => {
        const { message, layout } = layouts[index] as (typeof layouts)[number];
        const value = inventValue(message, layout, seed);
        fc.pre(value !== undefined);
        const payload = message.encode(value).subarray(8);
        const size = Math.max(0, payload.length + longer);
        const changed = Buffer.concat([payload, Buffer.alloc(20, seed)]).subarray(0, size);
        for (const { at, byte } of changes) if (at < size) changed[at] = byte;
        const result = decoded(message, changed);
        if (result !== undefined) expect(members(result)).toBeLessThan(60 + MAX_MEMBERS_PER_BYTE * size);
      },
    ),
    { numRuns: 8000 },
  );
});
