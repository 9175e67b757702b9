/** Configuration of the master: keys of spec 12 §4. */
import type { ChunkManagerOptions } from '@wapiti-fs/placement';
import { cfg, type ConfigDefinition, defineConfig, keyType, type KeyType, ValueError } from '@wapiti-fs/runtime';

/** How RESERVE_SPACE is meant (spec 12 §4). */
export interface ReservedSpace {
  /** `%` of the total space, `U` × used space of the fullest server, `C` × size of the largest server. */
  readonly unit: 'bytes' | '%' | 'U' | 'C';
  readonly value: number;
}

export interface MasterConfig {
  readonly dataPath: string;
  readonly exportsFilename: string;
  readonly backLogs: number;
  readonly keepPreviousImages: number;
  readonly saveEveryHours: number;
  readonly changelogPreserveS: number;
  /** 2: every change is synced before it is acknowledged. */
  readonly changelogSaveMode: number;
  readonly matoml: ListenAddress;
  readonly matocs: ListenAddress;
  readonly matocl: ListenAddress;
  readonly chunkserverTimeoutS: number;
  readonly authCode: string | undefined;
  readonly limits: Omit<ChunkManagerOptions, 'knownServers'>;
  readonly maintenanceS: number;
  readonly temporaryMaintenanceS: number;
  /** 0: never. */
  readonly removeUnusedDays: number;
  readonly sessionSustainS: number;
  readonly atimeMode: number;
  readonly reserveSpace: ReservedSpace;
  readonly maxHardLinks: number;
  readonly inodeReuseDelayS: number;
  /** Chunkservers on 127.0.0.0/8 may register: for a whole cluster on one machine. */
  readonly allowLoopback: boolean;
  /** `-a`: the best image and all changelogs of the data folder instead of metadata.mfs alone. */
  readonly restore: boolean;
  /** `-i`: with `-a`, goes on with what is good where errors would be refused. */
  readonly ignoreErrors: boolean;
  /** Values as ANTOAN_GET_CONFIG tells them. */
  readonly texts: Readonly<Record<string, string>>;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const UINT32 = 0xffffffff;
const listen = (what: string) => ({ type: cfg.listenHost(), reload: true, doc: `Address to listen on for ${what}.` });
const port = (number: number, what: string) => ({ type: cfg.port(number), reload: true, doc: `Port for ${what}.` });
const count = (value: number, min: number, max: number, doc: string) => ({
  type: cfg.integer(value, { min, max }),
  reload: true,
  doc,
});

/** One number for all four classes of replications, or four. */
const limits = (defaultText: string): KeyType<readonly number[]> =>
  keyType(
    defaultText,
    (text) => {
      const values = text.split(',').map((one) => (one.trim() === '' ? Number.NaN : Number(one)));
      if ((values.length !== 1 && values.length !== 4) || values.some((one) => !(one >= 0)))
        throw new ValueError(`'${text}' is not one number or four separated by commas`);
      return values.length === 4 ? values : [...values, ...values, ...values, ...values];
    },
    { show: (value) => (value as number[]).join(',') },
  );

const reserved: KeyType<ReservedSpace> = keyType(
  '0',
  (text) => {
    const match = /^\s*(\d+(?:\.\d+)?)\s*([%UC])\s*$/.exec(text);
    if (match !== null) return { unit: match[2] as '%' | 'U' | 'C', value: Number(match[1]) };
    const parsed = cfg.sizeBytes('0').safeParse(text);
    if (!parsed.success) throw new ValueError(`'${text}' is no size, percentage or multiple (U, C)`);
    return { unit: 'bytes', value: parsed.data };
  },
  { show: (value) => `${(value as ReservedSpace).value}${(value as ReservedSpace).unit.replace('bytes', '')}` },
);

export const masterConfig: ConfigDefinition<MasterConfig> = defineConfig(
  {
    DATA_PATH: { type: cfg.path('/var/lib/mfs'), reload: false, doc: 'Working directory; it must exist.' },
    EXPORTS_FILENAME: { type: cfg.path('/etc/mfs/mfsexports.cfg'), reload: true, doc: 'Who may mount what.' },
    TOPOLOGY_FILENAME: { type: cfg.path('/etc/mfs/mfstopology.cfg'), reload: true, doc: 'Racks of hosts.' },
    BACK_LOGS: count(50, 0, 1000, 'Changelog files kept.'),
    BACK_META_KEEP_PREVIOUS: count(1, 0, 99, 'Previous metadata images kept.'),
    METADATA_SAVE_FREQ: count(1, 1, UINT32, 'Hours between images, at most half of BACK_LOGS.'),
    CHANGELOG_PRESERVE_SECONDS: count(1800, 0, 15_000, 'Seconds that changes are kept in memory for metaloggers.'),
    CHANGELOG_SAVE_MODE: {
      type: cfg.integer(0),
      reload: true,
      doc: '0, 1: changes are in the kernel before they are acknowledged; 2: they are on the disk.',
    },
    MISSING_LOG_CAPACITY: count(100_000, 0, UINT32, 'Length of the list of missing chunks.'),
    MATOML_LISTEN_HOST: listen('metaloggers'),
    MATOML_LISTEN_PORT: port(9419, 'metaloggers'),
    MATOCS_LISTEN_HOST: listen('chunkservers'),
    MATOCS_LISTEN_PORT: port(9420, 'chunkservers'),
    MATOCL_LISTEN_HOST: listen('clients'),
    MATOCL_LISTEN_PORT: port(9421, 'clients'),
    MATOCU_LISTEN_HOST: listen('clients (old name)'),
    MATOCU_LISTEN_PORT: port(9421, 'clients (old name)'),
    MATOCS_TIMEOUT: count(10, 10, 65_535, 'Seconds of silence after which a chunkserver counts as lost.'),
    AUTH_CODE: { type: cfg.optionalText({ secret: true }), reload: true, doc: 'Secret that chunkservers must know.' },
    REMAP_BITS: { type: cfg.optionalText(), reload: true, doc: 'Leading bits of chunkserver addresses to replace.' },
    REMAP_SOURCE_IP_CLASS: { type: cfg.optionalText(), reload: true, doc: 'Class of addresses to replace.' },
    REMAP_DESTINATION_IP_CLASS: { type: cfg.optionalText(), reload: true, doc: 'Class that replaces it.' },
    REPLICATIONS_DELAY_INIT: count(60, 0, UINT32, 'Seconds after the start without replications.'),
    REPLICATIONS_RESPECT_TOPOLOGY: count(0, 0, 255, 'Whether replications prefer near servers.'),
    CREATIONS_RESPECT_TOPOLOGY: count(0, 0, UINT32, 'Whether new chunks prefer near servers.'),
    CHUNKS_UNIQUE_MODE: count(0, 0, UINT32, 'Copies not on the same 1 address, 2 rack.'),
    CHUNKS_LOOP_MAX_CPS: count(100_000, 10_000, 10_000_000, 'Chunks checked in a second.'),
    CHUNKS_LOOP_MIN_TIME: count(300, 60, 7200, 'Shortest time of a loop over all chunks, seconds.'),
    CHUNKS_LOOP_TIME: { type: cfg.optionalText(), reload: true, doc: 'Deprecated: see CHUNKS_LOOP_MIN_TIME.' },
    CHUNKS_SOFT_DEL_LIMIT: count(10, 1, UINT32, 'Deletions at once on a server.'),
    CHUNKS_HARD_DEL_LIMIT: {
      type: cfg.optionalText(),
      reload: true,
      doc: 'The same at most; default 3 × the soft limit.',
    },
    CHUNKS_WRITE_REP_LIMIT: { type: limits('2,1,1,4'), reload: true, doc: 'Replications at once to a server.' },
    CHUNKS_READ_REP_LIMIT: { type: limits('10,5,2,5'), reload: true, doc: 'Replications at once from a server.' },
    CS_HEAVY_LOAD_THRESHOLD: count(150, 0, UINT32, 'Load from which a server may be overloaded.'),
    CS_HEAVY_LOAD_RATIO_THRESHOLD: {
      type: cfg.decimal(3),
      reload: true,
      doc: 'The same as multiple of the mean load.',
    },
    CS_HEAVY_LOAD_GRACE_PERIOD: count(900, 0, UINT32, 'Seconds that an overloaded server gets no new chunks.'),
    ACCEPTABLE_PERCENTAGE_DIFFERENCE: {
      type: cfg.decimal(1, { min: 0.1, max: 10 }),
      reload: true,
      doc: 'Difference of use between servers that is not balanced, percent.',
    },
    ACCEPTABLE_DIFFERENCE: { type: cfg.optionalText(), reload: true, doc: 'Deprecated: the same as a fraction.' },
    PRIORITY_QUEUES_LENGTH: count(1_000_000, 10_000, UINT32, 'Length of the queues of endangered chunks.'),
    CS_MAINTENANCE_MODE_TIMEOUT: count(0, 0, UINT32, 'Seconds of maintenance; 0: no limit.'),
    CS_TEMP_MAINTENANCE_MODE_TIMEOUT: count(1800, 0, UINT32, 'Seconds of maintenance of a server that left in order.'),
    CS_DAYS_TO_REMOVE_UNUSED: count(7, 0, UINT32, 'Days after which a lost server is forgotten; 0: never.'),
    SESSION_SUSTAIN_TIME: count(86_400, 60, 604_800, 'Seconds that a session outlives its connection.'),
    QUOTA_DEFAULT_GRACE_PERIOD: count(604_800, 0, UINT32, 'Grace period of quotas of old images, seconds.'),
    QUOTA_TIME_LIMIT: { type: cfg.optionalText(), reload: true, doc: 'Deprecated: see QUOTA_DEFAULT_GRACE_PERIOD.' },
    ATIME_MODE: count(2, 0, UINT32, 'When access times are set: 0 always … 4 never.'),
    RESERVE_SPACE: { type: reserved, reload: true, doc: 'Space only root may use: size, N%, NU or NC.' },
    MAX_ALLOWED_HARD_LINKS: count(32_767, 8, 65_000, 'Names of one file.'),
    INODE_REUSE_DELAY: count(86_400, 300, 3_000_000, 'Seconds before an inode number is used again.'),
    ALLOW_LOOPBACK_CHUNKSERVERS: {
      type: cfg.boolean(false),
      reload: false,
      doc: 'Wapiti: chunkservers may have a loopback address.',
    },
  },
  (keys, { raw }): MasterConfig => {
    const hasNew = (key: string): boolean => Object.hasOwn(raw, key);
    const clientHost = hasNew('MATOCL_LISTEN_HOST') ? keys.MATOCL_LISTEN_HOST : keys.MATOCU_LISTEN_HOST;
    const clientPort = hasNew('MATOCL_LISTEN_PORT') ? keys.MATOCL_LISTEN_PORT : keys.MATOCU_LISTEN_PORT;
    return {
      dataPath: keys.DATA_PATH,
      exportsFilename: keys.EXPORTS_FILENAME,
      backLogs: keys.BACK_LOGS,
      keepPreviousImages: keys.BACK_META_KEEP_PREVIOUS,
      saveEveryHours: Math.max(1, Math.min(keys.METADATA_SAVE_FREQ, Math.floor(keys.BACK_LOGS / 2))),
      changelogPreserveS: keys.CHANGELOG_PRESERVE_SECONDS,
      changelogSaveMode: keys.CHANGELOG_SAVE_MODE,
      matoml: { host: keys.MATOML_LISTEN_HOST, port: keys.MATOML_LISTEN_PORT },
      matocs: { host: keys.MATOCS_LISTEN_HOST, port: keys.MATOCS_LISTEN_PORT },
      matocl: { host: clientHost, port: clientPort },
      chunkserverTimeoutS: keys.MATOCS_TIMEOUT,
      authCode: keys.AUTH_CODE,
      limits: {
        replicationsDelayInitS: keys.REPLICATIONS_DELAY_INIT,
        maxDeletesPerServer: keys.CHUNKS_SOFT_DEL_LIMIT,
        // the first of the four classes: chunks with few copies
        maxReplicationsIn: keys.CHUNKS_WRITE_REP_LIMIT[0] ?? 0,
        maxReplicationsOut: keys.CHUNKS_READ_REP_LIMIT[0] ?? 0,
      },
      maintenanceS: keys.CS_MAINTENANCE_MODE_TIMEOUT,
      temporaryMaintenanceS: keys.CS_TEMP_MAINTENANCE_MODE_TIMEOUT,
      removeUnusedDays: keys.CS_DAYS_TO_REMOVE_UNUSED > 365 ? 0 : keys.CS_DAYS_TO_REMOVE_UNUSED,
      sessionSustainS: keys.SESSION_SUSTAIN_TIME,
      // as the reference: not the default, but "always"
      atimeMode: keys.ATIME_MODE > 4 ? 0 : keys.ATIME_MODE,
      reserveSpace: keys.RESERVE_SPACE,
      maxHardLinks: keys.MAX_ALLOWED_HARD_LINKS,
      inodeReuseDelayS: keys.INODE_REUSE_DELAY,
      allowLoopback: keys.ALLOW_LOOPBACK_CHUNKSERVERS,
      restore: false,
      ignoreErrors: false,
      texts: raw,
    };
  },
);
