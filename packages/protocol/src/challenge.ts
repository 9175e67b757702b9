import { createHash } from 'node:crypto';

/** MD5 of a password, which stands for it in exports and registrations (spec 12 §9). */
export function passwordDigest(password: string | Uint8Array): Buffer {
  return createHash('md5').update(password).digest();
}

/**
 * Answer to a challenge of a master: MD5 over `secret` between the halves of the 32 random bytes. The secret is the
 * {@link passwordDigest} for a client (spec 02 §3.2) and the AUTH_CODE itself for a chunkserver (spec 03 §6).
 */
export function challengeAnswer(random: Uint8Array, secret: string | Uint8Array): Buffer {
  return createHash('md5').update(random.subarray(0, 16)).update(secret).update(random.subarray(16)).digest();
}
