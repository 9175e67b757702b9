/**
 * The file system as data: nodes, edges, chunks, sessions; operations, changelog, replay, image. Pure and deterministic.
 *
 * @packageDocumentation
 */
export * from './store/index.js';
export * from './ops/index.js';
export * from './changelog/index.js';
export * from './image/index.js';
export * from './restore/index.js';
