/**
 * Umbrella command: whole cluster in one process, file transfer, benchmarks.
 *
 * @packageDocumentation
 */
export {};
