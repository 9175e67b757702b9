/** From grave to talkative. */
export const LOG_LEVELS = ['error', 'warn', 'notice', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Structured logging. `fields` are appended as `key=value` (line format) or as members (JSON format). */
export interface Logger {
  error(text: string, fields?: LogFields): void;
  warn(text: string, fields?: LogFields): void;
  notice(text: string, fields?: LogFields): void;
  info(text: string, fields?: LogFields): void;
  debug(text: string, fields?: LogFields): void;
  /** The logger of a module; its level can be set on its own. */
  child(module: string): Logger;
}

export type LogFields = Readonly<Record<string, string | number | bigint | boolean | undefined | Error>>;
