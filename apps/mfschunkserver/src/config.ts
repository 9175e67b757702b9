/** Configuration of the chunkserver: keys of spec 12 §3, §5. */
import { resolve } from 'node:path';

import {
  cfg,
  commonKeys,
  type ConfigDefinition,
  configFrom,
  defineConfig,
  type MasterConfig,
  masterConfig,
  masterKeys,
} from '@wapiti-fs/runtime';

export interface ChunkserverConfig extends MasterConfig {
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
  readonly authCode: string | undefined;
  readonly chunksPerRegisterPacket: number;
  readonly listenHost: string;
  readonly listenPort: number;
  /** Values as written in the file, for ANTOAN_GET_CONFIG. */
  readonly raw?: Readonly<Record<string, string>> | undefined;
}

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

const UINT32 = 0xffffffff;
const NOT_YET = 'Accepted for compatibility; without effect';

const keys = {
  DATA_PATH: commonKeys.DATA_PATH,
  HDD_CONF_FILENAME: { type: cfg.path('/etc/mfs/mfshdd.cfg'), reload: true, doc: 'List of the data folders.' },
  HDD_TEST_SPEED: {
    type: cfg.decimal(1, { min: 0 }),
    reload: true,
    doc: `${NOT_YET}: chunks are checked when they are read.`,
  },
  HDD_TEST_FREQ: { type: cfg.decimal(10, { min: 0 }), reload: true, doc: `${NOT_YET}, like HDD_TEST_SPEED.` },
  HDD_MIN_TEST_INTERVAL: {
    type: cfg.integer(86_400, { min: 0, max: UINT32 }),
    reload: true,
    doc: `${NOT_YET}, like HDD_TEST_SPEED.`,
  },
  HDD_FADVISE_MIN_TIME: {
    type: cfg.integer(86_400, { min: 0, max: UINT32 }),
    reload: true,
    doc: `${NOT_YET}: the page cache is left to the kernel.`,
  },
  HDD_LEAVE_SPACE_DEFAULT: {
    type: cfg.sizeBytes('256MiB'),
    reload: true,
    doc: 'Space left free on every disk that has no size of its own.',
  },
  HDD_REBALANCE_UTILIZATION: {
    type: cfg.integer(20, { min: 0, max: 100 }),
    reload: true,
    doc: `${NOT_YET}: chunks are not moved between the disks of a server.`,
  },
  HDD_HIGH_SPEED_REBALANCE_LIMIT: {
    type: cfg.integer(0, { min: 0, max: 10 }),
    reload: true,
    doc: `${NOT_YET}, like HDD_REBALANCE_UTILIZATION.`,
  },
  HDD_ERROR_TOLERANCE_COUNT: {
    type: cfg.integer(2, { min: 1, max: 10 }),
    reload: true,
    doc: 'More errors than this within the period make a disk damaged.',
  },
  HDD_ERROR_TOLERANCE_PERIOD: {
    type: cfg.integer(600, { min: 10, max: 86_400 }),
    reload: true,
    doc: 'Seconds in which errors of a disk are counted.',
  },
  HDD_FSYNC_BEFORE_CLOSE: {
    type: cfg.boolean(false),
    reload: true,
    doc: 'Sync chunks to disk before they are closed.',
  },
  HDD_SPARSIFY_ON_WRITE: { type: cfg.boolean(true), reload: true, doc: 'Leave holes where blocks are all zero.' },
  HDD_RR_CHUNK_COUNT: {
    type: cfg.integer(10_000, { min: 1, max: 100_000 }),
    reload: true,
    doc: 'New chunks put into one subfolder before the next one is used.',
  },
  HDD_KEEP_DUPLICATES_HOURS: {
    type: cfg.integer(168, { min: 0, max: 2400 }),
    reload: true,
    doc: 'Hours for which a second copy of a chunk on the same server is kept.',
  },
  ALLOW_STARTING_WITH_INVALID_DISKS: {
    type: cfg.boolean(false),
    reload: false,
    doc: 'Start even if a data folder cannot be used.',
  },
  WORKERS_MAX: {
    type: cfg.integer(250, { min: 1, max: UINT32 }),
    reload: true,
    doc: 'Jobs of the master running at once; more are refused.',
  },
  WORKERS_MAX_IDLE: {
    type: cfg.integer(40, { min: 0, max: UINT32 }),
    reload: true,
    doc: `${NOT_YET}: there are no threads to keep.`,
  },
  LABELS: { type: cfg.text(''), reload: true, doc: 'Letters A-Z for storage classes, separated by commas.' },
  ...masterKeys({ port: 9420, timeoutFromMaster: true, noDelay: 'ten a second at all times' }),
  AUTH_CODE: { type: cfg.optionalText({ secret: true }), reload: true, doc: 'Secret shared with the master.' },
  CHUNKS_PER_REGISTER_PACKET: {
    type: cfg.integer(10_000, { min: 1000, max: 100_000 }),
    reload: true,
    doc: 'Chunks told to the master in one packet while registering.',
  },
  CSSERV_LISTEN_HOST: { type: cfg.listenHost(), reload: true, doc: 'Address on which chunks are served.' },
  CSSERV_LISTEN_PORT: { type: cfg.port(9422), reload: true, doc: 'Port on which chunks are served.' },
} as const;

/** The keys of `mfschunkserver.cfg`; numbers outside their range are clamped as spec 12 §5 says. */
export const chunkserverConfig: ConfigDefinition<ChunkserverConfig> = defineConfig(
  keys,
  (values, { raw }): ChunkserverConfig => ({
    // Resolved here, since a daemon works in this folder later.
    dataPath: resolve(values.DATA_PATH),
    hddConfFilename: values.HDD_CONF_FILENAME,
    leaveSpaceDefaultBytes: values.HDD_LEAVE_SPACE_DEFAULT,
    errorToleranceCount: values.HDD_ERROR_TOLERANCE_COUNT,
    errorTolerancePeriodS: values.HDD_ERROR_TOLERANCE_PERIOD,
    fsyncBeforeClose: values.HDD_FSYNC_BEFORE_CLOSE,
    sparsifyOnWrite: values.HDD_SPARSIFY_ON_WRITE,
    rrChunkCount: values.HDD_RR_CHUNK_COUNT,
    keepDuplicatesHours: values.HDD_KEEP_DUPLICATES_HOURS,
    allowStartingWithInvalidDisks: values.ALLOW_STARTING_WITH_INVALID_DISKS,
    workersMax: values.WORKERS_MAX,
    labels: values.LABELS,
    ...masterConfig(values),
    authCode: values.AUTH_CODE,
    chunksPerRegisterPacket: values.CHUNKS_PER_REGISTER_PACKET,
    listenHost: values.CSSERV_LISTEN_HOST,
    listenPort: values.CSSERV_LISTEN_PORT,
    raw,
  }),
);

/** Every key at its default. */
export const DEFAULT_CONFIG: ChunkserverConfig = configFrom(chunkserverConfig).config;
