/**
 * The Wapiti metalogger: follows the changelog of a master.
 *
 * @packageDocumentation
 */
export {};
