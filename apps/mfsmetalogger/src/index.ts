/**
 * The Wapiti metalogger (spec 06): keeps a copy of a master's metadata on another host - its image, downloaded now and then, and
 * every change since, written as it is made. From the folder a master can be started (`mfsmaster -a`, `mfsmetarestore -a`), ours
 * or the one of MooseFS 3.0.117; the same folder can be used by the metalogger of MooseFS, before or after.
 *
 * ```ts
 * const metalogger = await startMetalogger({ ...configFrom(metaloggerConfig).config, dataPath, masterHost }, services);
 * await metalogger.stop();
 * ```
 *
 * @packageDocumentation
 */
export { type MetaloggerConfig, metaloggerConfig } from './config.js';
export { type RunningMetalogger, startMetalogger } from './metalogger.js';
