/** From a command line and mfsmount.cfg to settings (spec 12 §11, 13 §13). */
import { resolve } from 'node:path';

import { DEFAULT_MASTER_CLIENT_PORT, passwordDigest, SUGID_CLEAR_MODE_EXT } from '@wapiti-fs/protocol';

import { type GivenOption, splitCommandLine, splitConfigFile } from './command-line.js';
import { applyOption, type Draft, newDraft } from './known-options.js';
import { type MountSettings, UsageError } from './settings.js';

export type ParsedCommandLine =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  /** `mount -f`: everything is checked, nothing is mounted. */
  | { readonly kind: 'mount'; readonly settings: MountSettings; readonly fake: boolean };

export interface ParseContext {
  /** Name under which the program was started; `mount.moosefs` is the helper of mount(8). */
  readonly programName: string;
  /** Text of a file, undefined if there is none. */
  readonly readFile: (path: string) => string | undefined;
}

const DEFAULT_FILES = ['/etc/mfs/mfsmount.cfg', '/etc/mfsmount.cfg'];
const MIB = 1 << 20;

/** @param argv the arguments behind the script. Throws UsageError. */
export function parseMountCommand(argv: readonly string[], context: ParseContext): ParsedCommandLine {
  const helper = context.programName.startsWith('mount.');
  const given = splitCommandLine(argv, helper);
  const has = (name: string): boolean => given.options.some((one) => one.name === name);
  if (has('[help]')) return { kind: 'help' };
  if (has('[version]')) return { kind: 'version' };

  const file = readConfigFile(given.options, context);
  const positional = [...given.positional, ...file.positional];
  const draft = newDraft();
  draft.helper = helper;
  if (positional.length > 0 && /^[^/:]+:/.test(positional[0] as string))
    applySource(draft, positional.shift() as string);
  for (const option of [...given.options, ...file.options]) applyOption(draft, option);
  if (draft.unknown.length > 0)
    throw new UsageError(`fuse: unknown option(s): ${draft.unknown.map((one) => `\`-o ${one}'`).join(' ')}`, true);

  const mountPoint = positional[0] ?? file.mountPoint;
  if (mountPoint === undefined) throw new UsageError('no mount point', true);
  if (positional.length > 1) throw new UsageError(`fuse: invalid argument \`${positional[1]}'`, true);
  // mount(8) lets a helper daemonise; its -f is "fake"
  const fake = helper && draft.foreground;
  const settings = finish(draft, resolve(mountPoint), context);
  return { kind: 'mount', settings: fake ? { ...settings, foreground: false } : settings, fake };
}

function readConfigFile(options: readonly GivenOption[], context: ParseContext): ReturnType<typeof splitConfigFile> {
  const named = options.findLast((one) => one.name === 'mfscfgfile')?.value;
  if (named !== undefined) {
    const text = context.readFile(named);
    if (text === undefined) throw new UsageError(`cfg file (${named}) doesn't exist`);
    return splitConfigFile(text);
  }
  for (const path of DEFAULT_FILES) {
    const text = context.readFile(path);
    if (text !== undefined) return splitConfigFile(text);
  }
  return { options: [], positional: [], mountPoint: undefined };
}

/** `HOST[:PORT]:[PATH]`; options given besides win. */
function applySource(draft: Draft, source: string): void {
  const match = /^([^:]+)(?::(\d+))?:(.*)$/s.exec(source);
  if (match === null) throw new UsageError(`bad source '${source}': HOST[:PORT]:[PATH] is needed`, true);
  draft.text['mfsmaster'] = match[1];
  if (match[2] !== undefined) draft.text['mfsport'] = match[2];
  if (match[3] !== undefined && match[3] !== '') draft.text['mfssubfolder'] = match[3];
}

function finish(draft: Draft, mountPoint: string, context: ParseContext): MountSettings {
  const { text, notices } = draft;
  const flag = (name: string): boolean => draft.flags.has(name);
  const number = (name: string, defaultValue: number): number => draft.numbers[name] ?? defaultValue;
  const ms = (name: string, defaultS: number): number => Math.round(number(name, defaultS) * 1000);
  const nonZero = (name: string, defaultValue: number): number => number(name, 0) || defaultValue;

  const masterHost = text['mfsmaster'] ?? 'mfsmaster';
  const portText = text['mfsport'] ?? String(DEFAULT_MASTER_CLIENT_PORT);
  const masterPort = /^\d+$/.test(portText) ? Number(portText) : 0;
  if (masterPort < 1 || masterPort > 65535)
    throw new UsageError(`can't resolve master hostname and/or portname (${masterHost}:${portText})`);
  const givenFolder = text['mfssubfolder'] ?? '/';
  const subfolder = givenFolder.startsWith('/') ? givenFolder : `/${givenFolder}`;
  const meta = flag('mfsmeta');
  const readAheadLengthBytes = nonZero('mfsreadaheadleng', MIB);
  const source = `${meta ? 'mfsmeta' : 'mfs'}#${masterHost.replaceAll(',', '')}:${masterPort}`;
  return {
    mountPoint,
    foreground: draft.foreground || flag('debug'),
    logFile: text['mfslogfile'] ?? '/var/log/mfsmount.log',
    debug: flag('debug') || flag('mfsdebug'),
    masterHost,
    masterPort,
    bindAddress: text['mfsbind'],
    proxyAddress: text['mfsproxy'] ?? '127.0.0.1',
    subfolder,
    passwordDigest: givenDigest(text, context),
    askPassword: draft.askPassword,
    rememberPassword: !flag('mfsdonotrememberpassword'),
    delayedInit: flag('mfsdelayedinit'),
    meta,
    flatTrash: flag('mfsflattrash'),
    cacheMode: draft.cacheMode,
    attributesCacheMs: ms('mfsattrcacheto', 1),
    xattrCacheMs: ms('mfsxattrcacheto', 30),
    entryCacheMs: ms('mfsentrycacheto', 0),
    directoryEntryCacheMs: ms('mfsdirentrycacheto', 1),
    negativeEntryCacheMs: ms('mfsnegentrycacheto', 0),
    symlinkCacheMs: ms('mfssymlinkcacheto', 300),
    groupsCacheMs: ms('mfsgroupscacheto', 300),
    fsyncMinMs: flag('mfsfsyncbeforeclose') ? 0 : ms('mfsfsyncmintime', 0),
    writeCacheBytes: nonZero('mfswritecachesize', 256) * MIB,
    readAheadBytes: nonZero('mfsreadaheadsize', 256) * MIB,
    readAheadLengthBytes,
    readAheadTriggerBytes: nonZero('mfsreadaheadtrigger', 10 * readAheadLengthBytes),
    ioRetries: draft.numbers['mfsioretries'],
    timeoutS: number('mfstimeout', 0),
    logRetry: number('mfslogretry', 5),
    errorOnLostChunk: flag('mfserroronlostchunk'),
    errorOnNoSpace: flag('mfserroronnospace'),
    preferredLabels: text['mfspreflabels'],
    mkdirCopySgid: number('mfsmkdircopysgid', 1) !== 0,
    sugidClearMode: draft.sugidClearMode ?? SUGID_CLEAR_MODE_EXT,
    xattrs: !flag('mfsnoxattrs'),
    posixLocks: !flag('mfsnoposixlocks'),
    bsdLocks: !flag('mfsnobsdlocks'),
    openFilesLimit: nonZero('mfsrlimitnofile', 100_000),
    nice: number('mfsnice', -19),
    lockMemory: flag('mfsmemlock'),
    allowOomKiller: flag('mfsallowoomkiller'),
    nonEmpty: flag('nonempty'),
    allowOther: draft.standardOptions || flag('allow_other'),
    defaultPermissions: flag('default_permissions'),
    readOnly: draft.kernel.get('rw') === 'ro',
    source: text['fsname'] ?? (givenFolder.startsWith('/') ? source : `${source}/${givenFolder}`),
    subtype: text['subtype'],
    kernelOptions: [...draft.kernel].filter(([key]) => key !== 'rw').map(([, value]) => value),
    notices,
  };
}

function givenDigest(text: Draft['text'], context: ParseContext): Buffer | undefined {
  const given = ['mfspassword', 'mfsmd5pass', 'mfspassfile'].filter((name) => text[name] !== undefined);
  if (text['mfspassfile'] !== undefined) {
    if (given.length > 1) throw new UsageError(`mfspassfile option can't be used together with ${given[0]}`, true);
    const contents = context.readFile(text['mfspassfile']);
    if (contents === undefined) throw new UsageError(`password file (${text['mfspassfile']}) can't be read`);
    const line = (contents.split(/\r?\n/)[0] ?? '').slice(0, 1023);
    if (line === '') throw new UsageError(`password file (${text['mfspassfile']}) is empty`);
    return passwordDigest(line);
  }
  if (text['mfspassword'] !== undefined) return passwordDigest(text['mfspassword']);
  const hex = text['mfsmd5pass'];
  if (hex === undefined) return undefined;
  if (!/^[0-9a-fA-F]{32}$/.test(hex))
    throw new UsageError('bad md5 definition (md5 should be given as 32 hex digits)', true);
  return Buffer.from(hex, 'hex');
}
