import { closeSync, openSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { Writable } from 'node:stream';

import type * as Winston from 'winston';

import type { Clock } from './clock.js';
import { errorCode } from './errors.js';
import { lazily } from './lazy.js';
import type { LogFields, Logger, LogLevel } from './logger.js';
import { systemClock } from './system-clock.js';

/** Needed by the process that logs, not by one that gives a daemon a signal. */
const winstonPackage = lazily<typeof Winston>('winston');

export interface LoggerOptions {
  /** Name of the program in every line (SYSLOG_IDENT). */
  readonly ident: string;
  /** Lowest level written. Default `info`. */
  readonly level?: LogLevel;
  /** Levels of single modules, such as `{ placement: 'debug' }`. A module's own children (`a.b`) follow it. */
  readonly levels?: Readonly<Record<string, LogLevel>>;
  /** `stderr`, a file to append to, or a function called with every line. Default `stderr`. */
  readonly target?: 'stderr' | { readonly file: string } | ((line: string, level: LogLevel) => void);
  /** `line`: as syslog writes it; `json`: one object per line. */
  readonly format?: 'line' | 'json';
  /** Of one text of one module at most `lines` are written per `periodMs`; the rest is counted. Default 20 in 10 s. */
  readonly rateLimit?: { readonly lines: number; readonly periodMs: number } | undefined;
  readonly clock?: Clock;
}

/** A logger whose target and levels can be changed while it runs. */
export interface RootLogger extends Logger {
  /** Opens the file anew (after a rotation). */
  reopen(): void;
  setLevels(level: LogLevel, levels?: Readonly<Record<string, LogLevel>>): void;
  /** Writes what is counted as repeated and closes the file. */
  close(): void;
}

const DEFAULT_RATE = { lines: 20, periodMs: 10_000 };
/** Texts whose repetitions are counted at one time. */
const MAX_COUNTED_TEXTS = 1000;

const LEVELS: Record<LogLevel, number> = { error: 0, warn: 1, notice: 2, info: 3, debug: 4 };

interface LogEntry extends Winston.LogEntry {
  level: string;
  message: string;
  module: string;
  fields?: LogFields;
  timeMs: number;
}

/**
 * Logging through winston, written synchronously, so that the last lines before a crash are there.
 *
 * A line: `Nov 24 13:23:03 host mfsmaster[4711]: warn: placement: text key=value`.
 */
export function createLogger(options: LoggerOptions): RootLogger {
  const clock = options.clock ?? systemClock;
  const sink = sinkOf(options);
  const format = options.format === 'json' ? jsonFormat(options.ident) : lineFormat(options.ident);
  const winston = winstonPackage();
  const backend = winston.createLogger({
    levels: LEVELS,
    level: 'debug',
    format: winston.format((info) => ({ ...info, [MESSAGE]: format(info as unknown as LogEntry) }))(),
    transports: [new winston.transports.Stream({ stream: streamTo(sink) })],
  });
  const limiter = new RateLimiter(clock, options.rateLimit ?? DEFAULT_RATE, (level, module, text) =>
    backend.log({ level, message: text, module, timeMs: clock.nowMs() } as LogEntry),
  );
  let filter = new LevelFilter(options.level ?? 'info', options.levels ?? {});

  const at = (module: string): Logger => {
    const write =
      (level: LogLevel) =>
      (text: string, fields?: LogFields): void => {
        if (!filter.passes(level, module) || !limiter.admit(level, module, text)) return;
        backend.log({ level, message: text, module, timeMs: clock.nowMs(), ...(fields ? { fields } : {}) } as LogEntry);
      };
    return {
      error: write('error'),
      warn: write('warn'),
      notice: write('notice'),
      info: write('info'),
      debug: write('debug'),
      child: (name) => at(module === '' ? name : `${module}.${name}`),
    };
  };
  return {
    ...at(''),
    reopen: () => sink.reopen?.(),
    setLevels(level, levels = {}) {
      filter = new LevelFilter(level, levels);
    },
    close() {
      limiter.flush();
      sink.close?.();
    },
  };
}

// ---- formats -------------------------------------------------------------------------------------------------------

const MESSAGE: unique symbol = Symbol.for('message') as never;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function lineFormat(ident: string): (entry: LogEntry) => string {
  const host = hostname().split('.')[0] ?? '';
  return ({ level, message, module, fields, timeMs }) => {
    const t = new Date(timeMs);
    const two = (value: number): string => String(value).padStart(2, '0');
    const time = `${MONTHS[t.getMonth()]} ${String(t.getDate()).padStart(2)} ${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
    const where = module === '' ? '' : `${module}: `;
    return `${time} ${host} ${ident}[${process.pid}]: ${level}: ${where}${oneLine(message)}${fieldsText(fields)}`;
  };
}

function jsonFormat(ident: string): (entry: LogEntry) => string {
  return ({ level, message, module, fields, timeMs }) => {
    const members: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(fields ?? {})) {
      members[key] =
        value instanceof Error ? (value.stack ?? value.message) : typeof value === 'bigint' ? `${value}` : value;
    }
    const time = new Date(timeMs).toISOString();
    return JSON.stringify({ ...members, time, ident, pid: process.pid, level, ...(module ? { module } : {}), message });
  };
}

/** ` key=value …`, values with blanks quoted. */
export function fieldsText(fields: LogFields | undefined): string {
  let text = '';
  for (const [key, value] of Object.entries(fields ?? {})) {
    if (value === undefined) continue;
    const shown = value instanceof Error ? value.message : String(value);
    text += ` ${key}=${/^[^\s"=]+$/.test(shown) ? shown : JSON.stringify(shown)}`;
  }
  return text;
}

/** Bytes from peers may stand in a text: they must not look like lines of their own. */
function oneLine(text: string): string {
  return text.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

// ---- levels and rate -----------------------------------------------------------------------------------------------

class LevelFilter {
  private readonly cache = new Map<string, number>();

  constructor(
    private readonly level: LogLevel,
    private readonly levels: Readonly<Record<string, LogLevel>>,
  ) {}

  passes(level: LogLevel, module: string): boolean {
    let limit = this.cache.get(module);
    if (limit === undefined) {
      limit = LEVELS[this.find(module)];
      this.cache.set(module, limit);
    }
    return LEVELS[level] <= limit;
  }

  private find(module: string): LogLevel {
    for (let name = module; name !== ''; name = name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : '') {
      const level = this.levels[name];
      if (level !== undefined) return level;
    }
    return this.level;
  }
}

class RateLimiter {
  private readonly counts = new Map<
    string,
    { startMs: number; seen: number; level: LogLevel; module: string; text: string }
  >();

  constructor(
    private readonly clock: Clock,
    private readonly rate: { lines: number; periodMs: number },
    private readonly emit: (level: LogLevel, module: string, text: string) => void,
  ) {}

  admit(level: LogLevel, module: string, text: string): boolean {
    const nowMs = this.clock.monotonicMs();
    this.reportEnded(nowMs);
    const key = `${level} ${module} ${text}`;
    let count = this.counts.get(key);
    if (count === undefined) {
      if (this.counts.size >= MAX_COUNTED_TEXTS) this.flush();
      count = { startMs: nowMs, seen: 0, level, module, text };
      this.counts.set(key, count);
    }
    count.seen++;
    return count.seen <= this.rate.lines;
  }

  /** Periods that are over, whatever is logged now. Counts stand in the order in which their periods began. */
  private reportEnded(nowMs: number): void {
    for (const [key, count] of this.counts) {
      if (nowMs - count.startMs < this.rate.periodMs) return;
      this.counts.delete(key);
      this.report(count);
    }
  }

  flush(): void {
    const all = [...this.counts.values()];
    this.counts.clear();
    for (const one of all) this.report(one);
  }

  private report(count: { seen: number; level: LogLevel; module: string; text: string }): void {
    const more = count.seen - this.rate.lines;
    if (more > 0) this.emit(count.level, count.module, `${count.text} (repeated ${more} more times)`);
  }
}

// ---- targets -------------------------------------------------------------------------------------------------------

interface Sink {
  write(line: string, level: LogLevel): void;
  reopen?(): void;
  close?(): void;
}

function sinkOf({ target = 'stderr' }: LoggerOptions): Sink {
  if (typeof target === 'function') return { write: target };
  if (target === 'stderr') return { write: (line) => writeAll(2, `${line}\n`) };
  const open = (): number => openSync(target.file, 'a', 0o640);
  let fd: number | undefined = open();
  return {
    write: (line) => fd !== undefined && writeAll(fd, `${line}\n`),
    reopen() {
      const next = open();
      if (fd !== undefined) closeSync(fd);
      fd = next;
    },
    close() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

/** Never throws: a full disk or a closed terminal must not end a daemon. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  let done = 0;
  for (let tries = 0; done < bytes.length && tries < 100; tries++) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      if (errorCode(error) !== 'EAGAIN') return;
    }
  }
}

/** A stream that hands every line on within the call of `write`; winston passes lines through synchronously too. */
function streamTo(sink: Sink): Writable {
  return new Writable({
    objectMode: true,
    write(info: Record<string | symbol, unknown>, _encoding, done) {
      sink.write(String(info[MESSAGE]), info['level'] as LogLevel);
      done();
    },
  });
}
