import { mkdirSync } from 'node:fs';

import { formatIpv4, parseIpv4 } from '@wapiti-fs/protocol';
import { type Logger, runInRealTime, type RunningRole, type Services, type Timer } from '@wapiti-fs/runtime';

import { AddressHolder } from './address-holder.js';
import { type AgentStatus, statusText } from './agent-status.js';
import type { AgentConfig } from './config.js';
import { controlSocketPath, listenControl } from './control-socket.js';
import { realHost } from './host-actions.js';
import { HostState } from './host-state.js';
import { InterfaceWatch } from './interface-watch.js';
import { MasterWatch } from './probe.js';
import { Supervisor } from './supervisor.js';
import type { InterfaceState } from './virtual-ip.js';
import { parseVirtual, VrrpInstance } from './vrrp-instance.js';

const READY_POLL_MS = 20;
const JOIN_POLL_MS = 200;
const FOLLOW_POLL_MS = 5000;
const FENCE_POLL_MS = 50;
/** Beyond the lifetime of the address: the kernel looks for addresses at the end of their life about once a second. */
const FENCE_MARGIN_MS = 3000;

/** A running failover agent. */
export interface RunningAgent extends RunningRole<AgentConfig> {
  status(): AgentStatus;
  /** Hands over to the backup: the local master is stopped cleanly, then mastership is given up. */
  switchover(): Promise<void>;
}

/**
 * Starts the agent of one host: VRRP decides who is master, the supervisor makes it so, the watch tells VRRP when the
 * local master is gone (spec 14).
 */
export async function startAgent(config: AgentConfig, services: Services): Promise<RunningAgent> {
  const { clock, network, log } = services;
  const { vrrp: vrrpConfig } = config;
  beInTime(config.realtimePriority, log);
  mkdirSync(config.stateDir, { recursive: true });
  const state = new HostState(config.stateDir, config.dataDir, config.initialRole);
  const holder = new AddressHolder(vrrpConfig, clock, log);
  const { priority } = vrrpConfig;
  const virtualAddresses = vrrpConfig.virtualAddresses.map((text) => formatIpv4(parseVirtual(text).address));

  let watch: MasterWatch | undefined;
  let retry: Timer | undefined;
  let refused: string | undefined;
  let interfaceUp = true;

  /** What comes next is decided as a backup, with the own metadata still usable. */
  const giveUp = (hangs: boolean, reason: string): void => {
    watch?.stop();
    watch = undefined;
    masterHangs = hangs;
    vrrp.handle({ type: 'health', healthy: false, priority, reason });
    masterHangs = false;
    vrrp.handle({ type: 'health', healthy: interfaceUp, priority });
  };
  let masterHangs = false;

  /** A refused promotion may be tried again. */
  const recover = (): void => {
    retry?.cancel();
    retry = undefined;
    vrrp.handle({ type: 'recovered' });
  };

  const startWatch = (): void => {
    watch?.stop();
    const current = new MasterWatch(network, clock, config.probe, (up, reason, hangs) => {
      if (up === 'up' || watch !== current || !supervisor.promoted) return;
      log.error('the local master is gone', { reason });
      giveUp(hangs, `the local master is gone: ${reason}`);
    });
    watch = current;
    void current.run();
  };

  const supervisor = new Supervisor(
    realHost(config, state, holder, services),
    clock,
    log,
    {
      readyTimeoutMs: config.readyTimeoutMs,
      readyPollMs: READY_POLL_MS,
      joinPollMs: JOIN_POLL_MS,
      followPollMs: FOLLOW_POLL_MS,
      fencePollMs: FENCE_POLL_MS,
      fenceTimeoutMs: holder.lifetimeS * 1000 + FENCE_MARGIN_MS,
    },
    {
      refused: (reason) => {
        refused = reason;
        vrrp.handle({ type: 'refused', reason });
        retry?.cancel();
        retry = clock.after(config.retryMs, recover);
      },
      promoted: () => {
        refused = undefined;
        startWatch();
      },
      ready: () => {
        refused = undefined;
        recover();
      },
    },
  );

  const vrrp = await VrrpInstance.open(vrrpConfig, clock, log, {
    promote: (reason, resigned) => supervisor.promote(reason, resigned),
    demote: (reason) => {
      watch?.stop();
      supervisor.demote(reason, masterHangs);
    },
  });

  const status = (): AgentStatus => ({
    routerId: config.routerId,
    role: state.role,
    vrrp: {
      state: vrrp.state,
      reason: vrrp.reason,
      virtualRouterId: vrrpConfig.virtualRouterId,
      version: vrrpConfig.version,
      priority,
      interface: vrrpConfig.interface,
      virtualAddresses: vrrpConfig.virtualAddresses,
      ...(vrrp.peer === undefined
        ? {}
        : {
            peer: {
              address: vrrp.peer.address,
              priority: vrrp.peer.priority,
              ageMs: Math.round(clock.monotonicMs() - vrrp.peer.seenAtMs),
            },
          }),
      dropped: Object.fromEntries(vrrp.dropped),
    },
    activity: supervisor.activity,
    serving: supervisor.promoted,
    ready: supervisor.ready,
    ...(state.metaid === undefined ? {} : { metaid: state.metaid.toString(16).toUpperCase().padStart(16, '0') }),
    steps: supervisor.steps,
    ...(refused === undefined ? {} : { refused }),
  });

  const switchover = async (): Promise<void> => {
    if (!supervisor.promoted) throw new Error('this host does not serve: nothing to hand over');
    watch?.stop();
    log.notice('hand-over begins');
    await supervisor.handOver();
    giveUp(false, 'handed over');
  };

  // an agent that was killed may have left the address behind
  await holder.drop();
  const control = await listenControl(controlSocketPath(config.stateDir), async (word) => {
    if (word === 'status') return status();
    if (word === 'switchover') return switchover();
    throw new Error(`unknown request '${word}'`);
  });
  log.notice('started', { role: state.role, priority, virtual: virtualAddresses.join(',') });
  const interfaceWatch = new InterfaceWatch(
    vrrpConfig.interface,
    clock,
    virtualAddresses.map((address) => `inet ${address}/`),
    (now) => {
      const up = usable(now, vrrpConfig.sourceAddress, virtualAddresses);
      if (up === interfaceUp) return;
      interfaceUp = up;
      vrrp.handle({ type: 'health', healthy: up, priority, reason: `interface ${vrrpConfig.interface} is down` });
    },
  );
  supervisor.resume();
  vrrp.start();

  return {
    status,
    switchover,
    ended: new Promise(() => undefined),
    describe: () => statusText(status()).trimEnd().split('\n'),
    async reload() {
      log.warn('what the agent does is read at its start only');
    },
    async stop() {
      // planned: what the master has acknowledged must reach the backup before the address goes
      if (supervisor.promoted) await switchover();
      retry?.cancel();
      interfaceWatch.stop();
      watch?.stop();
      vrrp.stop();
      await supervisor.stop();
      control.close();
    },
  };
}

/** An agent that gets no processor in time is taken for dead by the other one, while its master serves. */
function beInTime(priority: number, log: Logger): void {
  if (priority === 0) return;
  try {
    runInRealTime(priority);
  } catch (error) {
    log.warn("can't run in real time: a busy processor may look like a dead agent", { error: error as Error });
  }
}

/** Whether advertisements can be sent: the link is there, and an address that is not a virtual one. */
function usable(
  state: InterfaceState | undefined,
  source: string | undefined,
  virtualAddresses: readonly string[],
): boolean {
  if (state === undefined || !state.up) return false;
  if (source !== undefined) return state.addresses.some((one) => one.address === parseIpv4(source));
  return state.addresses.some((one) => !virtualAddresses.includes(formatIpv4(one.address)));
}
