/**
 * The Wapiti chunkserver.
 *
 * @packageDocumentation
 */
export {};
