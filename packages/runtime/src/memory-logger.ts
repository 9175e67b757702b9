import type { LogFields, Logger, LogLevel } from './logger.js';
import { fieldsText } from './winston-logger.js';

export interface MemoryLine {
  readonly level: LogLevel;
  readonly module: string;
  readonly text: string;
  readonly fields: LogFields;
}

/** A logger for tests: collects what is logged, and lets a test wait for a line. */
export interface MemoryLogger extends Logger {
  readonly entries: readonly MemoryLine[];
  /** `level: module: text key=value` of everything so far. */
  readonly lines: readonly string[];
  /** Resolves with the first line (past ones included) that matches. */
  waitFor(pattern: RegExp | string): Promise<string>;
  clear(): void;
}

/** Lines kept; older ones are forgotten. */
const MAX_LINES = 100_000;

export function memoryLogger(): MemoryLogger {
  const entries: MemoryLine[] = [];
  const lines: string[] = [];
  const waiting = new Set<{ matches: (line: string) => boolean; resolve: (line: string) => void }>();

  const at = (module: string): Logger => {
    const write =
      (level: LogLevel) =>
      (text: string, fields: LogFields = {}): void => {
        if (lines.length >= MAX_LINES) {
          entries.shift();
          lines.shift();
        }
        const line = `${level}: ${module === '' ? '' : `${module}: `}${text}${fieldsText(fields)}`;
        entries.push({ level, module, text, fields });
        lines.push(line);
        for (const one of [...waiting]) {
          if (!one.matches(line)) continue;
          waiting.delete(one);
          one.resolve(line);
        }
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
    entries,
    lines,
    waitFor(pattern) {
      const matches = (line: string): boolean =>
        typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line);
      const past = lines.find(matches);
      if (past !== undefined) return Promise.resolve(past);
      return new Promise((resolve) => waiting.add({ matches, resolve }));
    },
    clear() {
      entries.length = 0;
      lines.length = 0;
    },
  };
}
