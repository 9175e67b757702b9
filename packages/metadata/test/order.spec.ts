import fc from 'fast-check';
import { imageOrder, inOrder, PAUSE } from '../src/image/order.js';

test('all numbers once, by rank, and by key from above where ranks meet', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 32 - 1 })),
      fc.integer({ min: 1, max: 50 }),
      (numbers, n) => {
        const rank = (number: number): number => number % n;
        const expected = [...numbers].sort((a, b) => rank(a) - rank(b) || b - a);
        expect([
          ...inOrder(
            () => numbers,
            numbers.length,
            rank,
            n,
            (number) => number,
          ),
        ]).toEqual(expected);
      },
    ),
  );
});

test('more than a million records: ascending, with pauses', () => {
  const count = 1_100_000;
  function* numbers(): Generator<number> {
    for (let i = 0; i < count; i++) yield ((i * 7919) % count) + 1;
  }
  const order = imageOrder(numbers, count, (number) => number, count + 1);
  let pauses = 0;
  let last = 0;
  for (const number of order) {
    if (number === PAUSE) pauses++;
    else if (number !== ++last) throw new Error(`${number} follows ${last - 1}`);
  }
  expect(last).toBe(count);
  expect(pauses).toBeGreaterThan(20);
});
