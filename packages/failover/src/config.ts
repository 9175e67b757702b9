/** Configuration of the failover agent (spec 14): keys as every daemon of ours has them, usually written as YAML. */
import { parseIpv4 } from '@wapiti-fs/protocol';
import { cfg, defineConfig, KeyError, type KeyType, keyType, ValueError } from '@wapiti-fs/runtime';
import { z } from 'zod';

type Milliseconds = (defaultMs: number, minMs: number) => KeyType<number>;
const milliseconds: Milliseconds = (defaultMs, minMs) => cfg.integer(defaultMs, { min: minMs, outside: 'refuse' });

function required(what: string): (text: string) => string {
  return (text) => {
    if (text.trim() === '') throw new ValueError(`${what} must be given`);
    return text.trim();
  };
}

/** A list, or in `.cfg` syntax words separated by blanks. */
function list<T>(check: (word: string) => T, options: { least?: number; most?: number } = {}): KeyType<readonly T[]> {
  return z
    .unknown()
    .optional()
    .transform((input, context): readonly T[] => {
      const words = Array.isArray(input)
        ? input.map(String)
        : String(input ?? '')
            .split(/\s+/)
            .filter((word) => word !== '');
      try {
        if (words.length < (options.least ?? 0)) throw new ValueError('at least one value must be given');
        if (words.length > (options.most ?? Infinity)) throw new ValueError(`more than ${options.most} values`);
        return words.map(check);
      } catch (error) {
        if (!(error instanceof ValueError)) throw error;
        context.addIssue({ code: 'custom', message: error.message });
        return z.NEVER;
      }
    });
}

/** Program and arguments; run without a shell. */
const command = (...defaults: string[]): KeyType<readonly string[]> =>
  z.preprocess(
    (input) => input ?? defaults,
    list((word) => word),
  );

function address(text: string): string {
  if (parseIpv4(text) === undefined) throw new ValueError(`'${text}' is not an IPv4 address such as 10.1.1.103`);
  return text;
}

function virtualAddress(text: string): string {
  const [host = '', prefix = '32', rest] = text.split('/');
  const bits = Number(prefix);
  if (parseIpv4(host) === undefined || !/^\d+$/.test(prefix) || bits < 1 || bits > 32 || rest !== undefined)
    throw new ValueError(`'${text}' is not an address such as 10.1.1.103 or 10.1.1.103/32`);
  return text;
}

const keys = {
  WORKING_USER: { type: cfg.text('root'), reload: false, doc: 'The agent needs root: addresses and raw sockets.' },
  DATA_PATH: { type: cfg.path('/var/lib/mfs'), reload: false, doc: 'Folder of the lock and state of the agent.' },
  ROUTER_ID: { type: cfg.text('wapiti'), reload: false, doc: 'Name of this host in logs and status.' },
  METADATA_PATH: {
    type: cfg.path('/var/lib/mfs'),
    reload: false,
    doc: 'Data folder of mfsmaster and mfsmetalogger of this host (DATA_PATH of both).',
  },
  INITIAL_ROLE: {
    type: cfg.choice('backup', ['master', 'backup']),
    reload: false,
    doc: 'What this host is when it has never been anything: master starts on the metadata it has.',
  },
  VRRP_VERSION: { type: cfg.choice('2', ['2', '3']), reload: false, doc: 'Version of the protocol.' },
  VRRP_INTERFACE: {
    type: keyType('', required('the name of an interface')),
    reload: false,
    doc: 'Interface of advertisements and virtual addresses.',
  },
  VRRP_VIRTUAL_ROUTER_ID: {
    type: cfg.integer(0, { min: 1, max: 255, outside: 'refuse' }),
    reload: false,
    doc: 'Number of the pair, the same on both hosts, 1…255.',
  },
  VRRP_PRIORITY: {
    type: cfg.integer(100, { min: 1, max: 255, outside: 'refuse' }),
    reload: false,
    doc: 'The highest one becomes master when none is there.',
  },
  VRRP_ADVERT_INTERVAL_MS: {
    type: milliseconds(1000, 10),
    reload: false,
    doc: 'Version 2: whole seconds; version 3: hundredths.',
  },
  VRRP_PASSWORD: {
    type: cfg.optionalText({ secret: true }),
    reload: false,
    doc: 'Version 2 only (authentication PASS), 1…8 bytes.',
  },
  VRRP_PREEMPT: { type: cfg.boolean(false), reload: false, doc: 'Replace a master of lower priority.' },
  VRRP_PREEMPT_DELAY_MS: { type: milliseconds(0, 0), reload: false, doc: 'Waiting time before that.' },
  VRRP_VIRTUAL_ADDRESSES: {
    type: list(virtualAddress, { least: 1, most: 20 }),
    reload: false,
    doc: 'Addresses that follow the master; the first one is where everybody connects to.',
  },
  VRRP_SOURCE_ADDRESS: {
    type: keyType('', (text) => (text === '' ? undefined : address(text))),
    reload: false,
    doc: 'Source of advertisements; empty: the first own address of the interface.',
  },
  VRRP_UNICAST_PEERS: { type: list(address), reload: false, doc: 'Hosts to advertise to instead of multicast.' },
  VRRP_GARP_COUNT: {
    type: cfg.integer(5, { min: 1, max: 20, outside: 'refuse' }),
    reload: false,
    doc: 'Gratuitous ARP packets per burst.',
  },
  VRRP_GARP_DELAY_MS: { type: milliseconds(5000, 0), reload: false, doc: 'Time until the second burst.' },
  VRRP_GARP_REFRESH_MS: { type: milliseconds(0, 0), reload: false, doc: 'Period of further bursts; 0: none.' },
  COMMANDS_MASTER_START: { type: command('mfsmaster', 'start'), reload: false, doc: 'Starts the local master.' },
  COMMANDS_MASTER_STOP: {
    type: command(),
    reload: false,
    doc: 'Stops it, metadata saved; empty: by a signal to the owner of its lock file.',
  },
  COMMANDS_MASTER_KILL: { type: command(), reload: false, doc: 'Ends one that hangs; empty: as above.' },
  COMMANDS_METALOGGER_START: { type: command('mfsmetalogger', 'start'), reload: false, doc: 'Starts the metalogger.' },
  COMMANDS_METALOGGER_STOP: { type: command(), reload: false, doc: 'Stops it; empty: as above.' },
  COMMANDS_METALOGGER_TEST: {
    type: command(),
    reload: false,
    doc: 'Exit code 0: the metalogger runs; empty: by its lock file.',
  },
  COMMANDS_RESTORE: {
    type: command(),
    reload: false,
    doc: 'Makes metadata.mfs from the newest image and the changelogs; empty: masterStart does it (mfsmaster -a, which saves no image for metaloggers before the next full hour).',
  },
  PROBE_HOST: { type: keyType('127.0.0.1', address), reload: false, doc: 'Address of the local master.' },
  PROBE_PORT: { type: cfg.port(9421), reload: false, doc: 'Client port of masters.' },
  PROBE_INTERVAL_MS: { type: milliseconds(2000, 20), reload: false, doc: 'Time between two probes.' },
  PROBE_TIMEOUT_MS: { type: milliseconds(2000, 20), reload: false, doc: 'A master that has not answered is ill.' },
  PROBE_FALL: {
    type: cfg.integer(2, { min: 1, max: 100, outside: 'refuse' }),
    reload: false,
    doc: 'Failures in a row until the master counts as dead; a refused connection counts at once.',
  },
  FENCE_PROBE_MS: {
    type: milliseconds(300, 20),
    reload: false,
    doc: 'Before a takeover: how long the virtual address must stay silent to count as free.',
  },
  READY_TIMEOUT_MS: { type: milliseconds(600_000, 100), reload: false, doc: 'Time for a master to start answering.' },
  STOP_TIMEOUT_MS: {
    type: milliseconds(60_000, 100),
    reload: false,
    doc: 'Time for a master to stop; then it is killed.',
  },
  COMMAND_TIMEOUT_MS: { type: milliseconds(600_000, 100), reload: false, doc: 'Time for any other command.' },
  REALTIME_PRIORITY: {
    type: cfg.integer(10, { min: 0, max: 99, outside: 'refuse' }),
    reload: false,
    doc: 'Real-time priority (SCHED_RR) of the agent, so that a busy host does not delay advertisements; 0: none.',
  },
  RETRY_MS: { type: milliseconds(30_000, 100), reload: false, doc: 'A refused promotion may be tried again after it.' },
} as const;

/** Definition of the agent's configuration file; names in YAML are as in `vrrp: { advertIntervalMs: 1000 }`. */
export const agentDefinition = defineConfig(keys, (v) => {
  const version = Number(v.VRRP_VERSION) as 2 | 3;
  const intervalMs = v.VRRP_ADVERT_INTERVAL_MS;
  if (version === 2 && (intervalMs % 1000 !== 0 || intervalMs > 255_000))
    throw new KeyError('VRRP_ADVERT_INTERVAL_MS', `${intervalMs}: version 2 counts whole seconds, 1000…255000`);
  if (version === 3 && (intervalMs % 10 !== 0 || intervalMs > 40_950))
    throw new KeyError('VRRP_ADVERT_INTERVAL_MS', `${intervalMs}: version 3 counts hundredths of a second, 10…40950`);
  if (version === 3 && v.VRRP_PASSWORD !== undefined)
    throw new KeyError('VRRP_PASSWORD', 'version 3 has no authentication');
  if (Buffer.byteLength(v.VRRP_PASSWORD ?? '') > 8) throw new KeyError('VRRP_PASSWORD', 'longer than 8 bytes');
  return {
    stateDir: v.DATA_PATH,
    routerId: v.ROUTER_ID,
    dataDir: v.METADATA_PATH,
    initialRole: v.INITIAL_ROLE,
    vrrp: {
      version,
      interface: v.VRRP_INTERFACE,
      virtualRouterId: v.VRRP_VIRTUAL_ROUTER_ID,
      priority: v.VRRP_PRIORITY,
      advertIntervalMs: intervalMs,
      password: v.VRRP_PASSWORD,
      preempt: v.VRRP_PREEMPT,
      preemptDelayMs: v.VRRP_PREEMPT_DELAY_MS,
      virtualAddresses: v.VRRP_VIRTUAL_ADDRESSES,
      sourceAddress: v.VRRP_SOURCE_ADDRESS,
      unicastPeers: v.VRRP_UNICAST_PEERS,
      garpCount: v.VRRP_GARP_COUNT,
      garpDelayMs: v.VRRP_GARP_DELAY_MS,
      garpRefreshMs: v.VRRP_GARP_REFRESH_MS,
    },
    commands: {
      masterStart: v.COMMANDS_MASTER_START,
      masterStop: v.COMMANDS_MASTER_STOP,
      masterKill: v.COMMANDS_MASTER_KILL,
      metaloggerStart: v.COMMANDS_METALOGGER_START,
      metaloggerStop: v.COMMANDS_METALOGGER_STOP,
      metaloggerTest: v.COMMANDS_METALOGGER_TEST,
      restore: v.COMMANDS_RESTORE,
    },
    probe: {
      host: v.PROBE_HOST,
      port: v.PROBE_PORT,
      intervalMs: v.PROBE_INTERVAL_MS,
      timeoutMs: v.PROBE_TIMEOUT_MS,
      fall: v.PROBE_FALL,
    },
    fenceProbeMs: v.FENCE_PROBE_MS,
    readyTimeoutMs: v.READY_TIMEOUT_MS,
    stopTimeoutMs: v.STOP_TIMEOUT_MS,
    commandTimeoutMs: v.COMMAND_TIMEOUT_MS,
    realtimePriority: v.REALTIME_PRIORITY,
    retryMs: v.RETRY_MS,
  };
});

/** Configuration of the agent. Times in milliseconds. */
export type AgentConfig = ReturnType<typeof agentDefinition.build>;
