/** Keys that chunkserver and metalogger have for their connection to the master (spec 12 §3, §5, §6). */
import type { LinkTarget } from '../link.js';
import type { ValuesOf } from './config.js';
import { cfg } from './keys.js';

/** A shorter MASTER_TIMEOUT is taken as this one. */
const LEAST_TIMEOUT_S = 10;
const UINT32 = 0xffffffff;

export interface MasterKeysOptions {
  /** Default of MASTER_PORT. */
  readonly port: number;
  /** The master can tell the timeout: MASTER_TIMEOUT may be 0, and is by default. */
  readonly timeoutFromMaster: boolean;
  /** What a MASTER_RECONNECTION_DELAY of 0 means. */
  readonly noDelay: string;
}

export function masterKeys({ port, timeoutFromMaster, noDelay }: MasterKeysOptions) {
  const leastS = timeoutFromMaster ? 0 : LEAST_TIMEOUT_S;
  return {
    BIND_HOST: { type: cfg.listenHost(), reload: true, doc: 'Local address of the connection to the master.' },
    MASTER_HOST: { type: cfg.host('mfsmaster'), reload: true, doc: 'Host of the master.' },
    MASTER_PORT: { type: cfg.port(port), reload: true, doc: 'Port of the master.' },
    MASTER_TIMEOUT: {
      type: cfg.integer(leastS, { min: leastS, max: 65_535 }),
      reload: true,
      doc:
        'Seconds of silence after which the master counts as gone' +
        (timeoutFromMaster ? `; 0: what the master says, else at least ${LEAST_TIMEOUT_S}.` : '.'),
    },
    MASTER_RECONNECTION_DELAY: {
      type: cfg.integer(5, { min: 0, max: UINT32 }),
      reload: true,
      doc: `Seconds between attempts to reach the master; for 20 s after a master was lost, ten a second. 0: ${noDelay}.`,
    },
  } as const;
}

export interface MasterConfig {
  /** Local address; `*`: any. */
  readonly bindHost: string;
  readonly masterHost: string;
  readonly masterPort: number;
  /** Seconds; 0: the value the master tells. */
  readonly masterTimeoutS: number;
  readonly masterReconnectionDelayS: number;
}

export function masterConfig(values: ValuesOf<ReturnType<typeof masterKeys>>): MasterConfig {
  return {
    bindHost: values.BIND_HOST,
    masterHost: values.MASTER_HOST,
    masterPort: values.MASTER_PORT,
    masterTimeoutS: values.MASTER_TIMEOUT === 0 ? 0 : Math.max(LEAST_TIMEOUT_S, values.MASTER_TIMEOUT),
    masterReconnectionDelayS: values.MASTER_RECONNECTION_DELAY,
  };
}

/** Where a link to the master goes. */
export function masterTarget({ bindHost, masterHost, masterPort }: MasterConfig): LinkTarget {
  return { host: masterHost, port: masterPort, localAddress: bindHost === '*' ? undefined : bindHost };
}
