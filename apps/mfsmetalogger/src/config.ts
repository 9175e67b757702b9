/** Configuration of the metalogger (spec 06 §5.1, spec 12 §3, §6). */
import {
  cfg,
  commonKeys,
  type ConfigDefinition,
  defineConfig,
  type MasterConfig,
  masterConfig,
  masterKeys,
} from '@wapiti-fs/runtime';

/** `masterReconnectionDelayS` 0: a lost connection is never made again. */
export interface MetaloggerConfig extends MasterConfig {
  /** Folder of all files. */
  readonly dataPath: string;
  /** Highest N of `changelog_ml.N.mfs`. */
  readonly backLogs: number;
  /** Previous images kept. */
  readonly keepPreviousImages: number;
  /** 0: only when needed. */
  readonly downloadEveryHours: number;
}

const UINT32 = 0xffffffff;

export const metaloggerConfig: ConfigDefinition<MetaloggerConfig> = defineConfig(
  {
    DATA_PATH: commonKeys.DATA_PATH,
    ...masterKeys({ port: 9419, timeoutFromMaster: false, noDelay: 'a lost one is not looked for' }),
    BACK_LOGS: {
      type: cfg.integer(50, { min: 5, max: 10_000 }),
      reload: true,
      doc: 'Changelog files kept, one per hour in which something changed.',
    },
    BACK_META_KEEP_PREVIOUS: {
      type: cfg.integer(3, { min: 0, max: 99 }),
      reload: true,
      doc: 'Previous metadata images kept.',
    },
    META_DOWNLOAD_FREQ: {
      type: cfg.integer(24, { min: 0, max: UINT32 }),
      reload: true,
      doc: 'Hours between downloads of the image, at most half of BACK_LOGS; 0: only when needed.',
    },
  },
  (keys) => ({
    dataPath: keys.DATA_PATH,
    ...masterConfig(keys),
    backLogs: keys.BACK_LOGS,
    keepPreviousImages: keys.BACK_META_KEEP_PREVIOUS,
    downloadEveryHours: Math.min(keys.META_DOWNLOAD_FREQ, Math.floor(keys.BACK_LOGS / 2)),
  }),
);
