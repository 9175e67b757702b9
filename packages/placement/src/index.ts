/**
 * Where chunks live: copies, servers, leases, versions, replication. Pure.
 *
 * @packageDocumentation
 */
export * from './chunk-table.js';
export * from './servers.js';
export * from './chunk-manager.js';
