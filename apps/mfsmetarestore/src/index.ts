/**
 * Restores metadata from an image and changelogs.
 *
 * @packageDocumentation
 */
export {};
