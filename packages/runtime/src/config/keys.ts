/**
 * Types of configuration keys: zod schemas that take the text of a file (or plain values from embedders) and give typed values.
 * Every one has a default, so that an absent key is never an error.
 */
import { z } from 'zod';

import {
  parseBoolean,
  parseDecimal,
  parseHost,
  parseInteger,
  parsePeriodS,
  parsePort,
  parseSizeBytes,
  ValueError,
} from './values.js';

/** A type of key. Its input is text, number or boolean; undefined gives the default. */
export type KeyType<T> = z.ZodType<T, unknown>;

export interface KeyTypeInfo {
  /** As one would write it into a file. */
  readonly defaultText: string;
  /** What follows the number and is ignored, as in the C daemons; the loader warns of it. */
  readonly ignoredRest?: (text: string) => string;
  /** Value as text of a file; for the listing of the effective configuration. */
  readonly show: (value: unknown) => string;
  /** Never shown. */
  readonly secret?: boolean;
}

const infos = new WeakMap<object, KeyTypeInfo>();

/** What the loader and listings know of a key type; undefined for schemas not made here. */
export function keyTypeInfo(type: z.ZodType): KeyTypeInfo | undefined {
  return infos.get(type);
}

/** Type of a key from a function that parses its text; a thrown error becomes the issue of the key. */
export function keyType<T>(
  defaultText: string,
  parse: (text: string) => T,
  info: Partial<Omit<KeyTypeInfo, 'defaultText'>> = {},
): KeyType<T> {
  const fromText = z
    .unknown()
    .optional()
    .transform((input, context): T => {
      try {
        if (input === undefined) return parse(defaultText);
        if (typeof input === 'string') return parse(input);
        if (typeof input === 'number' || typeof input === 'bigint') return parse(String(input));
        if (typeof input === 'boolean') return parse(input ? '1' : '0');
        if (input === null) return parse('');
        throw new ValueError(
          Array.isArray(input) ? 'a single value is expected, not a list' : 'a single value is expected',
        );
      } catch (error) {
        if (!(error instanceof ValueError)) throw error;
        context.addIssue({ code: 'custom', message: error.message });
        return z.NEVER;
      }
    });
  infos.set(fromText, { show: (value) => String(value), ...info, defaultText });
  return fromText;
}

interface Range {
  readonly min?: number;
  readonly max?: number;
  /** `clamp` (default): as the tables of spec 12 mostly say; `refuse`: an error. */
  readonly outside?: 'clamp' | 'refuse';
}

function within(value: number, text: string, { min = -Infinity, max = Infinity, outside = 'clamp' }: Range): number {
  if (value >= min && value <= max) return value;
  if (outside === 'refuse') throw new ValueError(`'${text.trim()}' is outside ${min}…${max}`);
  return Math.min(max, Math.max(min, value));
}

/** The key types of spec 12 §2. */
export const cfg = {
  /** Whole number (strtol, base 0). */
  integer: (defaultValue: number, range: Range = {}): KeyType<number> =>
    keyType(String(defaultValue), (text) => within(parseInteger(text).value, text, range), {
      ignoredRest: (text) => parseInteger(text).rest,
    }),

  /** Number with a fraction (strtod). */
  decimal: (defaultValue: number, range: Range = {}): KeyType<number> =>
    keyType(String(defaultValue), (text) => within(parseDecimal(text).value, text, range), {
      ignoredRest: (text) => parseDecimal(text).rest,
    }),

  /** Yes or no. */
  boolean: (defaultValue: boolean): KeyType<boolean> =>
    keyType(defaultValue ? '1' : '0', (text) => parseBoolean(text).value, {
      ignoredRest: (text) => parseBoolean(text).rest,
      show: (value) => (value === true ? '1' : '0'),
    }),

  /** Bytes; the default as text, such as `256MiB`. */
  sizeBytes: (defaultText: string, range: Range = {}): KeyType<number> =>
    keyType(defaultText, (text) => within(parseSizeBytes(text), text, range)),

  /** Seconds; the default as text, such as `1d`. */
  periodS: (defaultText: string, range: Range = {}): KeyType<number> =>
    keyType(defaultText, (text) => within(parsePeriodS(text), text, range)),

  /** Any text. */
  text: (defaultValue: string): KeyType<string> => keyType(defaultValue, (text) => text),

  /** Any text, undefined when the key is absent or empty. */
  optionalText: (options: { secret?: boolean } = {}): KeyType<string | undefined> =>
    keyType('', (text) => (text === '' ? undefined : text), {
      show: (value) => (value === undefined ? '' : String(value)),
      secret: options.secret ?? false,
    }),

  /** A file or folder; it is not looked at before it is used. */
  path: (defaultValue: string): KeyType<string> => keyType(defaultValue, (text) => text.trim()),

  /** Name or IPv4 address of another host. */
  host: (defaultValue: string): KeyType<string> => keyType(defaultValue, (text) => parseHost(text, false)),

  /** Name or address to listen on or to bind to; `*` (also for an empty value): any. */
  listenHost: (defaultValue = '*'): KeyType<string> => keyType(defaultValue, (text) => parseHost(text, true)),

  /** Port number or service name. */
  port: (defaultValue: number | string): KeyType<number> => keyType(String(defaultValue), parsePort),

  /** Mode bits, `& 077`; written in octal. */
  umask: (defaultText = '027'): KeyType<number> =>
    keyType(defaultText, (text) => parseInteger(text).value & 0o77, {
      ignoredRest: (text) => parseInteger(text).rest,
      show: (value) => `0${Number(value).toString(8).padStart(2, '0')}`,
    }),

  /** One of some words, in any case. */
  choice: <const C extends string>(defaultValue: NoInfer<C>, choices: readonly C[]): KeyType<C> =>
    keyType(defaultValue, (text) => {
      const found = choices.find((one) => one.toLowerCase() === text.trim().toLowerCase());
      if (found === undefined) throw new ValueError(`'${text}' is not one of ${choices.join(', ')}`);
      return found;
    }),
} as const;
