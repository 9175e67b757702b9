/**
 * The Wapiti metadata server. Runs as the daemon `mfsmaster`, or inside another process:
 *
 * @example
 * ```ts
 * import { masterConfig, startMaster } from '@wapiti-fs/mfsmaster';
 * import { configFrom, memoryLogger, systemClock, systemRandom, tcpNetwork } from '@wapiti-fs/runtime';
 *
 * // the folder holds a metadata.mfs, for a new file system with the text `MFSM NEW`
 * const { config } = configFrom(masterConfig, { DATA_PATH: '/var/lib/mfs', EXPORTS_FILENAME: '/etc/mfs/mfsexports.cfg' });
 * const services = { clock: systemClock, random: systemRandom, network: tcpNetwork, log: memoryLogger() };
 * const master = await startMaster(config, services);
 * await master.stop();
 * ```
 *
 * @packageDocumentation
 */
export { masterConfig, type MasterConfig } from './config.js';
export type { MasterContext, MasterService, StartMasterService } from './context.js';
export { startMaster, type RunningMaster } from './master.js';
export { restoreFolder } from './restore.js';
