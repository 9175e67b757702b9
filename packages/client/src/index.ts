/**
 * A MooseFS 3 file system from Node, without a mount: the operations of `node:fs/promises` on top of a session with the master and
 * engines that read from and write to chunkservers. While the master is away, operations wait.
 *
 * @example
 * ```ts
 * import { WapitiFs } from '@wapiti-fs/client';
 * const fs = await WapitiFs.connect({ master: '127.0.0.1:19421' }); // as started by `wapiti dev`
 * await fs.writeFile('/hello', 'world');
 * console.log(await fs.readFile('/hello', 'utf8'));
 * for await (const entry of fs.opendir('/')) console.log(entry.name, entry.isDirectory());
 * await fs.close();
 * ```
 *
 * @packageDocumentation
 */
export * from './errors.js';
export type { SessionInfo, SessionOptions, SessionServices } from './session/options.js';
export { MasterSession } from './session/session.js';
export type { ChunkChanged, SessionListener } from './session/listener.js';
export type { Reply, RequestOptions } from './session/requests.js';
export type { FileTimes, OpenInodes } from './session/reports.js';
export { MfsClient } from './client/client.js';
export type { Acl } from './client/xattrs.js';
export * from './client/types.js';
export type * from './data/chunk-master.js';
export type * from './data/data.js';
export { createDataEngine } from './data/data-engine.js';
export { DataError } from './data/errors.js';
export { attachData } from './api/attach-data.js';
export { WapitiFs, type Abortable, type ConnectSettings } from './api/wapiti-fs.js';
export { FileHandle, type ReadStreamOptions, type WriteStreamOptions } from './api/file-handle.js';
export { BLOCK_SIZE, Dirent, Stats, type StatsFs } from './api/stats.js';
export type { PathLike } from './api/paths.js';
