/**
 * Where chunks live: copies, servers, leases, versions, replication. Pure.
 *
 * @packageDocumentation
 */
export * from './chunk-table.js';
export * from './servers.js';
export * from './chunk-manager.js';
export type { CopyState } from './copies.js';
export type { TransferLimits } from './transfers.js';
