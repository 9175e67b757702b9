import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { z } from 'zod';

import {
  cfg,
  commonDefinition,
  ConfigError,
  configFrom,
  configOfSchema,
  defineConfig,
  KeyError,
  loadConfig,
  masterConfig,
  masterKeys,
  masterTarget,
  parseBoolean,
  parseCfg,
  parseDecimal,
  parseHost,
  parseInteger,
  parsePeriodS,
  parsePort,
  parseSizeBytes,
  parseYaml,
  ValueError,
} from '../src/index.js';

const cfgOf = (text: string): Record<string, unknown> =>
  Object.fromEntries([...parseCfg(Buffer.from(text, 'latin1')).entries].map(([key, { value }]) => [key, value]));

describe('.cfg syntax (spec 12 §1)', () => {
  it.each<[string, string, Record<string, string>]>([
    ['plain', 'A=1\nB = two words \n', { A: '1', B: 'two words' }],
    ['comment in the first column only', '#A = 1\n #B = 2\n', { '#B': '2' }],
    ['blanks before the key', ' \t A = 1', { A: '1' }],
    ['# is part of the value', 'LABELS = A # x', { LABELS: 'A # x' }],
    ['a tab ends the value, then a comment may follow', 'A = 1\t# comment', { A: '1' }],
    ['something else behind the tab: line ignored', 'A = 1\tx\nB = 2', { B: '2' }],
    ['a byte ≥ 0x80 ends the value, line ignored', 'A = x\xe4y\nB = 2', { B: '2' }],
    ['CR', 'A = 1\r\nB = 2\r\n', { A: '1', B: '2' }],
    ['quotes are kept', 'A = "x"', { A: '"x"' }],
    ['nothing behind the key', 'A\nB \t# no\nC = 1', { C: '1' }],
    ['no equals sign', 'A 1\nB = 2', { B: '2' }],
    ['empty value', 'A =\nB= \n', { A: '', B: '' }],
    ['the last one wins', 'A = 1\nA = 2', { A: '2' }],
    ['equals signs in the value', 'A = b=c', { A: 'b=c' }],
    ['a key ends at a blank', 'A B = 1', {}],
  ])('%s', (_what, text, expected) => expect(cfgOf(text)).toEqual(expected));

  it('splits long lines', () => {
    const { entries, warnings } = parseCfg(Buffer.from(`A = ${'x'.repeat(994)}B = 2\nC = 3`));
    expect(entries.get('A')?.value).toHaveLength(994);
    expect(entries.get('B')).toEqual({ value: '2', line: 1 });
    expect(entries.get('C')).toEqual({ value: '3', line: 2 });
    expect(warnings[0]?.text).toContain('998');
  });

  it('names line and reason of what is ignored', () => {
    expect(parseCfg(Buffer.from('A = 1\nB 2\n= 3\nA = 4\n')).warnings).toEqual([
      { line: 2, key: '', text: "bad definition in config file: no '=' behind B" },
      { line: 3, key: '', text: 'bad definition in config file: no key' },
      { line: 4, key: 'A', text: 'defined again, line 1 has no effect' },
    ]);
  });

  it('any bytes give keys and values, never an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
        for (const [key, { value, line }] of parseCfg(Buffer.from(bytes)).entries) {
          expect(key).toMatch(/^[!-~]+$/);
          expect(typeof value).toBe('string');
          expect(line).toBeGreaterThan(0);
        }
      }),
    );
  });
});

describe('YAML', () => {
  const values = (text: string): Record<string, unknown> =>
    Object.fromEntries([...parseYaml(text).entries].map(([key, { value }]) => [key, value]));

  it('has the same keys, in three spellings', () => {
    expect(values('MASTER_HOST: a\nmasterPort: 9420\ncsserv:\n  listen-host: b\n  listenPort: 1\n')).toEqual({
      MASTER_HOST: 'a',
      MASTER_PORT: '9420',
      CSSERV_LISTEN_HOST: 'b',
      CSSERV_LISTEN_PORT: '1',
    });
  });

  it('takes numbers as written, so that octal is octal', () => {
    expect(values('FILE_UMASK: 027\nX: 0x10\nY: 1.50\nZ: yes\nT: true\nN:\n')).toEqual({
      FILE_UMASK: '027',
      X: '0x10',
      Y: '1.50',
      Z: 'yes',
      T: true,
      N: null,
    });
  });

  it('reports syntax errors, keys given twice and other shapes, with lines', () => {
    expect(parseYaml('a: 1\nb: [1\n').errors[0]?.line).toBeGreaterThan(1);
    expect(parseYaml('masterHost: a\nMASTER_HOST: b\n').errors).toEqual([
      { line: 2, key: 'MASTER_HOST', text: 'defined a second time (first in line 1)' },
    ]);
    expect(parseYaml('- a\n').errors[0]?.text).toContain('map');
    expect(parseYaml('').errors).toEqual([]);
  });

  it('follows aliases of single values, and refuses those of anything else', () => {
    expect(values('a: &port 0100\nmasterPort: *port\n')).toEqual({ A: '0100', MASTER_PORT: '0100' });
    expect(values('a: &host h\nhosts: [*host, b]\n')).toMatchObject({ HOSTS: ['h', 'b'] });
    expect(parseYaml('a: &x [*x]\nb: *x\nc: *gone\nd: &m { e: *m }\n').errors).toMatchObject([
      { line: 1, key: 'A', text: '*x does not stand for a single value' },
      { line: 2, key: 'B', text: '*x does not stand for a single value' },
      { line: 3, key: 'C', text: '*gone does not stand for a single value' },
      { line: 4, key: 'D_E', text: '*m does not stand for a single value' },
    ]);
  });

  it('any text gives entries or errors, never an exception', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab:- \n[]{}&*!|>\'"%@`,#?0') }), (text) => {
        parseYaml(text);
      }),
    );
  });
});

describe('value grammars (spec 12 §2)', () => {
  const value = <T>(parse: () => T): T | string => {
    try {
      return parse();
    } catch (error) {
      if (error instanceof ValueError) return 'error';
      throw error;
    }
  };
  it.each<[string, number | string, string]>([
    ['12', 12, ''],
    ['-3', -3, ''],
    ['+3', 3, ''],
    ['0x1F', 31, ''],
    ['010', 8, ''],
    ['08', 0, '8'],
    ['027', 23, ''],
    ['15 apples', 15, 'apples'],
    ['0', 0, ''],
    ['-0', 0, ''],
    ['x', 'error', ''],
    ['', 'error', ''],
    ['99999999999999999999', 'error', ''],
  ])('integer %s', (text, expected, rest) => {
    const result = value(() => parseInteger(text));
    expect(result).toEqual(expected === 'error' ? 'error' : { value: expected, rest });
  });
  it.each<[string, number | string]>([
    ['0', 0],
    ['4096', 4096],
    ['500M', 500_000_000],
    ['256MiB', 268_435_456],
    ['1k', 1000],
    ['1Ki', 1024],
    ['1.5GiB', 1_610_612_736],
    ['.5k', 500],
    ['2 TB', 2e12],
    ['1PiB', 2 ** 50],
    ['1K', 'error'],
    ['1m', 'error'],
    ['-1', 'error'],
    ['1 2', 'error'],
    ['100E', 'error'],
    ['', 'error'],
  ])('size %s', (text, expected) => expect(value(() => parseSizeBytes(text))).toBe(expected));
  it.each<[string, number | string]>([
    ['600', 600],
    ['90s', 90],
    ['1h30m', 5400],
    ['1w 2d', 777_600],
    ['1.5h', 5400],
    ['0', 0],
    ['30m1h', 'error'],
    ['1h1h', 'error'],
    ['1y', 'error'],
    ['h', 'error'],
    ['', 'error'],
    ['1h5', 'error'],
  ])('period %s', (text, expected) => expect(value(() => parsePeriodS(text))).toBe(expected));
  it.each<[string, boolean | string]>([
    ['1', true],
    ['0', false],
    ['0x0', false],
    ['7', true],
    ['yes', true],
    ['False', false],
    ['on', true],
    ['maybe', 'error'],
    ['', 'error'],
  ])('boolean %s', (text, expected) => {
    const result = value(() => parseBoolean(text));
    expect(typeof result === 'string' ? result : result.value).toBe(expected);
  });
  it.each<[string, number | string]>([
    ['9421', 9421],
    ['http', 80],
    ['0', 0],
    ['65536', 'error'],
    ['no-such-service', 'error'],
    ['-1', 'error'],
    ['', 'error'],
  ])('port %s', (text, expected) => expect(value(() => parsePort(text))).toBe(expected));
  it.each<[string, boolean, string]>([
    ['mfsmaster', false, 'mfsmaster'],
    ['master-1.example.org', false, 'master-1.example.org'],
    ['10.1.1.103', false, '10.1.1.103'],
    ['10.1.1.256', false, 'error'],
    ['10.1.1', false, 'error'],
    ['*', true, '*'],
    ['', true, '*'],
    ['*', false, 'error'],
    ['a b', true, 'error'],
    ['-x', true, 'error'],
  ])('host %s (any: %s)', (text, any, expected) => expect(value(() => parseHost(text, any))).toBe(expected));
  it('decimal', () => {
    expect(parseDecimal('1.25s')).toEqual({ value: 1.25, rest: 's' });
    expect(parseDecimal('-.5e1').value).toBe(-5);
    expect(() => parseDecimal('x')).toThrow(ValueError);
  });
});

describe('loadConfig', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'runtime-config-'))));
  afterEach(() => rmSync(dir, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const definition = defineConfig(
    {
      MASTER_HOST: { type: cfg.host('mfsmaster'), reload: true, doc: '' },
      MASTER_PORT: { type: cfg.port(9420), reload: true, doc: '' },
      WORKERS_MAX: { type: cfg.integer(250, { min: 1, max: 1000 }), reload: true, doc: '' },
      RATIO: { type: cfg.decimal(0.5, { min: 0, max: 1, outside: 'refuse' }), reload: true, doc: '' },
      SPACE: { type: cfg.sizeBytes('256MiB'), reload: true, doc: '' },
      PERIOD: { type: cfg.periodS('1d'), reload: true, doc: '' },
      FSYNC: { type: cfg.boolean(false), reload: true, doc: '' },
      AUTH_CODE: { type: cfg.optionalText({ secret: true }), reload: true, doc: '' },
      MODE: { type: cfg.choice('fast', ['fast', 'safe']), reload: false, doc: '' },
    },
    (values, { raw }) => {
      if (values.WORKERS_MAX === 13) throw new KeyError('WORKERS_MAX', '13 does not go with RATIO');
      return { ...values, raw };
    },
  );

  it('gives typed values, the same from both syntaxes', () => {
    const a = loadConfig(
      definition,
      file('a.cfg', 'MASTER_PORT = 1234\nFSYNC = 1\nSPACE = 1Gi\nWORKERS_MAX=5000\nAUTH_CODE = x\nMODE=SAFE\n'),
    );
    const b = loadConfig(
      definition,
      file('b.yaml', 'masterPort: 1234\nfsync: true\nspace: 1Gi\nworkersMax: 5000\nauthCode: x\nmode: safe\n'),
    );
    const port: number = a.config.MASTER_PORT;
    expect(port).toBe(1234);
    const { raw: rawA, ...valuesA } = a.config;
    const { raw: _rawB, ...valuesB } = b.config;
    expect(valuesA).toEqual(valuesB);
    expect(valuesA).toEqual({
      MASTER_HOST: 'mfsmaster',
      MASTER_PORT: 1234,
      WORKERS_MAX: 1000,
      RATIO: 0.5,
      SPACE: 2 ** 30,
      PERIOD: 86_400,
      FSYNC: true,
      AUTH_CODE: 'x',
      MODE: 'safe',
    });
    expect(rawA).toMatchObject({ MASTER_PORT: '1234', AUTH_CODE: 'x' });
    expect(a.warnings).toEqual([]);
  });

  it.each([
    ['cfg', 'MASTER_PORT = 70000\nSPACE = 1K\n\nFSYNC = maybe\nRATIO = 2\nWORKERS_MAX = 10\n'],
    ['yaml', 'masterPort: 70000\nspace: 1K\n\nfsync: maybe\nratio: 2\nworkersMax: 10\n'],
  ])('reports all errors of a .%s file at once, with file, line and key', (extension, text) => {
    const path = file(`bad.${extension}`, text);
    let caught: unknown;
    try {
      loadConfig(definition, path);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(ConfigError);
    expect((caught as ConfigError).problems).toEqual([
      `${path}:1: MASTER_PORT: '70000' is not a port: the largest is 65535`,
      `${path}:2: SPACE: '1K' is not a size (like 4096, 500M or 1.5GiB; 1000 is k, 1024 is Ki)`,
      `${path}:4: FSYNC: 'maybe' is neither 1 (yes) nor 0 (no)`,
      `${path}:5: RATIO: '2' is outside 0…1`,
    ]);
  });

  it('reports what the keys together do not allow', () => {
    const path = file('a.cfg', '\nWORKERS_MAX = 13\n');
    expect(() => loadConfig(definition, path)).toThrow(`${path}:2: WORKERS_MAX: 13 does not go with RATIO`);
    expect(definition.schema.safeParse({ WORKERS_MAX: '13' }).error?.issues[0]?.path).toEqual(['WORKERS_MAX']);
  });

  it('warns of unknown keys and of what is ignored, and keeps the values', () => {
    const path = file('a.cfg', 'MASTER_PROT = 1\nOTHER = 2\n #MASTER_HOST = x\nWORKERS_MAX = 7 or so\n');
    const { warnings, config } = loadConfig(definition, path);
    expect(warnings).toEqual([
      `${path}:1: MASTER_PROT: unknown key (did you mean MASTER_PORT?), ignored`,
      `${path}:2: OTHER: unknown key, ignored`,
      `${path}:4: WORKERS_MAX: 'or so' behind the number is ignored`,
    ]);
    expect(config.WORKERS_MAX).toBe(7);
    expect(config.raw['OTHER']).toBe('2');
  });

  it('a missing or unreadable file is an error that names it', () => {
    const path = join(dir, 'none.cfg');
    expect(() => loadConfig(definition, path)).toThrow(`${path}: cannot be read: ENOENT`);
    expect(() => loadConfig(definition, dir)).toThrow(ConfigError);
  });

  it('lists the effective configuration, without secrets', () => {
    const { effective } = loadConfig(definition, file('a.cfg', 'AUTH_CODE = hidden\nFSYNC = 5\n'));
    expect(effective.find(({ key }) => key === 'AUTH_CODE')).toEqual({
      key: 'AUTH_CODE',
      text: '********',
      isDefault: false,
    });
    expect(effective.find(({ key }) => key === 'FSYNC')).toEqual({ key: 'FSYNC', text: '1', isDefault: false });
    expect(effective.find(({ key }) => key === 'SPACE')).toEqual({ key: 'SPACE', text: '256MiB', isDefault: true });
  });

  it('takes values from embedders', () => {
    const { config } = configFrom(definition, { MASTER_PORT: 5, FSYNC: true, MASTER_HOST: undefined });
    expect([config.MASTER_PORT, config.FSYNC, config.MASTER_HOST]).toEqual([5, true, 'mfsmaster']);
    expect(() => configFrom(definition, { SPACE: ['a'] })).toThrow('SPACE: a single value is expected, not a list');
    expect(configFrom(commonDefinition).config).toMatchObject({ DATA_PATH: '/var/lib/mfs', FILE_UMASK: 0o27 });
  });

  it('has the keys of a link to the master', () => {
    const chunkserver = defineConfig(
      masterKeys({ port: 9420, timeoutFromMaster: true, noDelay: 'at once' }),
      masterConfig,
    );
    const metalogger = defineConfig(
      masterKeys({ port: 9419, timeoutFromMaster: false, noDelay: 'never' }),
      masterConfig,
    );
    const common = { bindHost: '*', masterHost: 'mfsmaster', masterReconnectionDelayS: 5 };
    expect(configFrom(chunkserver).config).toEqual({ ...common, masterPort: 9420, masterTimeoutS: 0 });
    expect(configFrom(metalogger).config).toEqual({ ...common, masterPort: 9419, masterTimeoutS: 10 });
    for (const definition of [chunkserver, metalogger])
      expect(configFrom(definition, { MASTER_TIMEOUT: 3 }).config.masterTimeoutS).toBe(10);
    expect(configFrom(metalogger, { MASTER_TIMEOUT: 0 }).config.masterTimeoutS).toBe(10);
    const target = (values: Record<string, unknown>): unknown => masterTarget(configFrom(metalogger, values).config);
    expect(target({})).toEqual({ host: 'mfsmaster', port: 9419, localAddress: undefined });
    expect(target({ BIND_HOST: '10.0.0.5', MASTER_HOST: 'm', MASTER_PORT: 7 })).toEqual({
      host: 'm',
      port: 7,
      localAddress: '10.0.0.5',
    });
  });

  it('reads levels of modules and where to serve metrics, with errors as of any key', () => {
    const path = file('a.cfg', 'METRICS_LISTEN = here:there\nLOG_LEVELS = data=debug, loud\nLOG_LEVEL = huge\n');
    expect(() => loadConfig(commonDefinition, path)).toThrow(
      [
        `${path}:1: METRICS_LISTEN: 'there' is neither a port number nor a known service`,
        `${path}:2: LOG_LEVELS: 'loud' is not module=level (levels: error, warn, notice, info, debug)`,
        `${path}:3: LOG_LEVEL: 'huge' is not one of error, warn, notice, info, debug`,
      ].join('\n'),
    );
    const good = loadConfig(
      commonDefinition,
      file('b.cfg', 'METRICS_LISTEN = *:9100\nLOG_LEVELS = a=WARN,a.b=debug\n'),
    );
    expect(good.config).toMatchObject({ METRICS_LISTEN: '*:9100', LOG_LEVELS: { a: 'warn', 'a.b': 'debug' } });
    expect(good.effective.find(({ key }) => key === 'LOG_LEVELS')?.text).toBe('a=warn,a.b=debug');
  });

  it('works with a plain zod schema too', () => {
    const schema = z
      .looseObject({ A: z.string().default('a'), N: z.string().default('1').transform(Number).pipe(z.number().max(5)) })
      .transform(({ A, N }) => ({ a: A, n: N }));
    const other = configOfSchema(schema);
    expect(loadConfig(other, file('a.cfg', 'N = 4\n')).config).toEqual({ a: 'a', n: 4 });
    const path = file('b.cfg', '\nN = 7\n');
    expect(() => loadConfig(other, path)).toThrow(`${path}:2: N: `);
    expect(loadConfig(other, file('c.cfg', 'B = 4\n')).warnings[0]).toContain('unknown key');
  });
});
