export * from './error.js';
export * from './restore.js';
