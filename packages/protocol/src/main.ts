/**
 * What `require` gives: the exports of the index as plain properties. The re-exports that the compiler makes are accessors through
 * which each use of a constant costs 15 ns and more, dozens of times per request in every daemon; plain properties cost nothing.
 */
import * as index from './index.js';

export = { ...index };
