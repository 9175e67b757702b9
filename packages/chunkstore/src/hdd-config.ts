/** `mfshdd.cfg` (spec 05 §5, 12 §7): one data folder per line, with flags in front and a size behind. */

/** What a line says about the folder's size. */
export type SizeRule =
  { readonly kind: 'limit'; readonly bytes: number } | { readonly kind: 'leave'; readonly bytes: number };

export interface FolderLine {
  /** Line number in the file, from 1. */
  readonly line: number;
  /** With a `/` at the end. */
  readonly path: string;
  /** `*`: marked for removal. */
  readonly markedForRemoval: boolean;
  /** `~`: a changed total size is not taken as damage. */
  readonly ignoreSizeChange: boolean;
  /** `>` only filled, `<` only emptied by the balancing between disks. */
  readonly balance: 'normal' | 'fill' | 'empty';
  readonly size?: SizeRule;
}

export interface HddConfig {
  readonly folders: FolderLine[];
  /** Text for the log: what was odd, with its line number. */
  readonly warnings: string[];
}

const MIN_SANE_LEAVE_BYTES = 64 * 1024 * 1024;
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Bytes of `0.5TB`, `.5G`, `2.56GiB`, `1000`; undefined if it is no size (spec 12 §2: a bare capital `K` is none). */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+\.?\d*|\.\d+)(k|[MGTPE]|[KMGTPE]i)?B?$/.exec(text);
  if (match === null) return undefined;
  return Math.floor(Number(match[1]) * (UNITS[match[2] ?? ''] as number));
}

export function parseHddConfig(text: string): HddConfig {
  const folders: FolderLine[] = [];
  const warnings: string[] = [];
  text.split('\n').forEach((raw, index) => {
    const line = raw.replace(/[ \t\r]+$/, '');
    if (line === '' || line.startsWith('#')) return;
    folders.push(parseLine(line, index + 1, warnings));
  });
  return { folders, warnings };
}

function parseLine(text: string, line: number, warnings: string[]): FolderLine {
  let path = text.replace(/^[*~<>]+/, '');
  const flags = text.slice(0, text.length - path.length);
  let size: SizeRule | undefined;
  const last = /^(.*[^ \t])[ \t]+([-.\d]\S*)$/.exec(path);
  if (last !== null) {
    const token = last[2] as string;
    const bytes = parseSize(token.replace(/^-/, ''));
    if (bytes === undefined) {
      warnings.push(`line ${line}: size parse error, data: ${token}`);
    } else {
      path = last[1] as string;
      size = sizeRule(token, bytes, line, warnings);
    }
  }
  const fill = flags.includes('>');
  const empty = flags.includes('<');
  if (fill && empty) warnings.push(`line ${line}: both '<' and '>' given, neither is used`);
  return {
    line,
    path: path.endsWith('/') ? path : `${path}/`,
    markedForRemoval: flags.includes('*'),
    ignoreSizeChange: flags.includes('~'),
    balance: fill === empty ? 'normal' : fill ? 'fill' : 'empty',
    ...(size ? { size } : {}),
  };
}

function sizeRule(token: string, bytes: number, line: number, warnings: string[]): SizeRule | undefined {
  if (token.startsWith('-')) {
    if (bytes < MIN_SANE_LEAVE_BYTES) warnings.push(`line ${line}: less than 64 MiB left free (${token})`);
    return { kind: 'leave', bytes };
  }
  if (bytes === 0) {
    warnings.push(`line ${line}: size limit 0 is ignored`);
    return undefined;
  }
  return { kind: 'limit', bytes };
}
