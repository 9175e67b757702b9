/**
 * What `require` and `import` give: the exports of the index as plain properties. The re-exports that the compiler makes are
 * accessors through which each use of a constant costs 15 ns and more, dozens of times per request in every daemon; plain
 * properties cost nothing. Node finds the names for `import { … }` by reading this statement: it knows them only when the
 * spread is of a `require` itself, not of a variable.
 */
// eslint-disable-next-line @typescript-eslint/no-require-imports
export = { ...(require('./index.js') as typeof import('./index.js')) };
