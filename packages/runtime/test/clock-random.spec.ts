import fc from 'fast-check';

import { FakeClock, SeededRandom, sleepOn, systemClock, systemRandom } from '../src/index.js';

describe('FakeClock', () => {
  it('fires timers in order, each seeing its own time', () => {
    const clock = new FakeClock(1000);
    const seen: [string, number][] = [];
    const note = (name: string) => (): void => void seen.push([name, clock.nowMs()]);
    clock.after(20, note('b'));
    clock.after(10, () => {
      note('a')();
      clock.after(5, note('a2'));
    });
    clock.after(20, note('c'));
    const every = clock.every(15, note('e'));
    clock.after(5, note('cancelled')).cancel();
    clock.advance(30);
    expect(seen).toEqual([
      ['a', 1010],
      ['e', 1015],
      ['a2', 1015],
      ['b', 1020],
      ['c', 1020],
      ['e', 1030],
    ]);
    every.cancel();
    expect(clock.pendingTimers).toBe(0);
    expect(clock.monotonicMs()).toBe(30);
  });

  it('can step its wall clock without touching timers', () => {
    const clock = new FakeClock(1000);
    const fired = jest.fn();
    clock.after(10, fired);
    clock.stepWallClock(-500);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([500, 0]);
    clock.advance(10);
    expect(fired).toHaveBeenCalledTimes(1);
  });

  it('advanceAsync lets what waits for a timer go on before the next', async () => {
    const clock = new FakeClock();
    const sleep = sleepOn(clock);
    const times: number[] = [];
    const loop = (async () => {
      for (let i = 0; i < 3; i++) {
        await sleep(10);
        times.push(clock.monotonicMs());
      }
    })();
    await clock.advanceAsync(100);
    await loop;
    expect(times).toEqual([10, 20, 30]);
  });

  it('sleep ends with the reason of an abort, and leaves no timer', async () => {
    const clock = new FakeClock();
    const abort = new AbortController();
    const sleeping = sleepOn(clock)(1000, abort.signal);
    abort.abort(new Error('stop it'));
    await expect(sleeping).rejects.toThrow('stop it');
    expect(clock.pendingTimers).toBe(0);
    await expect(sleepOn(clock)(1, abort.signal)).rejects.toThrow('stop it');
  });
});

describe('systemClock', () => {
  it('waits at least as long as asked, and can be cancelled', async () => {
    const startMs = systemClock.monotonicMs();
    const cancelled = jest.fn();
    systemClock.after(1, cancelled).cancel();
    const far = systemClock.after(2 ** 33, cancelled); // longer than Node can count: must not fire at once
    await sleepOn(systemClock)(20);
    expect(systemClock.monotonicMs() - startMs).toBeGreaterThanOrEqual(19);
    expect(cancelled).not.toHaveBeenCalled();
    far.cancel();
    let count = 0;
    await new Promise<void>((resolve) => {
      const timer = systemClock.every(1, () => {
        if (++count === 3) {
          timer.cancel();
          resolve();
        }
      });
    });
  });
});

describe('randomness', () => {
  it('of a seed repeats itself, and differs between seeds', () => {
    const draw = (seed: number): unknown => {
      const random = new SeededRandom(seed);
      return [random.u32(), random.bytes(7).toString('hex'), random.below(1000), random.below(2 ** 50)];
    };
    expect(draw(42)).toEqual(draw(42));
    expect(draw(42)).not.toEqual(draw(43));
  });

  it.each([
    ['seeded', new SeededRandom(7)],
    ['system', systemRandom],
  ])('%s stays below its bound', (_name, random) => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.integer({ min: 1, max: 100 }),
          fc.maxSafeNat().map((n) => Math.max(n, 1)),
        ),
        (bound) => {
          const value = random.below(bound);
          return Number.isInteger(value) && value >= 0 && value < bound;
        },
      ),
    );
    expect(() => random.below(0)).toThrow(RangeError);
    expect(() => random.below(1.5)).toThrow(RangeError);
  });

  it('seeded is even: every value of a small range about as often', () => {
    const random = new SeededRandom(1);
    const counts = new Map<number, number>();
    for (let i = 0; i < 100_000; i++) {
      const value = random.below(10);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    expect(counts.size).toBe(10);
    for (const count of counts.values()) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});
