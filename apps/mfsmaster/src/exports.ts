import {
  challengeAnswer,
  crc32,
  DISABLES,
  MFS_ERROR_BADPASSWORD,
  MFS_ERROR_EACCES,
  MFS_ERROR_NOPASSWORD,
  murmurHash,
  passwordDigest,
  SESFLAG_ADMIN,
  SESFLAG_DYNAMICIP,
  SESFLAG_IGNOREGID,
  SESFLAG_MAPALL,
  SESFLAG_READONLY,
  parseIpv4,
} from '@wapiti-fs/protocol';

/** mfsexports.cfg (spec 12 §8). */

export interface ExportEntry {
  fromIp: number;
  toIp: number;
  /** Without slashes at its ends; empty: root. */
  path: Buffer;
  meta: boolean;
  alldirs: boolean;
  rootRedefined: boolean;
  /** MD5 of the password. */
  passwordDigest: Buffer | undefined;
  minVersion: number;
  sesflags: number;
  umask: number;
  rootUid: number;
  rootGid: number;
  mapallUid: number;
  mapallGid: number;
  minGoal: number;
  maxGoal: number;
  minTrashtimeS: number;
  maxTrashtimeS: number;
  disables: number;
}

/** Looks up names of `maproot=` and `mapall=`; undefined: unknown. */
export interface UserLookup {
  user(name: string): { uid: number; gid: number } | undefined;
  userById(uid: number): { gid: number } | undefined;
  group(name: string): number | undefined;
}

export interface ParsedExports {
  readonly entries: readonly ExportEntry[];
  /** One line each, with the number of the line in the file. */
  readonly problems: readonly string[];
  readonly checksum: bigint;
}

const MAX_IP = 0xffffffff;

function defaults(): ExportEntry {
  return {
    fromIp: 0,
    toIp: 0,
    path: Buffer.alloc(0),
    meta: false,
    alldirs: false,
    rootRedefined: false,
    passwordDigest: undefined,
    minVersion: 0,
    sesflags: SESFLAG_READONLY,
    umask: 0,
    rootUid: 999,
    rootGid: 999,
    mapallUid: 999,
    mapallGid: 999,
    minGoal: 1,
    maxGoal: 9,
    minTrashtimeS: 0,
    maxTrashtimeS: 0xffffffff,
    disables: 0,
  };
}

/** A problem with one line; the line is dropped. */
class LineError extends Error {}

export function parseExports(text: string, users: UserLookup): ParsedExports {
  const entries: ExportEntry[] = [];
  const problems: string[] = [];
  // DEFAULTS lines make records too, which count for the checksum only
  const checksummed: ExportEntry[] = [];
  let current = defaults();
  text.split('\n').forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    const report = (problem: string): void => void problems.push(`line ${index + 1}: ${problem}`);
    try {
      const [first = '', ...others] = line.split(/[ \t]+/);
      if (first.toUpperCase() === 'DEFAULTS') {
        const entry = { ...current };
        applyOptions(entry, others.join(' '), users, report);
        current = entry;
        checksummed.push(entry);
        return;
      }
      if (others.length === 0) throw new LineError('incomplete definition');
      const [path = '', ...options] = others;
      const entry = { ...current, ...parseNetwork(first), meta: path === '.' };
      entry.path = entry.meta ? Buffer.alloc(0) : Buffer.from(path.replace(/^\/+|\/+$/g, ''));
      applyOptions(entry, options.join(' '), users, report);
      if (entry.meta && !entry.rootRedefined) entry.rootUid = entry.rootGid = 0;
      entries.push(entry);
      checksummed.push(entry);
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      report(error.message);
    }
  });
  return { entries, problems, checksum: exportsChecksum(checksummed) };
}

function parseAddress(text: string): number {
  const ip = parseIpv4(text);
  if (ip === undefined) throw new LineError(`incorrect ip/network definition: ${text}`);
  return ip;
}

function parseNetwork(text: string): { fromIp: number; toIp: number } {
  if (text === '*') return { fromIp: 0, toIp: MAX_IP };
  const range = /^([^-/]+)-([^-/]+)$/.exec(text);
  if (range !== null) return { fromIp: parseAddress(range[1] as string), toIp: parseAddress(range[2] as string) };
  const [address = '', bits] = text.split('/');
  const ip = parseAddress(address);
  if (bits === undefined) return { fromIp: ip, toIp: ip };
  let mask: number;
  if (bits.includes('.')) mask = parseAddress(bits);
  else {
    if (!/^\d{1,2}$/.test(bits) || Number(bits) > 32) throw new LineError(`incorrect ip/network definition: ${text}`);
    mask = Number(bits) === 0 ? 0 : (MAX_IP << (32 - Number(bits))) >>> 0;
  }
  return { fromIp: (ip & mask) >>> 0, toIp: ((ip & mask) | ~mask) >>> 0 };
}

const META_IGNORED = /^(ignoregid|alldirs|admin|canchangequota|disable|maproot|mapall)$/;

function applyOptions(entry: ExportEntry, text: string, users: UserLookup, report: (problem: string) => void): void {
  for (const option of text.split(',').map((one) => one.trim())) {
    if (option === '') continue;
    const at = option.indexOf('=');
    const key = at < 0 ? option : option.slice(0, at);
    const value = at < 0 ? undefined : option.slice(at + 1);
    if (entry.meta && META_IGNORED.test(key)) report(`meta option ignored: ${option}`);
    else if (!applyFlag(entry, key, value) && !applyValue(entry, key, value, users, report))
      report(`unknown option '${option}' (ignored)`);
  }
}

function applyFlag(entry: ExportEntry, key: string, value: string | undefined): boolean {
  if (value !== undefined) return false;
  switch (key) {
    case 'ro':
    case 'readonly':
      entry.sesflags |= SESFLAG_READONLY;
      return true;
    case 'rw':
    case 'readwrite':
      entry.sesflags &= ~SESFLAG_READONLY;
      return true;
    case 'alldirs':
      entry.alldirs = true;
      return true;
    case 'dynamicip':
      entry.sesflags |= SESFLAG_DYNAMICIP;
      return true;
    case 'ignoregid':
      entry.sesflags |= SESFLAG_IGNOREGID;
      return true;
    case 'admin':
    case 'canchangequota':
      entry.sesflags |= SESFLAG_ADMIN;
      return true;
    default:
      return false;
  }
}

function applyValue(
  entry: ExportEntry,
  key: string,
  value: string | undefined,
  users: UserLookup,
  report: (problem: string) => void,
): boolean {
  if (value === undefined) return false;
  const wrong = (): never => {
    throw new LineError(`incorrect value of ${key}: ${value}`);
  };
  switch (key) {
    case 'maproot': {
      const { uid, gid } = parseMapping(value, users) ?? wrong();
      Object.assign(entry, { rootUid: uid, rootGid: gid, rootRedefined: true });
      return true;
    }
    case 'mapall': {
      const { uid, gid } = parseMapping(value, users) ?? wrong();
      Object.assign(entry, { mapallUid: uid, mapallGid: gid });
      if (!entry.rootRedefined) Object.assign(entry, { rootUid: uid, rootGid: gid });
      entry.sesflags |= SESFLAG_MAPALL;
      return true;
    }
    case 'password':
      entry.passwordDigest = passwordDigest(value);
      return true;
    case 'md5pass':
      entry.passwordDigest = /^[0-9a-fA-F]{32}$/.test(value) ? Buffer.from(value, 'hex') : wrong();
      return true;
    case 'minversion': {
      const parts = value.split('.');
      if (parts.length > 3 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)) wrong();
      const [x = 0, y = 0, z = 0] = parts.map(Number);
      entry.minVersion = x * 65536 + y * 256 + z;
      return true;
    }
    case 'mingoal':
    case 'maxgoal':
      if (!/^[1-9]$/.test(value)) wrong();
      entry[key === 'mingoal' ? 'minGoal' : 'maxGoal'] = Number(value);
      if (entry.minGoal > entry.maxGoal) wrong();
      return true;
    case 'mintrashtime':
    case 'maxtrashtime':
      entry[key === 'mintrashtime' ? 'minTrashtimeS' : 'maxTrashtimeS'] = parsePeriod(value) ?? wrong();
      if (entry.minTrashtimeS > entry.maxTrashtimeS) wrong();
      return true;
    case 'umask': {
      const match = /^0([0-7]{3})/.exec(value) ?? wrong();
      entry.umask = parseInt(match[1] as string, 8);
      return true;
    }
    case 'disable':
      for (const name of value.split(':').map((one) => one.trim())) {
        const bit = DISABLES.indexOf(name);
        if (bit < 0) report(`unknown option '${name}' (ignored)`);
        else entry.disables = (entry.disables | (1 << bit)) >>> 0;
      }
      return true;
    default:
      return false;
  }
}

function parseMapping(text: string, users: UserLookup): { uid: number; gid: number } | undefined {
  const [user = '', group] = text.split(':');
  const named = /^\d+$/.test(user) ? undefined : users.user(user);
  const uid = /^\d+$/.test(user) ? Number(user) : named?.uid;
  if (uid === undefined) return undefined;
  const gid =
    group === undefined
      ? (named ?? users.userById(uid))?.gid
      : /^\d+$/.test(group)
        ? Number(group)
        : users.group(group);
  return gid === undefined ? undefined : { uid, gid };
}

const UNITS = [604_800, 86_400, 3600, 60, 1];

function parsePeriod(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) <= MAX_IP ? Number(text) : undefined;
  const match = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/i.exec(text);
  if (match === null || text === '') return undefined;
  const total = UNITS.reduce((sum, unit, index) => sum + unit * Number(match[index + 1] ?? 0), 0);
  return total <= MAX_IP ? total : undefined;
}

/** Spec 12 §8.4. */
export function exportsChecksum(entries: readonly ExportEntry[]): bigint {
  let sum = 0n;
  for (const entry of entries) {
    const block = Buffer.alloc(62);
    let at = 0;
    const u32 = (value: number): void => void (at = block.writeUInt32BE(value, at));
    const u8 = (value: number): void => void (at = block.writeUInt8(value, at));
    [entry.fromIp, entry.toIp, entry.minVersion].forEach(u32);
    entry.passwordDigest?.copy(block, at);
    at += 16;
    u8(
      (entry.alldirs ? 8 : 0) +
        (entry.passwordDigest === undefined ? 0 : 4) +
        (entry.meta ? 2 : 0) +
        (entry.rootRedefined ? 1 : 0),
    );
    [entry.sesflags, entry.minGoal, entry.maxGoal].forEach(u8);
    at = block.writeUInt16BE(entry.umask, at);
    [
      entry.minTrashtimeS,
      entry.maxTrashtimeS,
      entry.rootUid,
      entry.rootGid,
      entry.mapallUid,
      entry.mapallGid,
      entry.disables,
    ].forEach(u32);
    let crc = crc32(block, 0xffffffff);
    let hash = murmurHash(block, 0);
    if (entry.path.length > 0) {
      crc = crc32(entry.path, crc);
      hash = murmurHash(entry.path, hash);
    }
    sum = (sum + ((BigInt(crc) << 32n) | BigInt(hash))) & 0xffffffffffffffffn;
  }
  return sum;
}

export interface ExportRequest {
  readonly ip: number;
  readonly version: number;
  readonly meta: boolean;
  /** Without slashes at its ends. */
  readonly path: Buffer;
  /** The challenge sent on this connection. */
  readonly random: Buffer | undefined;
  readonly passcode: Buffer | undefined;
}

/** The entry for a new session (spec 12 §8.3), or a status. */
export function selectExport(entries: readonly ExportEntry[], request: ExportRequest): ExportEntry | number {
  let chosen: ExportEntry | undefined;
  let passwordFailed = false;
  for (const entry of entries) {
    if (
      request.ip < entry.fromIp ||
      request.ip > entry.toIp ||
      request.version < entry.minVersion ||
      entry.meta !== request.meta
    )
      continue;
    if (!entry.meta && !pathFits(entry, request.path)) continue;
    if (entry.passwordDigest !== undefined && !passwordFits(entry.passwordDigest, request)) {
      passwordFailed = true;
      continue;
    }
    if (chosen === undefined || isBetter(entry, chosen)) chosen = entry;
  }
  if (chosen !== undefined) return chosen;
  if (!passwordFailed) return MFS_ERROR_EACCES;
  return request.random === undefined || request.passcode === undefined ? MFS_ERROR_NOPASSWORD : MFS_ERROR_BADPASSWORD;
}

function pathFits(entry: ExportEntry, path: Buffer): boolean {
  if (entry.path.length === 0) return path.length === 0 || entry.alldirs;
  if (path.equals(entry.path)) return true;
  return entry.alldirs && path.subarray(0, entry.path.length).equals(entry.path) && path[entry.path.length] === 0x2f;
}

function passwordFits(digest: Buffer, { random, passcode }: ExportRequest): boolean {
  if (random === undefined || passcode === undefined) return false;
  return challengeAnswer(random, digest).equals(passcode);
}

function isBetter(entry: ExportEntry, than: ExportEntry): boolean {
  const writable = (one: ExportEntry): boolean => (one.sesflags & SESFLAG_READONLY) === 0;
  const admin = (one: ExportEntry): boolean => (one.sesflags & SESFLAG_ADMIN) !== 0;
  return (
    (writable(entry) && !writable(than)) ||
    (entry.rootUid === 0 && than.rootUid !== 0) ||
    (admin(entry) && !admin(than)) ||
    (entry.passwordDigest !== undefined && than.passwordDigest === undefined) ||
    entry.path.length > than.path.length
  );
}
