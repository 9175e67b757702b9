/** Tests run from the TypeScript sources (no build needed), except those in tests/, which start the built binaries. */
module.exports = {
  testEnvironment: 'node',
  transform: {
    '\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  moduleNameMapper: {
    '^@wapiti-fs/(protocol|runtime|metadata|placement|chunkstore|client|fuse|failover)$':
      '<rootDir>/packages/$1/src/index.ts',
    '^@wapiti-fs/(mfs[a-z]+|wapiti)$': '<rootDir>/apps/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  testMatch: [
    '<rootDir>/packages/*/test/**/*.spec.ts',
    '<rootDir>/apps/*/test/**/*.spec.ts',
    '<rootDir>/tests/**/*.spec.ts',
  ],
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/'],
  testTimeout: 60000,
};
