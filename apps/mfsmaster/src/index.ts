/**
 * The Wapiti metadata server.
 *
 * @packageDocumentation
 */
export {};
