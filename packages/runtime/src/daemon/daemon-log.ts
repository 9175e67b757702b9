import { join } from 'node:path';

import type { CommonConfig } from '../config/common-keys.js';
import { createLogger, LOG_LEVELS, type LogLevel, type RootLogger } from '../winston-logger.js';

export interface DaemonLog {
  readonly root: RootLogger;
  /** Undefined when lines go to stderr. */
  readonly file: string | undefined;
}

/** In the foreground lines go to stderr, in the background to LOG_FILE. */
export function openDaemonLog(name: string, config: CommonConfig, isDaemon: boolean): DaemonLog {
  const ident = config.SYSLOG_IDENT === '' ? name : config.SYSLOG_IDENT;
  const file = logFile(ident, config, isDaemon);
  const { level, levels, problems } = logLevels(config);
  const root = createLogger({
    ident,
    level,
    levels,
    format: config.LOG_FORMAT,
    target: file === undefined ? 'stderr' : { file },
  });
  for (const problem of problems) root.warn(problem);
  return { root, file };
}

function logFile(ident: string, config: CommonConfig, isDaemon: boolean): string | undefined {
  if (!isDaemon || config.LOG_FILE === 'stderr') return undefined;
  return config.LOG_FILE === '' ? join(config.DATA_PATH, `${ident.replaceAll('/', '_')}.log`) : config.LOG_FILE;
}

/** LOG_LEVEL and LOG_LEVELS. */
export function logLevels(config: CommonConfig): {
  level: LogLevel;
  levels: Record<string, LogLevel>;
  problems: string[];
} {
  const levels: Record<string, LogLevel> = {};
  const problems: string[] = [];
  for (const part of config.LOG_LEVELS.split(/[,;\s]+/).filter(Boolean)) {
    const [module, text] = part.split('=');
    const level = LOG_LEVELS.find((one) => one === text?.toLowerCase());
    if (module === undefined || module === '' || level === undefined)
      problems.push(`LOG_LEVELS: '${part}' is not module=level`);
    else levels[module] = level;
  }
  return { level: config.LOG_LEVEL, levels, problems };
}
