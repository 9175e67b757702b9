// Lets Node run the TypeScript of tests/ (the lab) outside jest: `node -r ./tests/bench/register.cjs FILE.ts`.
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const { transformSync } = require('@swc/core');

Module._extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  });
  module._compile(code, filename);
};

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  const source = request.startsWith('.') && parent?.filename?.endsWith('.ts') && request.replace(/\.js$/, '.ts');
  return resolve.call(this, source || request, parent, ...rest);
};
