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
export { lockWholeFile } from './file-lock.js';
