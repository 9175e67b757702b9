/** Command lines of the daemons (spec 11 §12), read as getopt does. */

/** An option of one daemon beside the common ones. It takes no value; it may be repeated. */
export interface DaemonOption {
  /** One letter. */
  readonly flag: string;
  readonly doc: string;
}

export const ACTIONS = [
  'start',
  'stop',
  'restart',
  'try-restart',
  'reload',
  'info',
  'test',
  'status',
  'kill',
  'restore',
] as const;
export type Action = (typeof ACTIONS)[number];

export interface DaemonArguments {
  readonly action: Action;
  readonly foreground: boolean;
  readonly listDefaults: boolean;
  readonly keepCoreLimit: boolean;
  readonly lockTimeoutS: number;
  readonly configPath: string | undefined;
  /** How often each of the daemon's own options was given. */
  readonly options: Readonly<Record<string, number>>;
  /** To be told to the user. */
  readonly notices: readonly string[];
}

export type ParsedArguments =
  | { readonly kind: 'run'; readonly arguments: DaemonArguments }
  | { readonly kind: 'version' }
  /** Usage is to be shown; `problem` says why, if it was not asked for. */
  | { readonly kind: 'usage'; readonly problem: string | undefined };

const DEFAULT_LOCK_TIMEOUT_S = 1800;

/** `argv`: the arguments behind the program's name. */
export function parseArguments(name: string, own: readonly DaemonOption[], argv: readonly string[]): ParsedArguments {
  const counts: Record<string, number> = {};
  const values: Record<string, string> = {};
  const words: string[] = [];
  const usage = (problem?: string): ParsedArguments => ({ kind: 'usage', problem });
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] as string;
    if (argument === '--') {
      words.push(...argv.slice(i + 1));
      break;
    }
    if (!argument.startsWith('-') || argument === '-') {
      words.push(argument);
      continue;
    }
    for (let at = 1; at < argument.length; at++) {
      const flag = argument[at] as string;
      if (flag === 't' || flag === 'c') {
        const value = at + 1 < argument.length ? argument.slice(at + 1) : argv[++i];
        if (value === undefined) return usage(`${name}: option requires an argument -- '${flag}'`);
        values[flag] = value;
        break;
      }
      if (flag === 'h' || flag === '?') return usage();
      if (!'vfdun'.includes(flag) && !own.some((one) => one.flag === flag))
        return usage(`${name}: invalid option -- '${flag}'`);
      counts[flag] = (counts[flag] ?? 0) + 1;
    }
  }
  if (counts['v']) return { kind: 'version' };
  if (words.length > 1) return usage();
  const action = (words[0] ?? 'start').toLowerCase();
  if (!isAction(action)) return usage();
  const seconds = values['t'] === undefined ? DEFAULT_LOCK_TIMEOUT_S : Number(values['t']);
  if (!Number.isSafeInteger(seconds) || seconds < 0)
    return usage(`${name}: -t ${values['t']}: not a number of seconds`);
  return {
    kind: 'run',
    arguments: {
      action,
      foreground: Boolean(counts['f'] ?? counts['d']),
      listDefaults: Boolean(counts['u']),
      keepCoreLimit: Boolean(counts['n']),
      lockTimeoutS: seconds,
      configPath: values['c'],
      options: Object.fromEntries(own.map(({ flag }) => [flag, counts[flag] ?? 0])),
      notices: counts['d'] ? ["option '-d' is deprecated - use '-f' instead"] : [],
    },
  };
}

/** Whether the action ends with a daemon in the background. */
export function goesToBackground({ action, foreground }: DaemonArguments): boolean {
  return !foreground && (action === 'start' || action === 'restart' || action === 'try-restart');
}

function isAction(word: string): word is Action {
  return (ACTIONS as readonly string[]).includes(word);
}

/** `more`: lines at the end, about what only this daemon can do. */
export function usageText(name: string, own: readonly DaemonOption[], more: readonly string[] = []): string {
  const ownFlags = own.map(({ flag }) => ` [-${flag}]`).join('');
  return [
    `usage: ${name} [-vfun] [-t locktimeout] [-c cfgfile]${ownFlags} [start|stop|restart|reload|info|test|kill|restore]`,
    '',
    '-v : print version number and exit',
    '-f : run in foreground',
    '-u : log undefined config variables',
    '-n : do not attempt to increase limit of core dump size',
    '-t locktimeout : how long wait for lockfile',
    '-c cfgfile : use given config file (MooseFS syntax, or YAML when it ends in .yaml)',
    ...own.map(({ flag, doc }) => `-${flag} : ${doc}`),
    ...more,
    '',
  ].join('\n');
}
