/**
 * CRC32 arithmetic for partial block writes. A CRC without its initial and final inversion is linear over GF(2), so
 * replacing bytes inside a block changes the block's CRC by (crc(old) ^ crc(new)) · x^(8·bytes behind), and a block of
 * 64 KiB need not be read through again.
 */
const POLYNOMIAL = 0xedb88320;

/** a·b modulo the CRC polynomial; reflected bit order, bit 31 is x^0. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = 31; bit >= 0; bit--) {
    if ((a >>> bit) & 1) product ^= factor;
    factor = factor & 1 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1;
  }
  return product >>> 0;
}

/** x^(8·2^k) for k = 0…31. */
const powers = new Uint32Array(32);
powers[0] = 0x00800000;
for (let k = 1; k < 32; k++) powers[k] = multiply(powers[k - 1] as number, powers[k - 1] as number);

/** `difference` · x^(8·sizeBytes): what a change of CRC becomes when `sizeBytes` equal bytes follow. */
export function shiftCrc(difference: number, sizeBytes: number): number {
  let result = difference;
  for (let k = 0, left = sizeBytes; left > 0; k++, left >>>= 1) {
    if (left & 1) result = multiply(powers[k] as number, result);
  }
  return result >>> 0;
}

/** CRC of A‖B from the CRCs of both and the length of B (spec 04 §2). */
export function combineCrc(first: number, second: number, secondSizeBytes: number): number {
  return (shiftCrc(first, secondSizeBytes) ^ second) >>> 0;
}

/**
 * CRC of a block after a range of it was replaced by another of equal length.
 *
 * @param behindSizeBytes number of bytes between the end of the range and the end of the block
 */
export function replaceInCrc(blockCrc: number, oldCrc: number, newCrc: number, behindSizeBytes: number): number {
  return (blockCrc ^ shiftCrc(oldCrc ^ newCrc, behindSizeBytes)) >>> 0;
}
