export * from './apply.js';
export * from './errors.js';
export * from './records.js';
export * from './access.js';
export * from './metadata.js';
export * from './files.js';
export * from './attributes.js';
