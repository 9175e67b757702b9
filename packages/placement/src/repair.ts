/** What can be done for a chunk without a good copy (spec 10 §15 step 2). */
import type { ChunkTable } from './chunk-table.js';
import type { ChunkState, Copy } from './copies.js';

/** One version is given by an operation that a restart of the master cut off, another by the rescue of untouched copies. */
const MAX_VERSIONS_BEHIND = 2;
/** Given to servers by a master whose records did not reach this one; two at once while servers were missing. */
const MAX_VERSIONS_AHEAD = 2;

/**
 * Takes the copies of another version for good, where that is so near the chunk's that an operation which was cut off explains it.
 * Those ahead were made from copies of the version that the chunk has, and hold all that they hold. Those behind are only good when
 * no server is missing which may hold a better copy, and as many as the goal are there.
 */
export function acceptOtherVersion(
  chunkId: number,
  chunk: ChunkState,
  table: ChunkTable,
  allServersPresent: boolean,
): boolean {
  const version = table.version(chunkId);
  if (version === undefined) return false;
  const wrong: Copy[] = [];
  for (const copy of chunk.copies.values()) {
    if (copy.state === 'valid' || copy.state === 'busy') return false;
    if (copy.state === 'wrongVersion') wrong.push(copy);
  }
  const best = Math.max(0, ...wrong.map((copy) => copy.version));
  if (best === 0 || best > version + MAX_VERSIONS_AHEAD) return false;
  if (best < version) {
    if (!allServersPresent || best < version - MAX_VERSIONS_BEHIND || wrong.length < table.goal(chunkId)) return false;
  }
  table.setVersion(chunkId, best);
  for (const copy of wrong) if (copy.version === best) copy.state = 'valid';
  chunk.needsVersion = true;
  return true;
}
