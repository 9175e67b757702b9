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

const pure = ['protocol', 'metadata', 'placement'];

const forbidden = (name) => all.filter((other) => other !== name && !allowed[name].includes(other));

/** What `import … from` and `export … from` may not name. */
function restriction(name) {
  const patterns = [
    { group: ['@wapiti-fs/mfs*', '@wapiti-fs/wapiti'], message: 'packages must not import apps' },
    { regex: '^(\\.\\./)+[a-z]+/(src|dist)/', message: 'other packages are imported by their names' },
    ...(forbidden(name).length
      ? [
          {
            group: forbidden(name).map((other) => `@wapiti-fs/${other}`),
            message: `packages/${name} may import only: ${allowed[name].join(', ') || 'nothing'}`,
          },
        ]
      : []),
  ];
  if (pure.includes(name)) {
    patterns.push(
      {
        group: impure.flatMap((m) => [m, `node:${m}`]),
        message: `packages/${name} is pure: I/O comes in through interfaces`,
      },
      {
        group: ['crypto', 'node:crypto'],
        allowImportNames: ['createHash'],
        message: `packages/${name} is pure: randomness comes in through interfaces`,
      },
    );
  }
  return patterns;
}

/** The same for `import(…)`, `require(…)` and types, which `no-restricted-imports` does not see. */
function restrictedExpressions(name) {
  const packages = `@wapiti-fs.(${[...forbidden(name), 'mfs[a-z]+', 'wapiti'].join('|')})`;
  const modules = pure.includes(name) ? `|(node:)?(${impure.map((module) => module.replace('/', '.')).join('|')})` : '';
  const message = `packages/${name} may import only: ${allowed[name].join(', ') || 'nothing'}`;
  return ['ImportExpression', 'TSImportType', 'CallExpression[callee.name="require"]'].map((place) => ({
    selector: `${place} Literal[value=/^(${packages}${modules})$/]`,
    message,
  }));
}

const noClock = 'pure package: take the time as an argument';
const noTimer = 'pure package: what happens later is called from outside';

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
    rules: {
      'no-restricted-imports': ['error', { patterns: restriction(name) }],
      'no-restricted-syntax': [
        'error',
        ...restrictedExpressions(name),
        ...(pure.includes(name)
          ? [{ selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: noClock }]
          : []),
      ],
    },
  })),
  ...pure.map((name) => ({
    files: [`packages/${name}/src/**/*.ts`],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: noClock },
        { object: 'Math', property: 'random', message: 'pure package: take randomness as an argument' },
      ],
      'no-restricted-globals': [
        'error',
        { name: 'performance', message: noClock },
        { name: 'process', message: 'pure package: nothing is known of the process' },
        ...['setTimeout', 'setInterval', 'setImmediate'].map((timer) => ({ name: timer, message: noTimer })),
      ],
    },
  })),
  {
    // Roles are wired together in `wapiti dev` and nowhere else.
    files: ['apps/mfs*/src/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['@wapiti-fs/mfs*', '@wapiti-fs/wapiti'], message: 'apps must not import apps' },
            { regex: '(^|/)packages/', message: 'packages are imported by their names' },
          ],
        },
      ],
    },
  },
);
