/**
 * Inode-level file system interface and its /dev/fuse transport.
 *
 * @packageDocumentation
 */
export {};
