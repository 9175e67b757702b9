/**
 * The Wapiti FUSE mount.
 *
 * @example
 * ```ts
 * import { parseMountCommand, startMount } from '@wapiti-fs/mfsmount';
 * import { createLogger, systemClock, systemRandom, tcpNetwork } from '@wapiti-fs/runtime';
 *
 * const parsed = parseMountCommand(['-H', 'mfsmaster', '/mnt/mfs'], { programName: 'mfsmount', readFile: () => undefined });
 * if (parsed.kind === 'mount') {
 *   const log = createLogger({ ident: 'mfsmount' });
 *   const mount = await startMount(parsed.settings, { clock: systemClock, random: systemRandom, network: tcpNetwork, log });
 *   await mount.ended;
 * }
 * ```
 *
 * @packageDocumentation
 */
export { RunningMount, startMount } from './start.js';
export { parseMountCommand, type ParseContext, type ParsedCommandLine } from './options/parse.js';
export { type CacheMode, type MountSettings, UsageError } from './options/settings.js';
export { MountFileSystem } from './fs/mount-file-system.js';
