export * from './apply/index.js';
export * from './errors.js';
export * from './records.js';
export * from './access.js';
export * from './metadata.js';
export type { DirectoryEntry, Entry, Refused } from './results.js';
export * from './files.js';
export * from './attributes.js';
