/** Keys that every daemon has (spec 12 §3), and those that Wapiti adds. */
import { LOG_LEVELS, type LogLevel } from '../logger.js';
import { cfg, type KeyType, keyType } from './keys.js';
import { type ConfigDefinition, defineConfig, type ValuesOf } from './config.js';
import { parseListen, ValueError } from './values.js';

export type ModuleLevels = Readonly<Record<string, LogLevel>>;

/** `module=level` pairs, separated by commas, semicolons or blanks. */
const moduleLevels: KeyType<ModuleLevels> = keyType(
  '',
  (text) => {
    const levels: Record<string, LogLevel> = {};
    for (const part of text.split(/[,;\s]+/).filter(Boolean)) {
      const [module, word, ...more] = part.split('=');
      const level = LOG_LEVELS.find((one) => one === word?.toLowerCase());
      if (module === undefined || module === '' || level === undefined || more.length > 0)
        throw new ValueError(`'${part}' is not module=level (levels: ${LOG_LEVELS.join(', ')})`);
      levels[module] = level;
    }
    return levels;
  },
  {
    show: (levels) =>
      Object.entries(levels as ModuleLevels)
        .map((pair) => pair.join('='))
        .join(','),
  },
);

/** Empty, or what {@link parseListen} takes. */
const optionalListen: KeyType<string> = keyType('', (text) => {
  if (text.trim() !== '') parseListen(text);
  return text.trim();
});

export const commonKeys = {
  WORKING_USER: { type: cfg.text('mfs'), reload: false, doc: 'User to run as: name or #uid.' },
  WORKING_GROUP: {
    type: cfg.text(''),
    reload: false,
    doc: 'Group to run as: name or #gid; empty: the group of the user.',
  },
  SYSLOG_IDENT: { type: cfg.text(''), reload: false, doc: 'Name in log lines; empty: name of the program.' },
  LOCK_MEMORY: { type: cfg.boolean(false), reload: false, doc: 'Keep all memory from being swapped out (mlockall).' },
  NICE_LEVEL: { type: cfg.integer(-19, { min: -20, max: 19 }), reload: false, doc: 'Scheduling priority.' },
  DATA_PATH: { type: cfg.path('/var/lib/mfs'), reload: false, doc: 'Working directory; it must exist.' },
  FILE_UMASK: { type: cfg.umask('027'), reload: false, doc: 'Mode bits that created files do not get.' },
  DISABLE_OOM_KILLER: {
    type: cfg.boolean(true),
    reload: false,
    doc: 'Keep the kernel from killing the daemon for memory.',
  },
  LIMIT_GLIBC_MALLOC_ARENAS: {
    type: cfg.integer(4, { min: 0, max: 255 }),
    reload: false,
    doc: 'Accepted for compatibility; without effect, memory is managed by Node.js.',
  },
  LOG_FILE: {
    type: cfg.path(''),
    reload: false,
    doc: 'Wapiti: log of a daemon in the background; empty: DATA_PATH/SYSLOG_IDENT.log. `stderr`: no file.',
  },
  LOG_LEVEL: {
    type: cfg.choice('info', LOG_LEVELS),
    reload: true,
    doc: 'Wapiti: lowest level logged: error, warn, notice, info, debug.',
  },
  LOG_LEVELS: { type: moduleLevels, reload: true, doc: 'Wapiti: levels of single modules: module=level,…' },
  LOG_FORMAT: { type: cfg.choice('line', ['line', 'json']), reload: false, doc: 'Wapiti: line or json.' },
  METRICS_LISTEN: {
    type: optionalListen,
    reload: false,
    doc: 'Wapiti: HOST:PORT on which Prometheus metrics are served under /metrics; empty: not at all.',
  },
} as const;

export type CommonConfig = ValuesOf<typeof commonKeys>;

/** The common keys alone; all others count as known. */
export const commonDefinition: ConfigDefinition<CommonConfig> = defineConfig(commonKeys);
