export * from './apply.js';
export * from './errors.js';
export * from './records.js';
