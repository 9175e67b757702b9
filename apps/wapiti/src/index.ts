/**
 * Umbrella command: whole cluster in one process, file transfer.
 *
 * @packageDocumentation
 */
export { startDevCluster, type DevCluster, type DevOptions } from './dev.js';
export { runCli } from './cli.js';
