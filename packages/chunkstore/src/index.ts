/**
 * Chunks on disk: file format, folders, CRC, scan.
 *
 * @packageDocumentation
 */
export {};
