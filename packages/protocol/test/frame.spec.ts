import fc from 'fast-check';

import { FrameParser } from '../src/index.js';

function frame(type: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(type, 0);
  head.writeUInt32BE(payload.length, 4);
  return Buffer.concat([head, payload]);
}

const frames = fc.array(fc.record({ type: fc.nat(1000), payload: fc.uint8Array({ maxLength: 400 }) }), {
  maxLength: 12,
});

describe('FrameParser', () => {
  it('gives the frames of a stream, however it is split', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 40 }), (list, steps) => {
        fc.pre(steps.some((step) => step > 0));
        const stream = Buffer.concat(list.map(({ type, payload }) => frame(type, payload)));
        const parser = new FrameParser(400);
        const got: { type: number; payload: Uint8Array }[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const step = steps[i % steps.length] as number;
          // The socket's buffer is used again: what was handed out in earlier turns must not depend on it.
          const chunk = Buffer.from(stream.subarray(at, at + step));
          at += step;
          for (const one of parser.push(chunk)) got.push({ type: one.type, payload: Uint8Array.from(one.payload) });
          chunk.fill(0xee);
        }
        expect(got).toEqual(list.map(({ type, payload }) => ({ type, payload: Uint8Array.from(payload) })));
      }),
    );
  });

  it('hands out payloads that arrive whole as views', () => {
    const chunk = Buffer.concat([
      frame(1, Buffer.alloc(10)),
      frame(2, Buffer.alloc(70_000)),
      frame(3, Buffer.alloc(0)),
    ]);
    for (const { payload } of new FrameParser(100_000).push(chunk)) expect(payload.buffer).toBe(chunk.buffer);
  });

  it('copies a payload that comes byte by byte once, not once a byte', () => {
    const size = 1_000_000;
    const stream = frame(7, Buffer.alloc(size, 5));
    const parser = new FrameParser(size);
    const copied = jest.spyOn(Buffer.prototype, 'copy');
    try {
      let got = 0;
      for (let at = 0; at < stream.length; at++) {
        for (const { payload } of parser.push(stream.subarray(at, at + 1))) got += payload.length;
      }
      expect(got).toBe(size);
      const copiedBytes = copied.mock.results.reduce((sum, { value }) => sum + (value as number), 0);
      // All once, and at most as much again when memory grows.
      expect(copiedBytes).toBeLessThan(3 * size);
    } finally {
      copied.mockRestore();
    }
  });

  it('takes no memory for what is announced but does not arrive', () => {
    const allocated = jest.spyOn(Buffer, 'allocUnsafe');
    try {
      const parser = new FrameParser(1_000_000_000);
      const head = frame(7, Buffer.alloc(0));
      head.writeUInt32BE(900_000_000, 4);
      expect([...parser.push(head)]).toEqual([]);
      for (let i = 0; i < 100; i++) expect([...parser.push(Buffer.alloc(1000))]).toEqual([]);
      const sizes = allocated.mock.calls.map(([size]) => size);
      expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(256 * 1024);
    } finally {
      allocated.mockRestore();
    }
  });

  it('refuses an announced length above the limit before its payload arrives, also when the header comes in pieces', () => {
    const parser = new FrameParser((type) => (type === 5 ? 10 : 1000));
    const head = frame(5, Buffer.alloc(11)).subarray(0, 8);
    expect([...parser.push(head.subarray(0, 7))]).toEqual([]);
    expect(() => [...parser.push(head.subarray(7))]).toThrow('packet too long (11/10); command:5');
  });
});
