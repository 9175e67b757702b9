/**
 * Wapiti client library: session, read and write engines, an fs/promises-like API.
 *
 * @packageDocumentation
 */
export * from './data/chunk-master.js';
export * from './data/data.js';
