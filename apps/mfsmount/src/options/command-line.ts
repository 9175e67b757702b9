/** Splitting of a command line of mfsmount, as fuse_opt does it, and of its configuration file (spec 12 §11.1). */
import { UsageError } from './settings.js';

/** One `-o` option, or a short one under its long name. */
export interface GivenOption {
  readonly name: string;
  /** Undefined: given without `=`. */
  readonly value: string | undefined;
  /** As it was written, for messages. */
  readonly text: string;
}

export interface SplitCommandLine {
  readonly options: GivenOption[];
  readonly positional: string[];
}

/** Short options with a value, and the names under which they are known. */
const WITH_VALUE: Readonly<Record<string, string>> = {
  c: 'mfscfgfile',
  H: 'mfsmaster',
  P: 'mfsport',
  B: 'mfsbind',
  L: 'mfsproxy',
  S: 'mfssubfolder',
};
/** Options without a value. The names in brackets are no `-o` options. */
const FLAGS: Readonly<Record<string, string>> = {
  '-h': '[help]',
  '--help': '[help]',
  '-V': '[version]',
  '--version': '[version]',
  '-d': 'debug',
  '-f': '[foreground]',
  '-s': '[single]',
  '-m': 'mfsmeta',
  '--meta': 'mfsmeta',
  '-p': '[password]',
  '--password': '[password]',
  '-n': '[nostdopts]',
  '--nostdopts': '[nostdopts]',
};
/** What mount(8) gives to a helper: sloppy, fake, no mtab, verbose. */
const HELPER_FLAGS: ReadonlySet<string> = new Set(['-s', '-n', '-v']);

/**
 * Splits `argv` (behind the program's name).
 *
 * @param helper called by mount(8) as `mount.moosefs SOURCE DIR -o …`
 */
export function splitCommandLine(argv: readonly string[], helper = false): SplitCommandLine {
  const options: GivenOption[] = [];
  const positional: string[] = [];
  const rest = [...argv];
  const valueOf = (flag: string, attached: string): string => {
    const value = attached !== '' ? attached : rest.shift();
    if (value === undefined) throw new UsageError(`fuse: missing argument after \`-${flag}'`);
    return value;
  };
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument === '--') {
      positional.push(...rest.splice(0));
    } else if (!argument.startsWith('-') || argument === '-') {
      positional.push(argument);
    } else if (helper && HELPER_FLAGS.has(argument)) {
      continue;
    } else if (helper && (argument === '-t' || argument === '-N')) {
      valueOf(argument.slice(1), '');
    } else if (argument in FLAGS) {
      options.push({ name: FLAGS[argument] as string, value: undefined, text: argument });
    } else if (argument.startsWith('-o')) {
      options.push(...splitOptions(valueOf('o', argument.slice(2))));
    } else {
      const flag = argument[1] as string;
      const name = WITH_VALUE[flag];
      if (name === undefined || argument.startsWith('--'))
        throw new UsageError(`fuse: unknown option(s): \`${argument}'`, true);
      options.push({ name, value: valueOf(flag, argument.slice(2)), text: argument });
    }
  }
  return { options, positional };
}

/** `a,b=c`; `\,` is a comma inside a value. */
export function splitOptions(text: string): GivenOption[] {
  return (text.match(/(?:\\[\s\S]|[^,])+/g) ?? []).map((raw) => {
    const option = raw.replace(/\\([\s\S])/g, '$1');
    const equals = option.indexOf('=');
    if (equals < 0) return { name: option, value: undefined, text: option };
    return { name: option.slice(0, equals), value: option.slice(equals + 1), text: option };
  });
}

export interface ConfigFileContents extends SplitCommandLine {
  /** Mount point for a command line without one. */
  readonly mountPoint: string | undefined;
}

/** mfsmount.cfg: `-` begins an argument, `/` a default mount point; other lines are options. */
export function splitConfigFile(text: string): ConfigFileContents {
  const argv: string[] = [];
  let mountPoint: string | undefined;
  for (const raw of text.split('\n')) {
    if (raw.startsWith('#') || raw.startsWith(';')) continue;
    const line = raw.trim();
    if (line === '') continue;
    if (line.startsWith('/')) mountPoint ??= line;
    else if (line.startsWith('-')) argv.push(line);
    else argv.push('-o', line);
  }
  return { ...splitCommandLine(argv), mountPoint };
}
