/**
 * The Wapiti chunkserver (spec 03, 04, 05): keeps chunks on disks and serves them to clients and to other chunkservers. Speaks
 * the protocol of MooseFS 3.0.117 and can take the place of its chunkserver, with the same folders, or the reverse.
 *
 * ```ts
 * const server = await startChunkserver({ ...DEFAULT_CONFIG, dataPath, hddLines: ['/srv/disk1'], masterHost }, services);
 * await server.stop();
 * ```
 *
 * @packageDocumentation
 */
export { type ChunkserverConfig, chunkserverConfig, DEFAULT_CONFIG } from './config.js';
export { type RunningChunkserver, startChunkserver } from './chunkserver.js';
