/**
 * The Wapiti FUSE mount.
 *
 * @packageDocumentation
 */
export {};
