/**
 * The Wapiti metadata server.
 *
 * @packageDocumentation
 */
export { masterConfig, type MasterConfig } from './config.js';
export type { MasterContext, MasterService, StartMasterService } from './context.js';
export { startMaster, type RunningMaster } from './master.js';
export { restoreFolder } from './restore.js';
