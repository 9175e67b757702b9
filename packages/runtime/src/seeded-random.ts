import { randomBytes, randomInt } from 'node:crypto';

import type { Random } from './random.js';

/** Randomness of the operating system. */
export const systemRandom: Random = {
  u32: () => randomBytes(4).readUInt32LE(0),
  bytes: (sizeBytes) => randomBytes(sizeBytes),
  below: (bound) => {
    checkBound(bound);
    return bound <= 1 ? 0 : bound < 2 ** 48 ? randomInt(bound) : wideBelow(systemRandom, bound);
  },
};

/** Reproducible randomness (xoshiro128**, seeded by splitmix32): same seed, same sequence. Not for secrets. */
export class SeededRandom implements Random {
  private readonly state = new Uint32Array(4);

  constructor(readonly seed: number) {
    let z = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      z = (z + 0x9e3779b9) >>> 0;
      let word = z;
      word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
      word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
      this.state[i] = word ^ (word >>> 15);
    }
  }

  u32(): number {
    const [a, b, c, d] = this.state as unknown as [number, number, number, number];
    const mixed = Math.imul(b, 5);
    const result = Math.imul((mixed << 7) | (mixed >>> 25), 9) >>> 0;
    const nextC = c ^ a;
    const nextD = d ^ b;
    this.state[1] = b ^ nextC;
    this.state[0] = a ^ nextD;
    this.state[2] = nextC ^ (b << 9);
    this.state[3] = (nextD << 11) | (nextD >>> 21);
    return result;
  }

  bytes(sizeBytes: number): Buffer {
    const bytes = Buffer.alloc(sizeBytes);
    for (let i = 0; i < sizeBytes; i += 4) {
      const word = this.u32();
      for (let j = 0; j < 4 && i + j < sizeBytes; j++) bytes[i + j] = word >>> (8 * j);
    }
    return bytes;
  }

  below(bound: number): number {
    checkBound(bound);
    return wideBelow(this, bound);
  }
}

function checkBound(bound: number): void {
  if (!Number.isSafeInteger(bound) || bound < 1) throw new RangeError(`bound must be an integer ≥ 1, not ${bound}`);
}

/** Uniform by rejection over 53 bits (or 32 where they suffice). */
function wideBelow(random: Random, bound: number): number {
  const wide = bound > 2 ** 32;
  const range = wide ? 2 ** 53 : 2 ** 32;
  const limit = range - (range % bound);
  for (;;) {
    const value = wide ? (random.u32() & 0x1fffff) * 2 ** 32 + random.u32() : random.u32();
    if (value < limit) return value % bound;
  }
}
