import { join } from 'node:path';

import type { CommonConfig } from '../config/common-keys.js';
import { createLogger, type RootLogger } from '../winston-logger.js';

export interface DaemonLog {
  readonly root: RootLogger;
  /** Undefined when lines go to stderr. */
  readonly file: string | undefined;
}

/** In the foreground lines go to stderr, in the background to LOG_FILE. */
export function openDaemonLog(name: string, config: CommonConfig, isDaemon: boolean): DaemonLog {
  const ident = config.SYSLOG_IDENT === '' ? name : config.SYSLOG_IDENT;
  const file = logFile(ident, config, isDaemon);
  const root = createLogger({
    ident,
    level: config.LOG_LEVEL,
    levels: config.LOG_LEVELS,
    format: config.LOG_FORMAT,
    target: file === undefined ? 'stderr' : { file },
  });
  return { root, file };
}

function logFile(ident: string, config: CommonConfig, isDaemon: boolean): string | undefined {
  if (!isDaemon || config.LOG_FILE === 'stderr') return undefined;
  return config.LOG_FILE === '' ? join(config.DATA_PATH, `${ident.replaceAll('/', '_')}.log`) : config.LOG_FILE;
}
