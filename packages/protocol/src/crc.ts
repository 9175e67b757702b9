import { crc32 as zlibCrc32 } from 'node:zlib';

/**
 * CRC-32 as zlib computes it (spec 01 §11). `start` continues an earlier checksum: `crc32(b, crc32(a))` is the checksum of
 * both together.
 */
export function crc32(data: Uint8Array, start = 0): number {
  return zlibCrc32(data, start);
}

const POLYNOMIAL = 0xedb88320;

/** Product of two polynomials modulo the CRC polynomial, reflected bit order. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if (a & bit) product ^= factor;
    factor = factor & 1 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1;
  }
  return product >>> 0;
}

/** x^(2^n) for n = 0…31, modulo the CRC polynomial. */
const powers = ((): Uint32Array => {
  const table = new Uint32Array(32);
  let power = 0x40000000; // x^1
  for (let n = 0; n < 32; n++) {
    table[n] = power;
    power = multiply(power, power);
  }
  return table;
})();

/** Operator that appends `lengthBytes` zero bytes to a checksummed text. */
function shiftOperator(lengthBytes: number): number {
  let operator = 0x80000000; // x^0
  // the exponent is in bits: start at 2^3
  for (let rest = lengthBytes, n = 3; rest > 0; rest = Math.floor(rest / 2), n++) {
    if (rest % 2 === 1) operator = multiply(powers[n & 31] as number, operator);
  }
  return operator;
}

/** Checksum of A‖B from the checksums of A and of B (zlib's crc32_combine). */
export function crc32Combine(crcA: number, crcB: number, lengthBBytes: number): number {
  return (multiply(shiftOperator(lengthBBytes), crcA) ^ crcB) >>> 0;
}

/**
 * The 32-bit hash `M(data, seed)` of spec 01 §11: MurmurHash3 whose body words are read big-endian while the tail bytes
 * are assembled little-endian.
 */
export function murmurHash(data: Uint8Array, seed: number): number {
  const view = Buffer.from(data.buffer, data.byteOffset, data.length);
  const mix = (k: number): number => {
    const m = Math.imul(k, 0xcc9e2d51);
    return Math.imul((m << 15) | (m >>> 17), 0x1b873593);
  };
  let h = seed | 0;
  const body = data.length & ~3;
  for (let i = 0; i < body; i += 4) {
    h ^= mix(view.readInt32BE(i));
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let i = data.length - 1; i >= body; i--) tail = (tail << 8) | (data[i] as number);
  if (data.length > body) h ^= mix(tail);
  h ^= data.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
