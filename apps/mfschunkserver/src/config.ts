/** Configuration of the chunkserver: keys of spec 12 §3, §5. */
import { parseSize } from '@wapiti-fs/chunkstore';
import { z } from 'zod';

export interface ChunkserverConfig {
  readonly dataPath: string;
  /** Where `mfshdd.cfg` lies. */
  readonly hddConfFilename: string;
  /** Given instead of the file by embedders. */
  readonly hddLines?: readonly string[] | undefined;
  readonly leaveSpaceDefaultBytes: number;
  readonly errorToleranceCount: number;
  readonly errorTolerancePeriodS: number;
  readonly fsyncBeforeClose: boolean;
  readonly sparsifyOnWrite: boolean;
  readonly rrChunkCount: number;
  readonly keepDuplicatesHours: number;
  readonly allowStartingWithInvalidDisks: boolean;
  readonly workersMax: number;
  readonly labels: string;
  readonly bindHost: string;
  readonly masterHost: string;
  readonly masterPort: number;
  /** Seconds; 0: the value the master tells. */
  readonly masterTimeoutS: number;
  readonly masterReconnectionDelayS: number;
  readonly authCode: string | undefined;
  readonly chunksPerRegisterPacket: number;
  readonly listenHost: string;
  readonly listenPort: number;
  /** Values as written in the file, for ANTOAN_GET_CONFIG. */
  readonly raw?: Readonly<Record<string, string>> | undefined;
}

export const DEFAULT_CONFIG: Omit<ChunkserverConfig, 'dataPath'> = {
  hddConfFilename: '/etc/mfs/mfshdd.cfg',
  leaveSpaceDefaultBytes: 256 * 1024 * 1024,
  errorToleranceCount: 2,
  errorTolerancePeriodS: 600,
  fsyncBeforeClose: false,
  sparsifyOnWrite: true,
  rrChunkCount: 10_000,
  keepDuplicatesHours: 168,
  allowStartingWithInvalidDisks: false,
  workersMax: 250,
  labels: '',
  bindHost: '*',
  masterHost: 'mfsmaster',
  masterPort: 9420,
  masterTimeoutS: 0,
  masterReconnectionDelayS: 5,
  authCode: undefined,
  chunksPerRegisterPacket: 10_000,
  listenHost: '*',
  listenPort: 9422,
};

/** Label letters as a mask, bit 0 = A; what else stands there is returned for the log (spec 03 §8.1). */
export function parseLabels(text: string): { mask: number; bad: string[] } {
  let mask = 0;
  const bad: string[] = [];
  for (const one of text.split(/[,;]/).map((part) => part.trim())) {
    if (/^[A-Za-z]$/.test(one)) mask |= 1 << (one.toUpperCase().charCodeAt(0) - 65);
    else if (one !== '') bad.push(one);
  }
  return { mask: mask >>> 0, bad };
}

/** C strtol with base 0 (spec 12 §2): what follows the number is ignored; no number is an error. */
function integer(defaultValue: number, min: number, max: number): z.ZodType<number, unknown> {
  return z
    .union([
      z.number().int(),
      z
        .string()
        .regex(/^\s*[-+]?\d/, 'expected a number')
        .transform(toInteger),
    ])
    .default(defaultValue)
    .transform((value) => Math.min(max, Math.max(min, value)));
}

function toInteger(text: string): number {
  const match = /^\s*([-+]?)(0x[0-9a-f]+|0[0-7]*|\d+)/i.exec(text);
  const digits = match?.[2] ?? '0';
  const value = /^0x/i.test(digits) ? Number(digits) : Number.parseInt(digits, digits.startsWith('0') ? 8 : 10);
  return match?.[1] === '-' ? -value : value;
}

const flag = (defaultValue: boolean): z.ZodType<boolean, unknown> =>
  z
    .union([
      z.boolean(),
      z.number().transform((value) => value !== 0),
      z.string().transform((text) => toInteger(text) !== 0),
    ])
    .default(defaultValue);

const size = (defaultBytes: number): z.ZodType<number, unknown> =>
  z
    .union([
      z.number().nonnegative(),
      z.string().transform((text, context) => {
        const bytes = parseSize(text.trim());
        if (bytes === undefined) context.addIssue({ code: 'custom', message: `not a size: ${text}` });
        return bytes ?? 0;
      }),
    ])
    .default(defaultBytes);

const text = (defaultValue: string): z.ZodType<string, unknown> =>
  z.union([z.string(), z.number().transform(String)]).default(defaultValue);

const UINT32 = 0xffffffff;
const D = DEFAULT_CONFIG;

/** Keys as in `mfschunkserver.cfg`; out-of-range numbers are clamped as the tables of spec 12 §5 say. */
export const configSchema = z
  .looseObject({
    DATA_PATH: text('/var/lib/mfs'),
    HDD_CONF_FILENAME: text(D.hddConfFilename),
    HDD_LEAVE_SPACE_DEFAULT: size(D.leaveSpaceDefaultBytes),
    HDD_ERROR_TOLERANCE_COUNT: integer(D.errorToleranceCount, 1, 10),
    HDD_ERROR_TOLERANCE_PERIOD: integer(D.errorTolerancePeriodS, 10, 86_400),
    HDD_FSYNC_BEFORE_CLOSE: flag(D.fsyncBeforeClose),
    HDD_SPARSIFY_ON_WRITE: flag(D.sparsifyOnWrite),
    HDD_RR_CHUNK_COUNT: integer(D.rrChunkCount, 1, 100_000),
    HDD_KEEP_DUPLICATES_HOURS: integer(D.keepDuplicatesHours, 0, 2400),
    ALLOW_STARTING_WITH_INVALID_DISKS: flag(D.allowStartingWithInvalidDisks),
    WORKERS_MAX: integer(D.workersMax, 1, UINT32),
    LABELS: text(D.labels),
    BIND_HOST: text(D.bindHost),
    MASTER_HOST: text(D.masterHost),
    MASTER_PORT: integer(D.masterPort, 1, 65_535),
    MASTER_TIMEOUT: integer(D.masterTimeoutS, 0, 65_535),
    MASTER_RECONNECTION_DELAY: integer(D.masterReconnectionDelayS, 0, UINT32),
    AUTH_CODE: z.string().optional(),
    CHUNKS_PER_REGISTER_PACKET: integer(D.chunksPerRegisterPacket, 1000, 100_000),
    CSSERV_LISTEN_HOST: text(D.listenHost),
    CSSERV_LISTEN_PORT: integer(D.listenPort, 0, 65_535),
  })
  .transform((keys): ChunkserverConfig => {
    const raw: Record<string, string> = {};
    for (const [key, value] of Object.entries(keys)) if (typeof value === 'string') raw[key] = value;
    return {
      dataPath: keys.DATA_PATH,
      hddConfFilename: keys.HDD_CONF_FILENAME,
      leaveSpaceDefaultBytes: keys.HDD_LEAVE_SPACE_DEFAULT,
      errorToleranceCount: keys.HDD_ERROR_TOLERANCE_COUNT,
      errorTolerancePeriodS: keys.HDD_ERROR_TOLERANCE_PERIOD,
      fsyncBeforeClose: keys.HDD_FSYNC_BEFORE_CLOSE,
      sparsifyOnWrite: keys.HDD_SPARSIFY_ON_WRITE,
      rrChunkCount: keys.HDD_RR_CHUNK_COUNT,
      keepDuplicatesHours: keys.HDD_KEEP_DUPLICATES_HOURS,
      allowStartingWithInvalidDisks: keys.ALLOW_STARTING_WITH_INVALID_DISKS,
      workersMax: keys.WORKERS_MAX,
      labels: keys.LABELS,
      bindHost: keys.BIND_HOST,
      masterHost: keys.MASTER_HOST,
      masterPort: keys.MASTER_PORT,
      masterTimeoutS: keys.MASTER_TIMEOUT > 0 && keys.MASTER_TIMEOUT < 10 ? 10 : keys.MASTER_TIMEOUT,
      masterReconnectionDelayS: keys.MASTER_RECONNECTION_DELAY,
      authCode: keys.AUTH_CODE,
      chunksPerRegisterPacket: keys.CHUNKS_PER_REGISTER_PACKET,
      listenHost: keys.CSSERV_LISTEN_HOST === '' ? '*' : keys.CSSERV_LISTEN_HOST,
      listenPort: keys.CSSERV_LISTEN_PORT,
      raw,
    };
  });
