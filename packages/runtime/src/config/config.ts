/** One schema per daemon, fed from YAML or `.cfg` files or from embedders, with all errors of a file at once. */
import { readFileSync } from 'node:fs';

import { z } from 'zod';

import { errorCode } from '../errors.js';
import { type Finding, parseCfg, parseYaml, type RawConfig, type RawEntry } from './files.js';
import { type KeyType, keyTypeInfo } from './keys.js';

/** A key of a daemon's configuration. */
export interface KeyDefinition<T = unknown> {
  readonly type: KeyType<T>;
  /** A change takes effect with a reload; else only with a start. */
  readonly reload: boolean;
  readonly doc: string;
}

export type KeyDefinitions = Readonly<Record<string, KeyDefinition>>;

/** The values of a set of keys, by key. */
export type ValuesOf<K extends KeyDefinitions> = {
  readonly [Name in keyof K]: K[Name] extends KeyDefinition<infer T> ? T : never;
};

/** Where values come from, beside the values themselves. */
export interface ConfigSource {
  /** Empty without a file. */
  readonly path: string;
  /** Texts of all keys of the file, unknown ones included (ANTOAN_GET_CONFIG, spec 11 §2.2). */
  readonly raw: Readonly<Record<string, string>>;
}

/** What a daemon can be configured with; made by {@link defineConfig}. */
export interface ConfigDefinition<Config> {
  readonly keys: KeyDefinitions;
  /** Parses keys and values to a Config; issues have the key as their path. */
  readonly schema: z.ZodType<Config, unknown>;
  /** The same, told of the source. */
  readonly build: (values: Readonly<Record<string, unknown>>, source: ConfigSource) => Config;
}

export interface LoadedConfig<Config> {
  readonly config: Config;
  /** `file:line: key: what is strange`. */
  readonly warnings: readonly string[];
  /** Key, effective value as text of a `.cfg` file, and whether it is a default. Secrets are masked. */
  readonly effective: readonly EffectiveKey[];
  readonly source: ConfigSource;
}

export interface EffectiveKey {
  readonly key: string;
  readonly text: string;
  readonly isDefault: boolean;
}

/** The configuration cannot be used. `problems` are lines of the form `file:line: KEY: what is wrong`. */
export class ConfigError extends Error {
  readonly code = 'ECONFIG';

  constructor(
    readonly path: string,
    readonly problems: readonly string[],
    options?: ErrorOptions,
  ) {
    super(problems.join('\n'), options);
    this.name = 'ConfigError';
  }
}

/**
 * Declares the keys of a daemon. `build` makes the Config that the role takes from their values; without it the Config is the
 * values themselves. It may throw a {@link KeyError} for combinations that cannot be.
 *
 * @example
 * ```ts
 * const definition = defineConfig({
 *   MASTER_HOST: { type: cfg.host('mfsmaster'), reload: true, doc: 'Host of the master.' },
 *   MASTER_PORT: { type: cfg.port(9420), reload: true, doc: 'Port of the master.' },
 * });
 * const { config, warnings } = loadConfig(definition, '/etc/mfs/mfschunkserver.cfg');
 * config.MASTER_PORT; // number
 * ```
 */
export function defineConfig<K extends KeyDefinitions>(keys: K): ConfigDefinition<ValuesOf<K>>;
export function defineConfig<K extends KeyDefinitions, Config>(
  keys: K,
  build: (values: ValuesOf<K>, source: ConfigSource) => Config,
): ConfigDefinition<Config>;
export function defineConfig<K extends KeyDefinitions, Config>(
  keys: K,
  build: (values: ValuesOf<K>, source: ConfigSource) => Config = (values) => values as unknown as Config,
): ConfigDefinition<Config> {
  const shape: Record<string, KeyType<unknown>> = {};
  for (const [name, { type }] of Object.entries(keys)) shape[name] = type;
  const make = (values: Readonly<Record<string, unknown>>, source: ConfigSource): Config =>
    build(values as ValuesOf<K>, source);
  const schema = z.object(shape).transform((values, context) => {
    try {
      return make(values, NO_SOURCE);
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      context.addIssue({ code: 'custom', path: [error.key], message: error.message });
      return z.NEVER;
    }
  });
  return { keys, schema, build: make };
}

/**
 * A definition from a zod object schema (also with a transform behind it) whose members take the texts of the file, each having a
 * default. Prefer {@link defineConfig}, which knows what a reload changes.
 */
export function configOfSchema<Config>(schema: z.ZodType<Config, unknown>): ConfigDefinition<Config> {
  let object: z.ZodType = schema;
  while (object instanceof z.ZodPipe) object = object.in as z.ZodType;
  if (!(object instanceof z.ZodObject)) throw new TypeError('the schema of a configuration must be an object of keys');
  const keys: Record<string, KeyDefinition> = {};
  for (const [name, member] of Object.entries(object.shape as Record<string, z.ZodType>))
    keys[name] = { type: member as KeyType<unknown>, reload: true, doc: member.description ?? '' };
  const build = (_values: Readonly<Record<string, unknown>>, { raw }: ConfigSource): Config => {
    const result = schema.safeParse(raw);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    throw new KeyError(String(issue?.path[0] ?? ''), issue?.message ?? 'wrong');
  };
  return { keys, schema, build };
}

const NO_SOURCE: ConfigSource = { path: '', raw: {} };

/** The value of a key does not go with the others. */
export class KeyError extends Error {
  readonly code = 'EINVAL';

  constructor(
    readonly key: string,
    message: string,
  ) {
    super(message);
    this.name = 'KeyError';
  }
}

/**
 * Reads a configuration file: YAML when its name ends in `.yaml` or `.yml`, else `.cfg` syntax.
 *
 * @throws ConfigError with all problems of the file at once; its `cause` has code `ENOENT` when there is no such file
 */
export function loadConfig<Config>(definition: ConfigDefinition<Config>, path: string): LoadedConfig<Config> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new ConfigError(path, [`${path}: cannot be read: ${errorCode(error) ?? (error as Error).message}`], {
      cause: error,
    });
  }
  return evaluate(definition, parseConfigText(path, bytes), path);
}

/** The configuration with every key at its default, or with values given by an embedder. */
export function configFrom<Config>(
  definition: ConfigDefinition<Config>,
  values: Readonly<Record<string, unknown>> = {},
): LoadedConfig<Config> {
  const entries = new Map<string, RawEntry>();
  for (const [key, value] of Object.entries(values)) if (value !== undefined) entries.set(key, { value, line: 0 });
  return evaluate(definition, { entries, errors: [], warnings: [] }, '');
}

export function parseConfigText(path: string, bytes: Buffer): RawConfig {
  return /\.ya?ml$/i.test(path) ? parseYaml(bytes.toString('utf8')) : parseCfg(bytes);
}

function evaluate<Config>(definition: ConfigDefinition<Config>, raw: RawConfig, path: string): LoadedConfig<Config> {
  const at = ({ line, key, text }: Finding): string =>
    [line > 0 ? `${path}:${line}` : path, key, text].filter(Boolean).join(': ');
  const found = [...raw.errors];
  const warnings = raw.warnings.map(at);
  const values: Record<string, unknown> = {};
  const texts: Record<string, string> = {};
  for (const [key, { value, line }] of raw.entries) {
    texts[key] = textOf(value);
    if (!Object.hasOwn(definition.keys, key)) {
      if (!key.startsWith('#'))
        warnings.push(at({ line, key, text: `unknown key${suggestion(key, definition.keys)}, ignored` }));
    }
  }
  for (const [key, { type }] of Object.entries(definition.keys)) {
    const entry = raw.entries.get(key);
    const parsed = type.safeParse(entry?.value);
    if (parsed.success) {
      values[key] = parsed.data;
      const rest = typeof entry?.value === 'string' ? (keyTypeInfo(type)?.ignoredRest?.(entry.value) ?? '') : '';
      if (rest !== '')
        warnings.push(at({ line: entry?.line ?? 0, key, text: `'${rest}' behind the number is ignored` }));
    } else {
      for (const issue of parsed.error.issues) found.push({ line: entry?.line ?? 0, key, text: issue.message });
    }
  }
  const source: ConfigSource = { path, raw: texts };
  let config: Config | undefined;
  if (found.length === 0) {
    try {
      config = definition.build(values, source);
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      found.push({ line: raw.entries.get(error.key)?.line ?? 0, key: error.key, text: error.message });
    }
  }
  if (found.length > 0) throw new ConfigError(path, found.sort((a, b) => a.line - b.line).map(at));
  return { config: config as Config, warnings, effective: effectiveKeys(definition, values, raw), source };
}

function effectiveKeys<Config>(
  definition: ConfigDefinition<Config>,
  values: Readonly<Record<string, unknown>>,
  raw: RawConfig,
): EffectiveKey[] {
  return Object.entries(definition.keys).map(([key, { type }]) => {
    const info = keyTypeInfo(type);
    const isDefault = !raw.entries.has(key);
    const plain = isDefault && info !== undefined ? info.defaultText : (info?.show(values[key]) ?? textOf(values[key]));
    return { key, text: info?.secret && plain !== '' ? '********' : plain, isDefault };
  });
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'boolean') return value ? '1' : '0';
  return Array.isArray(value) ? value.map(textOf).join(',') : String(value);
}

/** A known key that differs by one or two letters. */
function suggestion(key: string, keys: KeyDefinitions): string {
  for (const known of Object.keys(keys)) if (distance(key, known) <= 2) return ` (did you mean ${known}?)`;
  return '';
}

function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 3;
}
