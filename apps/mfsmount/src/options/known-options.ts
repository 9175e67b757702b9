/** Every `-o` option that mfsmount knows, and what may be given for it (spec 12 §11.2, 13 §13). */
import {
  SUGID_CLEAR_MODE_ALWAYS,
  SUGID_CLEAR_MODE_BSD,
  SUGID_CLEAR_MODE_EXT,
  SUGID_CLEAR_MODE_NEVER,
  SUGID_CLEAR_MODE_OSX,
  SUGID_CLEAR_MODE_XFS,
} from '@wapiti-fs/protocol';

import type { GivenOption } from './command-line.js';
import { type CacheMode, UsageError } from './settings.js';

/** Options as they were given, before defaults. */
export interface Draft {
  readonly text: Record<string, string | undefined>;
  readonly numbers: Record<string, number>;
  readonly flags: Set<string>;
  /** Kernel options by the property they set: the last one wins. */
  readonly kernel: Map<string, string>;
  readonly unknown: string[];
  readonly notices: string[];
  cacheMode: CacheMode;
  sugidClearMode: number | undefined;
  foreground: boolean;
  askPassword: boolean;
  standardOptions: boolean;
  helper: boolean;
}

export function newDraft(): Draft {
  return {
    text: {},
    numbers: {},
    flags: new Set(),
    // as fusermount and the reference: no suid programs or devices unless asked for
    kernel: new Map([
      ['suid', 'nosuid'],
      ['dev', 'nodev'],
    ]),
    unknown: [],
    notices: [],
    cacheMode: 'auto',
    sugidClearMode: undefined,
    foreground: false,
    askPassword: false,
    standardOptions: true,
    helper: false,
  };
}

interface NumberRule {
  readonly decimal?: boolean;
  readonly min?: number;
  readonly max?: number;
  readonly unit?: string;
  /** Name in messages. */
  readonly what: string;
}

const cacheTimeout = (what: string): NumberRule => ({ decimal: true, min: 0, max: 86_400, what });

const NUMBERS: Readonly<Record<string, NumberRule>> = {
  mfsattrcacheto: cacheTimeout('attribute cache timeout'),
  mfsxattrcacheto: cacheTimeout('extended attributes cache timeout'),
  mfsentrycacheto: cacheTimeout('entry cache timeout'),
  mfsdirentrycacheto: cacheTimeout('directory entry cache timeout'),
  mfsnegentrycacheto: cacheTimeout('negative entry cache timeout'),
  mfssymlinkcacheto: cacheTimeout('symlink cache timeout'),
  mfsgroupscacheto: cacheTimeout('groups cache timeout'),
  mfsfsyncmintime: { decimal: true, min: 0, what: 'fsync min time' },
  mfswritecachesize: { min: 16, max: 2048, unit: ' MiB', what: 'write cache size' },
  mfsreadaheadsize: { min: 16, max: 2048, unit: ' MiB', what: 'read ahead buffers size' },
  mfsreadaheadleng: { min: 131_072, max: 2_097_152, unit: ' B', what: 'read ahead length' },
  mfsreadaheadtrigger: { min: 0, what: 'read ahead trigger' },
  mfsioretries: { min: 1, what: 'number of retries' },
  mfstimeout: { min: 0, what: 'timeout' },
  mfslogretry: { min: 0, what: 'minimal retry counter' },
  mfsmkdircopysgid: { min: 0, max: 1, what: 'mkdircopysgid' },
  mfsrlimitnofile: { min: 0, what: 'limit of open files' },
  mfsnice: { min: -20, max: 19, what: 'nice value' },
  mfslimitarenas: { min: 0, what: 'number of arenas' },
  mfsfsyncbeforeclose: { min: 0, max: 1, what: 'fsyncbeforeclose' },
};
/** Sizes for which 0 says "default". */
const ZERO_IS_DEFAULT: ReadonlySet<string> = new Set([
  'mfswritecachesize',
  'mfsreadaheadsize',
  'mfsreadaheadleng',
  'mfsreadaheadtrigger',
]);

const TEXTS: ReadonlySet<string> = new Set([
  'mfsmaster',
  'mfsport',
  'mfsbind',
  'mfsproxy',
  'mfssubfolder',
  'mfspassword',
  'mfspassfile',
  'mfsmd5pass',
  'mfspreflabels',
  'mfslogfile',
  'fsname',
  'subtype',
]);

const FLAG_NAMES: ReadonlySet<string> = new Set([
  'debug',
  'mfsdebug',
  'mfsmeta',
  'mfsflattrash',
  'mfsdelayedinit',
  'mfsdonotrememberpassword',
  'mfserroronlostchunk',
  'mfserroronnospace',
  'mfsnoxattrs',
  'mfsnoposixlocks',
  'mfsnobsdlocks',
  'mfsmemlock',
  'mfsallowoomkiller',
  'nonempty',
  'allow_other',
  'default_permissions',
]);
/** Other names of the same. */
const ALIASES: Readonly<Record<string, string>> = {
  mfsnoxattr: 'mfsnoxattrs',
  mfsnoposixlock: 'mfsnoposixlocks',
  mfsnobsdlock: 'mfsnobsdlocks',
  allowoomkiller: 'mfsallowoomkiller',
};

/** Options of mount(8) that reach the kernel: property and value. */
const KERNEL: Readonly<Record<string, readonly [string, string]>> = {
  rw: ['rw', 'rw'],
  ro: ['rw', 'ro'],
  suid: ['suid', 'suid'],
  nosuid: ['suid', 'nosuid'],
  mfssuid: ['suid', 'suid'],
  dev: ['dev', 'dev'],
  nodev: ['dev', 'nodev'],
  mfsdev: ['dev', 'dev'],
  exec: ['exec', 'exec'],
  noexec: ['exec', 'noexec'],
  atime: ['atime', 'atime'],
  noatime: ['atime', 'noatime'],
  relatime: ['atime', 'relatime'],
  strictatime: ['atime', 'strictatime'],
  nodiratime: ['diratime', 'nodiratime'],
  diratime: ['diratime', 'diratime'],
  sync: ['sync', 'sync'],
  async: ['sync', 'async'],
  dirsync: ['dirsync', 'dirsync'],
};

/** Words of fstab for mount(8), systemd and others; threads and buffers of the C library libfuse, which is not used here. */
const IGNORED =
  /^(_netdev|defaults|auto|noauto|user|users|nouser|owner|group|nofail|loop|comment|x-.*|X-.*|clone_fd|max_idle_threads|max_threads|max_read|big_writes|splice_.*|no_splice_.*|mfslimitarenas|mfscfgfile)$/;

const CACHE_MODES: Readonly<Record<string, CacheMode>> = {
  AUTO: 'auto',
  YES: 'yes',
  ALWAYS: 'yes',
  NO: 'no',
  NONE: 'no',
  NEVER: 'no',
  DIRECT: 'direct',
};
const SUGID_MODES: Readonly<Record<string, number>> = {
  NEVER: SUGID_CLEAR_MODE_NEVER,
  ALWAYS: SUGID_CLEAR_MODE_ALWAYS,
  OSX: SUGID_CLEAR_MODE_OSX,
  BSD: SUGID_CLEAR_MODE_BSD,
  EXT: SUGID_CLEAR_MODE_EXT,
  XFS: SUGID_CLEAR_MODE_XFS,
};

/** Puts one option into the draft; throws UsageError for a value that cannot be read. */
export function applyOption(draft: Draft, option: GivenOption): void {
  const name = ALIASES[option.name] ?? option.name;
  const { value } = option;
  if (name === '[foreground]') draft.foreground = true;
  else if (name === '[password]') draft.askPassword = true;
  else if (name === '[nostdopts]') draft.standardOptions = false;
  else if (name === '[single]') return;
  else if (FLAG_NAMES.has(name) && value === undefined) draft.flags.add(name);
  else if (KERNEL[name] !== undefined && value === undefined) draft.kernel.set(...KERNEL[name]);
  else if (TEXTS.has(name)) draft.text[name] = value ?? missing(option);
  else if (name === 'mfscachefiles') draft.cacheMode = 'yes';
  else if (name === 'mfscachemode')
    draft.cacheMode = chosen(CACHE_MODES, value ?? missing(option), 'unrecognized cachemode option');
  else if (name === 'mfssugidclearmode')
    draft.sugidClearMode = chosen(SUGID_MODES, value ?? missing(option), 'unrecognized sugidclearmode option');
  else if (name === 'mfsfsyncbeforeclose' && (value === undefined || value === '1')) draft.flags.add(name);
  else if (NUMBERS[name] !== undefined && name !== 'mfslimitarenas')
    draft.numbers[name] = numberOf(draft, option, NUMBERS[name]);
  else if (!IGNORED.test(name)) draft.unknown.push(option.text);
}

function missing(option: GivenOption): never {
  throw new UsageError(`fuse: invalid parameter in option \`${option.text}'`);
}

function chosen<T>(choices: Readonly<Record<string, T>>, value: string, complaint: string): T {
  const choice = choices[value.toUpperCase()];
  if (choice === undefined) throw new UsageError(`${complaint} '${value}'`, true);
  return choice;
}

function numberOf(draft: Draft, option: GivenOption, rule: NumberRule): number {
  const text = option.value ?? '';
  if (!(rule.decimal ? /^[+-]?(\d+\.?\d*|\.\d+)$/ : /^[+-]?\d+$/).test(text)) missing(option);
  const value = Number(text);
  const unit = rule.unit ?? '';
  if (value === 0 && ZERO_IS_DEFAULT.has(option.name)) return 0;
  if (rule.min !== undefined && value < rule.min) {
    draft.notices.push(`${rule.what} too low (${text}${unit}) - increased to ${rule.min}${unit}`);
    return rule.min;
  }
  if (rule.max !== undefined && value > rule.max) {
    draft.notices.push(`${rule.what} too big (${text}${unit}) - decreased to ${rule.max}${unit}`);
    return rule.max;
  }
  return value;
}
