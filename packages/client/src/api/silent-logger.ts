import type { Logger } from '@wapiti-fs/runtime';

/** A library does not write to anybody's terminal unless asked to. */
export const silentLogger: Logger = {
  error: () => undefined,
  warn: () => undefined,
  notice: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLogger,
};
