/**
 * Umbrella command: whole cluster in one process, file transfer.
 *
 * @packageDocumentation
 */
export { runCli } from './cli.js';
