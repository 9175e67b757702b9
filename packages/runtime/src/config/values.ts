/**
 * Grammars of configuration values (spec 12 §2). All take text, as it stands in the file; errors are {@link ValueError}s that say
 * what was expected.
 */
import { readFileSync } from 'node:fs';

import { parseIpv4 } from '@wapiti-fs/protocol';

/** A value that does not follow its grammar. */
export class ValueError extends Error {
  readonly code = 'EINVAL';

  constructor(message: string) {
    super(message);
    this.name = 'ValueError';
  }
}

const INTEGER = /^[ \t]*([-+]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/;

/** C `strtol` with base 0; `rest` is the text behind the number, which the C daemons ignore. No number at all is an error. */
export function parseInteger(text: string): { value: number; rest: string } {
  const match = INTEGER.exec(text);
  const digits = match?.[2];
  if (match === null || digits === undefined) throw new ValueError(`'${text}' is not a whole number`);
  const magnitude = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  if (!Number.isSafeInteger(magnitude)) throw new ValueError(`'${text}' is too large a number`);
  return {
    value: match[1] === '-' && magnitude !== 0 ? -magnitude : magnitude,
    rest: text.slice(match[0].length).trim(),
  };
}

const DECIMAL = /^[ \t]*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?/;

/** C `strtod`, without hexadecimal numbers, infinities and NaN. */
export function parseDecimal(text: string): { value: number; rest: string } {
  const match = DECIMAL.exec(text);
  const value = Number(match?.[0]);
  if (match === null || !Number.isFinite(value)) throw new ValueError(`'${text}' is not a number`);
  return { value, rest: text.slice(match[0].length).trim() };
}

const SIZE = /^\s*(\d+(?:\.\d*)?|\.\d+)\s*(?:([kMGTPE])|([KMGTPE])i)?B?\s*$/;
const SIZE_LETTERS = 'kMGTPE';

/**
 * A size in bytes: digits with an optional fraction, then one of k M G T P E (powers of 1000) or Ki Mi Gi Ti Pi Ei (powers of
 * 1024), then an optional `B`. A bare `K` is not accepted, as in the C daemons.
 */
export function parseSizeBytes(text: string): number {
  const match = SIZE.exec(text);
  const number = match?.[1];
  if (match === null || number === undefined)
    throw new ValueError(`'${text}' is not a size (like 4096, 500M or 1.5GiB; 1000 is k, 1024 is Ki)`);
  const [, , decimal, binary] = match;
  const power =
    decimal !== undefined
      ? SIZE_LETTERS.indexOf(decimal) + 1
      : binary !== undefined
        ? SIZE_LETTERS.indexOf(binary === 'K' ? 'k' : binary) + 1
        : 0;
  const bytes = Math.floor(Number(number) * (decimal !== undefined ? 1000 : 1024) ** power);
  if (!Number.isSafeInteger(bytes)) throw new ValueError(`'${text}' is too large a size`);
  return bytes;
}

const PERIOD_UNITS: Readonly<Record<string, number>> = { w: 604_800, d: 86_400, h: 3600, m: 60, s: 1 };
const PERIOD_ORDER = 'wdhms';

/**
 * A period in seconds: a number of seconds, or parts with units from large to small, such as `1w2d`, `1.5h`, `10m 30s`
 * (spec 12 §2, §8.3).
 */
export function parsePeriodS(text: string): number {
  const trimmed = text.trim();
  if (/^\d+$/.test(trimmed)) {
    const seconds = Number(trimmed);
    if (!Number.isSafeInteger(seconds)) throw new ValueError(`'${text}' is too long a period`);
    return seconds;
  }
  let seconds = 0;
  let at = -1;
  const left = trimmed.replace(/(\d+(?:\.\d+)?)\s*([wdhms])\s*/gy, (_all, number: string, unit: string) => {
    const place = PERIOD_ORDER.indexOf(unit);
    if (place <= at) throw new ValueError(`'${text}': units of a period go from large to small, each once (w d h m s)`);
    at = place;
    seconds += Number(number) * (PERIOD_UNITS[unit] as number);
    return '';
  });
  if (left !== '' || at < 0) throw new ValueError(`'${text}' is not a period (like 600, 90s, 1h30m or 2d)`);
  return Math.round(seconds);
}

const YES = /^(true|yes|on)$/i;
const NO = /^(false|no|off)$/i;

/** An integer, 0 = no; and the words true/false, yes/no, on/off, which the C daemons do not know. */
export function parseBoolean(text: string): { value: boolean; rest: string } {
  const trimmed = text.trim();
  if (YES.test(trimmed)) return { value: true, rest: '' };
  if (NO.test(trimmed)) return { value: false, rest: '' };
  try {
    const { value, rest } = parseInteger(text);
    return { value: value !== 0, rest };
  } catch {
    throw new ValueError(`'${text}' is neither 1 (yes) nor 0 (no)`);
  }
}

/** A port: a number or the name of a TCP service of /etc/services. */
export function parsePort(text: string): number {
  const trimmed = text.trim();
  const port = /^\d+$/.test(trimmed) ? Number(trimmed) : servicePort(trimmed);
  if (port === undefined) throw new ValueError(`'${text}' is neither a port number nor a known service`);
  if (port > 65_535) throw new ValueError(`'${text}' is not a port: the largest is 65535`);
  return port;
}

function servicePort(name: string): number | undefined {
  if (!/^[\w.+-]+$/.test(name)) return undefined;
  let text: string;
  try {
    text = readFileSync('/etc/services', 'utf8');
  } catch {
    return undefined;
  }
  for (const line of text.split('\n')) {
    const [service, port, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    const match = /^(\d+)\/tcp$/.exec(port ?? '');
    if (match?.[1] !== undefined && (service === name || aliases.includes(name))) return Number(match[1]);
  }
  return undefined;
}

/** A host name or IPv4 address; `*` or empty (any) only for listening. */
export function parseHost(text: string, allowAny: boolean): string {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed === '*') {
    if (allowAny) return '*';
    throw new ValueError(`'${text}' is not a host name`);
  }
  if (/^[\d.]+$/.test(trimmed)) {
    if (parseIpv4(trimmed) !== undefined) return trimmed;
    throw new ValueError(`'${text}' is not an IPv4 address`);
  }
  if (!/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/.test(trimmed) || trimmed.length > 253)
    throw new ValueError(`'${text}' is not a host name`);
  return trimmed;
}

/** `HOST:PORT` to listen on, `*` for any host; a port alone is one of loopback. */
export function parseListen(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  return {
    host: at < 0 ? '127.0.0.1' : parseHost(text.slice(0, at), true),
    port: parsePort(text.slice(at + 1)),
  };
}
