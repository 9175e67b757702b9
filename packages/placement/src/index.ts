/**
 * Where chunks live: copies, servers, leases, versions, replication. Pure.
 *
 * @packageDocumentation
 */
export {};
