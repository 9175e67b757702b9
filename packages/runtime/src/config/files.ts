/** Reading configuration files: the MooseFS `.cfg` syntax (spec 12 §1) and YAML, both into the same keys and texts. */
import type * as Yaml from 'yaml';

import { lazily } from '../lazy.js';
import { ValueError } from './values.js';

/** Most files have the MooseFS syntax. */
const yaml = lazily<typeof Yaml>('yaml');

/** One key of a file. `value` is text as written, or what only YAML has: a boolean, null or a list. */
export interface RawEntry {
  readonly value: unknown;
  /** Counted from 1; 0 when it does not come from a file. */
  readonly line: number;
}

export interface Finding {
  readonly line: number;
  /** Empty when it is not about a key. */
  readonly key: string;
  readonly text: string;
}

export interface RawConfig {
  readonly entries: ReadonlyMap<string, RawEntry>;
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** Longest line of a `.cfg` file; the rest of a longer one is read as a line of its own. */
const MAX_LINE_BYTES = 998;

const BLANK = /[ \t]/;
const isBlankOrEnd = (rest: string): boolean => /^[ \t\r\n]*(#.*)?$/s.test(rest);

/** Parses `.cfg` bytes. It never fails: bad lines are warnings and ignored, as in the C daemons. */
export function parseCfg(bytes: Buffer): RawConfig {
  const entries = new Map<string, RawEntry>();
  const warnings: Finding[] = [];
  let number = 0;
  for (const whole of bytes.toString('latin1').split('\n')) {
    number++;
    for (let at = 0; at === 0 || at < whole.length; at += MAX_LINE_BYTES) {
      const line = whole.slice(at, at + MAX_LINE_BYTES);
      const result = parseCfgLine(line);
      if (at > 0)
        warnings.push({ line: number, key: '', text: `line longer than ${MAX_LINE_BYTES} characters: split` });
      if (result === undefined) continue;
      if ('problem' in result) {
        warnings.push({ line: number, key: '', text: `bad definition in config file: ${result.problem}` });
        continue;
      }
      const before = entries.get(result.key);
      if (before !== undefined)
        warnings.push({ line: number, key: result.key, text: `defined again, line ${before.line} has no effect` });
      entries.delete(result.key);
      entries.set(result.key, { value: result.value, line: number });
    }
  }
  return { entries, errors: [], warnings };
}

type CfgLine = { readonly key: string; readonly value: string } | { readonly problem: string };

/** Undefined: nothing to see (comment, blank line, key without anything behind it). */
function parseCfgLine(line: string): CfgLine | undefined {
  if (line.startsWith('#')) return undefined;
  let at = 0;
  while (BLANK.test(line[at] ?? '')) at++;
  const keyStart = at;
  while (at < line.length && isKeyChar(line.charCodeAt(at))) at++;
  const key = line.slice(keyStart, at);
  while (BLANK.test(line[at] ?? '')) at++;
  if (key === '') return isBlankOrEnd(line.slice(at)) ? undefined : { problem: 'no key' };
  if (line[at] !== '=') return isBlankOrEnd(line.slice(at)) ? undefined : { problem: `no '=' behind ${key}` };
  at++;
  while (BLANK.test(line[at] ?? '')) at++;
  const valueStart = at;
  while (at < line.length && line.charCodeAt(at) >= 0x20 && line.charCodeAt(at) < 0x80) at++;
  const value = line.slice(valueStart, at).replace(/ +$/, '');
  if (!isBlankOrEnd(line.slice(at))) return { problem: `the value of ${key} is followed by something else` };
  return { key, value };
}

function isKeyChar(code: number): boolean {
  return code >= 33 && code <= 126 && code !== 0x3d;
}

/**
 * Parses YAML. Keys are those of the `.cfg` file, as they are or in camel case, and may be nested: `MASTER_HOST`, `masterHost` and
 * `master: { host: … }` are the same key. Numbers are taken as written, so `027` is the same in both syntaxes.
 */
export function parseYaml(text: string): RawConfig {
  const { isMap, isScalar, LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const entries = new Map<string, RawEntry>();
  const errors: Finding[] = [];
  const warnings: Finding[] = [];
  const lineOf = (node: { range?: readonly number[] | null } | null | undefined): number =>
    node?.range?.[0] === undefined ? 0 : lines.linePos(node.range[0]).line;
  for (const error of document.errors)
    errors.push({ line: lines.linePos(error.pos[0]).line, key: '', text: error.message });
  for (const warning of document.warnings)
    warnings.push({ line: lines.linePos(warning.pos[0]).line, key: '', text: warning.message });

  const add = (prefix: string, pair: Yaml.Pair): void => {
    const keyNode = pair.key as Yaml.Node | null;
    const line = lineOf(keyNode);
    if (!isScalar(keyNode)) return void errors.push({ line, key: prefix, text: 'a key must be a word' });
    const name = [prefix, upperSnake(String(keyNode.source ?? keyNode.value))].filter(Boolean).join('_');
    const value = pair.value as Yaml.Node | null;
    if (isMap(value)) return value.items.forEach((one) => add(name, one));
    const before = entries.get(name);
    if (before !== undefined)
      errors.push({ line, key: name, text: `defined a second time (first in line ${before.line})` });
    try {
      entries.set(name, { value: plainValue(value, document), line });
    } catch (error) {
      errors.push({ line, key: name, text: (error as Error).message });
    }
  };
  const { contents } = document;
  if (isMap(contents)) contents.items.forEach((one) => add('', one));
  else if (errors.length === 0 && contents !== null && !(isScalar(contents) && contents.value === null))
    errors.push({ line: lineOf(contents), key: '', text: 'the file must be a map of keys and values' });
  return { entries, errors, warnings };
}

function plainValue(node: Yaml.Node | null, document: Yaml.Document): unknown {
  const { isAlias, isScalar, isSeq } = yaml();
  if (isAlias(node)) {
    // Single values only: lists and maps could be made to hold themselves, or to grow without bounds.
    const target = node.resolve(document);
    if (!isScalar(target)) throw new ValueError(`*${node.source} does not stand for a single value`);
    return plainValue(target, document);
  }
  if (isScalar(node)) return typeof node.value === 'number' ? (node.source ?? String(node.value)) : node.value;
  if (isSeq(node)) return node.items.map((item) => plainValue(item as Yaml.Node | null, document));
  return node === null ? null : (node as { toJSON(): unknown }).toJSON();
}

/** `masterHost` and `master-host` become `MASTER_HOST`; upper-case names stay as they are. */
export function upperSnake(name: string): string {
  if (!/[a-z]/.test(name)) return name.replaceAll('-', '_');
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toUpperCase();
}
