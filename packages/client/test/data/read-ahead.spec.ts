import { ReadAhead } from '../../src/data/read-ahead';

const KIB = 1024;
const MIB = 1024 * KIB;

describe('ReadAhead', () => {
  test('grows with what a sequential reader has read, up to the limit', () => {
    const ahead = new ReadAhead(8 * MIB);
    const windows: number[] = [];
    for (let at = 0; at < 32 * MIB; at += MIB) windows.push(ahead.note(at, at + MIB));
    expect(windows.slice(0, 4)).toEqual([MIB, 2 * MIB, 3 * MIB, 4 * MIB]);
    expect(windows.at(-1)).toBe(8 * MIB);
  });

  test('nothing is read ahead of jumps', () => {
    const ahead = new ReadAhead(8 * MIB);
    for (const at of [50 * MIB, 10 * MIB, 90 * MIB]) expect(ahead.note(at, at + 4096)).toBe(0);
  });

  test('reads that come a little out of order are still sequential', () => {
    const ahead = new ReadAhead(8 * MIB);
    ahead.note(0, 128 * KIB);
    for (const at of [256, 128, 512, 384]) expect(ahead.note(at * KIB, (at + 128) * KIB)).toBeGreaterThan(0);
  });

  test('two readers of one file are told apart, and what lies behind both has passed', () => {
    const ahead = new ReadAhead(8 * MIB);
    for (let at = 0; at < 4 * MIB; at += MIB) {
      expect(ahead.note(at, at + MIB)).toBeGreaterThan(0);
      ahead.note(100 * MIB + at, 101 * MIB + at);
    }
    expect(ahead.passed(0, MIB)).toBe(true);
    expect(ahead.passed(3 * MIB, 5 * MIB)).toBe(false);
    expect(ahead.passed(104 * MIB, 108 * MIB)).toBe(false);
    expect(ahead.passed(60 * MIB, 61 * MIB)).toBe(true);
  });
});
