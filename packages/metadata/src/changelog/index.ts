export * from './error.js';
export { escapeBytes, formatChange, formatLine } from './format.js';
export { parseChange, parseLine } from './parse.js';
