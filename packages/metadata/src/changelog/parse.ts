import type { Change } from '../ops/records.js';
import { ChangelogError } from './error.js';
import type { Field, OpLayout } from './kinds.js';
import { LAYOUTS } from './layout.js';

const MAX_NAME_BYTES = 255;
const MAX_QUOTED_CHARACTERS = 200;
const LOCK_KINDS: Readonly<Record<string, string>> = {
  R: 'R',
  r: 'R',
  S: 'R',
  s: 'R',
  W: 'W',
  w: 'W',
  E: 'W',
  e: 'W',
  U: 'U',
  u: 'U',
};
const TYPE_LETTERS: Readonly<Record<string, number>> = { f: 1, d: 2, q: 4, b: 5, c: 6, s: 7 };
const MASKS_PER_EXPRESSION = 4;
const MAX_EXPRESSIONS = 9;
/** Old names: the operation each stands for (spec 08 §6.12). */
const ALIASES: Readonly<Record<string, keyof typeof LAYOUTS>> = {
  AQUIRE: 'ACQUIRE',
  EMPTYRESERVED: 'EMPTYSUSTAINED',
  CUSTOMER: 'SESSION',
};

type Values = Record<string, unknown>;

class LineReader {
  at = 0;

  constructor(private readonly line: Buffer) {}

  fail(reason: string, unknownOperation = false): never {
    const text = this.line.toString('latin1', 0, MAX_QUOTED_CHARACTERS).replace(/[^\x20-\x7e]/g, '?');
    throw new ChangelogError(reason, text, this.at, unknownOperation);
  }

  peek(): string {
    const byte = this.line[this.at];
    return byte === undefined ? '' : String.fromCharCode(byte);
  }

  startsWith(text: string): boolean {
    return this.line.toString('latin1', this.at, this.at + text.length) === text;
  }

  expect(text: string): void {
    if (!this.startsWith(text)) this.fail(`'${text}' expected`);
    this.at += text.length;
  }

  /** Bytes up to and without the next delimiter. */
  private until(delimiters: string): string {
    const start = this.at;
    while (this.at < this.line.length && !delimiters.includes(this.peek())) this.at++;
    return this.line.toString('latin1', start, this.at);
  }

  operation(): string {
    const name = this.until('(');
    if (!/^[A-Z]+$/.test(name)) this.fail('operation name expected');
    return name;
  }

  /** A decimal number as C's strtoull reads it (spec 08 §3.3). */
  integer(): bigint {
    while (/^[ \t]$/.test(this.peek())) this.at++;
    const sign = this.peek();
    if (sign === '-' || sign === '+') this.at++;
    let digits = '';
    for (let c = this.peek(); c >= '0' && c <= '9'; c = this.peek()) {
      digits += c;
      this.at++;
    }
    const value = digits === '' ? 0n : BigInt(digits);
    if (value >> 64n !== 0n) this.fail('number does not fit into 64 bits');
    return BigInt.asUintN(64, sign === '-' ? -value : value);
  }

  number(bits: number): number {
    return Number(BigInt.asUintN(bits, this.integer()));
  }

  ranged(bits: number): number {
    const start = this.at;
    const value = this.integer();
    if (value >> BigInt(bits) !== 0n) {
      this.at = start;
      this.fail(`number does not fit into ${bits} bits`);
    }
    return Number(value);
  }

  safe(): number {
    const start = this.at;
    const value = this.integer();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      this.at = start;
      this.fail('number exceeds 2^53-1');
    }
    return Number(value);
  }

  /** Digits of another base right after the current position. */
  based(pattern: RegExp, base: number): number {
    const match = pattern.exec(this.line.toString('latin1', this.at, this.at + 16));
    if (match === null) this.fail(`number of base ${base} expected`);
    this.at += match[0].length;
    return Number.parseInt(match[0], base);
  }

  escaped(): Buffer {
    const bytes: number[] = [];
    for (;;) {
      const byte = this.line[this.at];
      if (byte === undefined || byte === 0 || byte === 10 || byte === 13) this.fail('text ends before its delimiter');
      if (byte === 0x2c || byte === 0x29) return Buffer.from(bytes);
      if (byte === 0x25) {
        const hex = this.line.toString('latin1', this.at + 1, this.at + 3);
        if (!/^[0-9A-F]{2}$/.test(hex)) this.fail('hex expected');
        bytes.push(Number.parseInt(hex, 16));
        this.at += 3;
      } else {
        bytes.push(byte);
        this.at++;
      }
    }
  }

  /** Names and paths end at their first NUL. */
  text(): Buffer {
    const bytes = this.escaped();
    const end = bytes.indexOf(0);
    return end < 0 ? bytes : bytes.subarray(0, end);
  }

  groups(): number[] {
    const gids: number[] = [];
    if (this.peek() === '[') {
      this.at++;
      while (this.peek() !== ']') {
        gids.push(this.number(32));
        if (this.peek() !== ']') this.expect(',');
      }
      this.at++;
      return gids;
    }
    const first = this.number(32);
    const commas = this.line.toString('latin1', this.at).replace(/\).*$/s, '').split(',').length - 1;
    if (commas < 2) return [first];
    this.expect(',');
    const start = this.at;
    const data = this.escaped();
    if (data.length !== first * 4) {
      this.at = start;
      this.fail(`group list of ${data.length} bytes, ${first} groups expected`);
    }
    for (let i = 0; i < first; i++) gids.push(data.readUInt32LE(i * 4));
    return gids;
  }

  storageClass(values: Values): void {
    const counts = ['W', 'K', 'A'].map((letter) => {
      this.expect(letter);
      const count = this.ranged(8);
      if (count > MAX_EXPRESSIONS) this.fail(`more than ${MAX_EXPRESSIONS} label expressions`);
      this.expect(',');
      return count;
    });
    values.mode = this.ranged(8);
    this.expect(',');
    values.archDelayDays = this.ranged(16);
    this.expect(',');
    values.adminOnly = this.ranged(8);
    this.expect(',');
    if (this.peek() === '-' && counts.every((count) => count === 0)) this.at++;
    let first = true;
    const expression = (): number[] =>
      Array.from({ length: MASKS_PER_EXPRESSION }, () => {
        if (!first) this.expect(',');
        first = false;
        return this.number(32);
      });
    for (const [i, key] of ['create', 'keep', 'arch'].entries())
      values[key] = Array.from({ length: counts[i] ?? 0 }, expression);
  }
}

/** Reads one value; `false` = the (optional by its form) value is not there and its comma must not be taken. */
function readValue(reader: LineReader, [key, kind]: Field, values: Values): boolean {
  switch (kind) {
    case 'u8':
      values[key] = reader.number(8);
      return true;
    case 'u16':
      values[key] = reader.number(16);
      return true;
    case 'u32':
      values[key] = reader.number(32);
      return true;
    case 'u64':
      values[key] = reader.integer();
      return true;
    case 'u64n':
      values[key] = reader.safe();
      return true;
    case 'r8':
      values[key] = reader.ranged(8);
      return true;
    case 'r16':
      values[key] = reader.ranged(16);
      return true;
    case 'csum':
      values[key] = 0n;
      if (reader.peek() !== '#') return false;
      reader.at++;
      values[key] = reader.integer();
      return true;
    case 'oct':
      values[key] = 0;
      if (reader.peek() !== '0') return false;
      values[key] = reader.based(/^0[0-7]{3}/, 8);
      return true;
    case 'hex32':
      values[key] = 0;
      if (!reader.startsWith('0x')) return false;
      reader.at += 2;
      values[key] = reader.based(/^[0-9A-Fa-f]{1,8}/, 16);
      return true;
    case 'name': {
      const start = reader.at;
      const name = reader.text();
      if (name.length > MAX_NAME_BYTES) {
        reader.at = start;
        reader.fail(`name of ${name.length} bytes is too long`);
      }
      values[key] = name;
      return true;
    }
    case 'path':
      values[key] = reader.text();
      return true;
    case 'data':
      values[key] = reader.escaped();
      return true;
    case 'lock': {
      const lock = LOCK_KINDS[reader.peek()];
      if (lock === undefined) reader.fail('lock kind expected');
      reader.at++;
      values[key] = lock;
      return true;
    }
    case 'gids':
      values[key] = reader.groups();
      return true;
    case 'sclass':
      reader.storageClass(values);
      return true;
    case 'nodetype': {
      const letter = TYPE_LETTERS[reader.peek()];
      if (letter === undefined) values[key] = reader.ranged(8);
      else {
        reader.at++;
        values[key] = letter;
        values.cumask = 0;
      }
      return true;
    }
  }
}

/** `end` tells the character after the last argument (results have none). */
function readFields(reader: LineReader, fields: readonly Field[], values: Values, end: ')' | ''): void {
  let separate = false;
  for (const field of fields) {
    const [key, , absent] = field;
    if (key === 'cumask' && values.cumask !== undefined) continue;
    const ended = end === ')' ? reader.peek() === ')' : separate && reader.peek() !== ',';
    if (absent !== undefined && ended) {
      if (absent !== null) values[key] = absent;
      continue;
    }
    if (separate) reader.expect(',');
    separate = readValue(reader, field, values);
  }
  if (end === ')') reader.expect(')');
}

function readOperation(reader: LineReader): Values {
  const name = reader.operation();
  const values: Values = {};
  if (name === 'CSADD' || name === 'CSDEL') {
    reader.expect('(');
    const fields: Field[] = [
      ['ip', 'u32'],
      ['port', 'r16'],
    ];
    readFields(reader, fields, values, ')');
    return { op: 'CSDBOP', operation: name === 'CSADD' ? 0 : 1, ...values, argument: 0 };
  }
  const op = name === 'SETGOAL' ? 'SETSCLASS' : (ALIASES[name] ?? name);
  if (!Object.hasOwn(LAYOUTS, op)) reader.fail(`unknown operation ${name}`, true);
  const layout: OpLayout = LAYOUTS[op as keyof typeof LAYOUTS];
  const args = name === 'SETGOAL' ? layout.args.filter(([key]) => key !== 'src') : layout.args;
  reader.expect('(');
  const start = reader.at;
  readFields(reader, args, values, ')');
  if (name === 'SETGOAL') values.src = values.dst;
  if (op === 'ATTR' && values.aclmode === undefined) {
    // With seven arguments the seventh is the ACL mode, which has 16 bits: read it again at that width.
    if (values.winattr !== undefined) {
      reader.at = start;
      const seven = args.filter(([key]) => key !== 'winattr');
      readFields(reader, seven, values, ')');
      values.winattr = 0;
    } else {
      values.aclmode = values.mode;
      values.winattr = 0;
    }
  }
  if (layout.results !== undefined) {
    if (layout.resultsOptional === true && reader.peek() !== ':') for (const [key] of layout.results) values[key] = 0;
    else {
      reader.expect(':');
      readFields(reader, layout.results, values, '');
    }
  }
  return { op, ...values };
}

function readChange(reader: LineReader): Change {
  const ts = reader.number(32);
  reader.expect('|');
  // The layout table is checked against the record types; what was read has exactly its keys.
  return { ts, ...readOperation(reader) } as unknown as Change;
}

/**
 * Reads the text of a change without its number (what metaloggers receive). The rest of the line after the required parts is
 * ignored (spec 08 §3.3).
 * @throws {ChangelogError}
 */
export function parseChange(payload: Buffer): Change {
  return readChange(new LineReader(payload));
}

/**
 * Reads a line of a changelog file, with or without its LF.
 * @throws {ChangelogError}
 */
export function parseLine(line: Buffer): { version: number; change: Change } {
  const reader = new LineReader(line);
  if (!/^[0-9]$/.test(reader.peek())) reader.fail('change number expected');
  const version = reader.safe();
  reader.expect(': ');
  return { version, change: readChange(reader) };
}
