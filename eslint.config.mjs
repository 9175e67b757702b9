// Lint rules. Beside the recommended set, this file enforces the direction of imports between packages
// (docs/ARCHITECTURE.md): apps -> (client, fuse, failover, chunkstore, placement, metadata) -> runtime -> protocol;
// metadata and placement import protocol only.
import tseslint from 'typescript-eslint';

const all = ['protocol', 'runtime', 'metadata', 'placement', 'chunkstore', 'client', 'fuse', 'failover'];
const allowed = {
  protocol: [],
  runtime: ['protocol'],
  metadata: ['protocol'],
  placement: ['protocol'],
  chunkstore: ['protocol', 'runtime'],
  client: ['protocol', 'runtime'],
  fuse: ['protocol', 'runtime'],
  failover: ['protocol', 'runtime'],
};
const impure = [
  'net',
  'fs',
  'fs/promises',
  'child_process',
  'dgram',
  'os',
  'timers',
  'timers/promises',
  'http',
  'worker_threads',
];

function restriction(name) {
  const forbidden = all
    .filter((other) => other !== name && !allowed[name].includes(other))
    .map((other) => `@wapiti-fs/${other}`);
  const patterns = [
    { group: ['@wapiti-fs/mfs*', '@wapiti-fs/wapiti'], message: 'packages must not import apps' },
    ...(forbidden.length
      ? [{ group: forbidden, message: `packages/${name} may import only: ${allowed[name].join(', ') || 'nothing'}` }]
      : []),
  ];
  if (['protocol', 'metadata', 'placement'].includes(name)) {
    patterns.push({
      group: impure.flatMap((m) => [m, `node:${m}`]),
      message: `packages/${name} is pure: I/O comes in through interfaces`,
    });
  }
  return patterns;
}

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      '**/.turbo/**',
      '.tools/**',
      'jest.config.js',
      '**/*.mjs',
      '**/*.cjs',
    ],
  },
  ...tseslint.configs.recommended,
  {
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' },
      ],
      'no-constant-condition': ['error', { checkLoops: false }],
      eqeqeq: ['error', 'always'],
    },
  },
  ...all.map((name) => ({
    files: [`packages/${name}/src/**/*.ts`],
    rules: { 'no-restricted-imports': ['error', { patterns: restriction(name) }] },
  })),
  ...['protocol', 'metadata', 'placement'].map((name) => ({
    files: [`packages/${name}/src/**/*.ts`],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'pure package: take the time as an argument' },
        { object: 'Math', property: 'random', message: 'pure package: take randomness as an argument' },
      ],
    },
  })),
);
