/**
 * What every Wapiti daemon needs: clock, logger, configuration, framed TCP, life cycle, metrics, libc.
 *
 * @packageDocumentation
 */
export * from './clock.js';
export * from './random.js';
export * from './logger.js';
export * from './connection.js';
export * from './daemon-types.js';
export * from './system-clock.js';
export * from './fake-clock.js';
export * from './seeded-random.js';
export * from './errors.js';
export * from './tcp-network.js';
export * from './memory-network.js';
export * from './winston-logger.js';
export * from './memory-logger.js';
export * from './disk.js';
export { LibcError } from './libc/libc.js';
export * from './libc/locks.js';
export * from './libc/process.js';
export * from './libc/raw-socket.js';
export * from './config/index.js';
export * from './metrics.js';
export * from './metrics-server.js';
export { runDaemon, type DaemonSpec } from './daemon/run-daemon.js';
export type { DaemonOption } from './daemon/arguments.js';
export * from './link.js';
export * from './borrowed-connection.js';
export { takeGeneric } from './generic-requests.js';
export * from './node-disk.js';
export * from './memory-disk.js';
export * from './disk-files.js';
export * from './folder-files.js';
export { findStarter, startInBackground, type Starter } from './daemon/background.js';
