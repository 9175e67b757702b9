import { mkdirSync } from 'node:fs';

import type { RunningRole, Services } from '@wapiti-fs/runtime';

import { AddressHolder } from './address-holder.js';
import { formatIpv4 } from './checksum.js';
import { runCommand } from './command.js';
import type { AgentConfig } from './config.js';
import { HostState } from './host-state.js';
import { MasterWatch, probeMaster } from './probe.js';
import { type HostActions, Supervisor } from './supervisor.js';
import { parseVirtual, VrrpInstance } from './vrrp-instance.js';

const READY_POLL_MS = 50;
const JOIN_POLL_MS = 200;

/** A running failover agent. */
export interface RunningAgent extends RunningRole<AgentConfig> {
  readonly vrrpState: string;
  readonly promoted: boolean;
}

/**
 * Starts the agent of one host: VRRP decides who is master, the supervisor makes it so, the watch tells VRRP when the
 * local master is gone (spec 14).
 */
export async function startAgent(config: AgentConfig, services: Services): Promise<RunningAgent> {
  const { clock, network } = services;
  const log = services.log.child('mfsha');
  mkdirSync(config.stateDir, { recursive: true });
  const state = new HostState(config.stateDir, config.dataDir, config.initialRole);
  const holder = new AddressHolder(config.vrrp, clock, log);
  const virtual = parseVirtual(config.vrrp.virtualAddresses[0] as string);
  const run = (command: readonly string[]): Promise<void> =>
    runCommand(command, config.commandTimeoutMs).then(() => undefined);
  const probe = { host: config.probe.host, port: config.probe.port, timeoutMs: config.probe.timeoutMs };

  const host: HostActions = {
    role: () => state.role,
    setRole: (role) => state.setRole(role, clock.nowMs()),
    hasFile: (name) => state.has(name),
    setAside: () => state.setAside(clock.nowMs()),
    restore: () => run(config.commands.restore),
    startMaster: () => run(config.commands.masterStart),
    stopMaster: () => run(config.commands.masterStop),
    startMetalogger: () => run(config.commands.metaloggerStart),
    stopMetalogger: () => run(config.commands.metaloggerStop),
    probeLocal: () => probeMaster(network, clock, probe),
    probeVirtual: () => probeMaster(network, clock, { ...probe, host: formatIpv4(virtual.address) }),
    takeAddress: () => holder.take(),
    dropAddress: () => holder.drop(),
  };

  let watch: MasterWatch | undefined;
  const startWatch = (): void => {
    watch?.stop();
    const current = new MasterWatch(
      network,
      clock,
      { ...probe, intervalMs: config.probe.intervalMs, fall: config.probe.fall },
      (up, reason) => {
        if (up === 'up' || watch !== current || !supervisor.promoted) return;
        log.error('local master is gone', { reason });
        current.stop();
        // give up at once; what comes next is decided as a backup, with the own metadata still usable
        vrrp.handle({ type: 'health', healthy: false, priority: config.vrrp.priority });
        vrrp.handle({ type: 'health', healthy: true, priority: config.vrrp.priority });
      },
    );
    watch = current;
    void current.run();
  };

  const supervisor = new Supervisor(
    host,
    clock,
    log,
    { readyTimeoutMs: config.readyTimeoutMs, readyPollMs: READY_POLL_MS, joinPollMs: JOIN_POLL_MS },
    (reason) => {
      vrrp.handle({ type: 'refused', reason });
      clock.after(config.retryMs, () => vrrp.handle({ type: 'recovered' }));
    },
    startWatch,
  );

  const vrrp = await VrrpInstance.open(config.vrrp, clock, log, {
    promote: (reason) => supervisor.promote(reason),
    demote: (reason) => {
      watch?.stop();
      supervisor.demote(reason);
    },
    foreignMaster: () => undefined,
  });
  // an agent that was killed may have left the address behind
  await holder.drop();
  log.notice('started', {
    role: state.role,
    priority: config.vrrp.priority,
    virtual: config.vrrp.virtualAddresses.join(','),
  });
  if (state.role === 'backup') supervisor.demote('started as backup');
  vrrp.start();

  return {
    get vrrpState() {
      return vrrp.state;
    },
    get promoted() {
      return supervisor.promoted;
    },
    ended: new Promise(() => undefined),
    describe: () => [
      `vrrp state: ${vrrp.state}`,
      `role: ${state.role}`,
      `serving: ${supervisor.promoted ? 'yes' : 'no'}`,
    ],
    async reload() {
      log.warn('the configuration is read at start only');
    },
    async stop() {
      watch?.stop();
      vrrp.stop();
      await supervisor.stop();
    },
  };
}
