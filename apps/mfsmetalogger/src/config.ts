/** Configuration of the metalogger (spec 06 §5.1, spec 12 §3, §6). */
import { cfg, type ConfigDefinition, defineConfig } from '@wapiti-fs/runtime';

export interface MetaloggerConfig {
  /** Folder of all files. */
  readonly dataPath: string;
  readonly masterHost: string;
  readonly masterPort: number;
  /** `*`: any. */
  readonly bindHost: string;
  readonly masterTimeoutS: number;
  /** 0: a lost connection is never made again. */
  readonly reconnectionDelayS: number;
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
    DATA_PATH: { type: cfg.path('/var/lib/mfs'), reload: false, doc: 'Working directory; it must exist.' },
    MASTER_HOST: { type: cfg.host('mfsmaster'), reload: true, doc: 'Host of the master.' },
    MASTER_PORT: { type: cfg.port(9419), reload: true, doc: 'Port of the master for metaloggers.' },
    BIND_HOST: { type: cfg.listenHost(), reload: true, doc: 'Local address of the connection.' },
    MASTER_TIMEOUT: {
      type: cfg.integer(10, { min: 10, max: 65_535 }),
      reload: true,
      doc: 'Seconds of silence after which the connection counts as lost.',
    },
    MASTER_RECONNECTION_DELAY: {
      type: cfg.integer(5, { min: 0, max: UINT32 }),
      reload: true,
      doc: 'Seconds between attempts to reach the master; for 20 s after a master was lost, ten a second. 0: a lost one is not looked for.',
    },
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
    masterHost: keys.MASTER_HOST,
    masterPort: keys.MASTER_PORT,
    bindHost: keys.BIND_HOST,
    masterTimeoutS: keys.MASTER_TIMEOUT,
    reconnectionDelayS: keys.MASTER_RECONNECTION_DELAY,
    backLogs: keys.BACK_LOGS,
    keepPreviousImages: keys.BACK_META_KEEP_PREVIOUS,
    downloadEveryHours: Math.min(keys.META_DOWNLOAD_FREQ, Math.floor(keys.BACK_LOGS / 2)),
  }),
);
