/**
 * Inode-level file system interface and its /dev/fuse transport.
 *
 * @example
 * ```ts
 * import { mountDevFuse, type InodeFileSystem } from '@wapiti-fs/fuse';
 * declare const fs: InodeFileSystem;
 * const mounted = await mountDevFuse(fs, { mountPoint: '/mnt/mfs', source: 'mfs#mfsmaster:9421' });
 * await mounted.ended;
 * ```
 *
 * @packageDocumentation
 */
export * from './filesystem.js';
export * from './session.js';
export * from './mount.js';
export * as fuseConstants from './constants.js';
