import { chownSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

import type { Clock, Logger, Network } from '@wapiti-fs/runtime';

import type { AddressHolder } from './address-holder.js';
import { runCommand } from './command.js';
import type { AgentConfig } from './config.js';
import { LocalDaemon } from './local-daemon.js';
import type { HostRole, HostState, SetAside } from './host-state.js';
import { probeMaster, type ProbeResult } from './probe.js';
import { checkMetaid, chooseSource, METALOGGER_FILE, newestImage, readImageHeader, type Source } from './source.js';

/** What the supervisor does to its host; tests put their own in place. */
export interface HostActions {
  role(): HostRole;
  setRole(role: HostRole): void;
  /** Remembers the file system of the image in the data folder, the first time one is seen. */
  learnMetaid(): void;
  /** @throws PromotionRefused */
  chooseSource(): Source;
  /** Whether {@link chooseSource} would find one. */
  hasSource(): boolean;
  restore(): Promise<void>;
  setAside(): SetAside | undefined;
  startMaster(): Promise<void>;
  /** Returns when none runs. `hangs`: it is not asked to save its metadata but killed. */
  stopMaster(hangs: boolean): Promise<void>;
  startMetalogger(): Promise<void>;
  stopMetalogger(): Promise<void>;
  metaloggerRuns(): Promise<boolean>;
  probeLocal(): Promise<ProbeResult>;
  /** The master behind the virtual address. */
  probeVirtual(): Promise<ProbeResult>;
  takeAddress(): Promise<void>;
  dropAddress(): Promise<void>;
}

/** The actions on the real host, by the commands of the configuration. */
export function realHost(
  config: AgentConfig,
  state: HostState,
  holder: AddressHolder,
  services: { clock: Clock; network: Network; log: Logger },
): HostActions {
  const { clock, network, log } = services;
  const { commands, probe } = config;
  const run = (command: readonly string[], timeoutMs = config.commandTimeoutMs): Promise<void> =>
    runCommand(command, timeoutMs).then(() => undefined);
  const master = new LocalDaemon(config.dataDir, 'mfsmaster', clock, ['.bgwriter.lock']);
  const metalogger = new LocalDaemon(config.dataDir, 'mfsmetalogger', clock);
  /** By the command of the configuration if there is one, else by the lock file of the daemon. */
  const end = (
    daemon: LocalDaemon,
    command: readonly string[],
    signal: 'SIGTERM' | 'SIGKILL',
    timeoutMs: number,
  ): Promise<void> => (command.length > 0 ? run(command, timeoutMs) : daemon.end(signal, timeoutMs));
  const killMaster = (): Promise<void> => end(master, commands.masterKill, 'SIGKILL', config.commandTimeoutMs);
  const virtualHost = (config.vrrp.virtualAddresses[0] ?? '').split('/')[0] ?? '';
  return {
    role: () => state.role,
    setRole: (role) => state.setRole(role, clock.nowMs()),
    learnMetaid: () => {
      if (state.metaid !== undefined) return;
      const image = newestImage(config.dataDir, state.role === 'master' ? /^/ : METALOGGER_FILE);
      if (image !== undefined) state.learnMetaid(image.metaid, clock.nowMs());
    },
    chooseSource: () => {
      const { role } = state;
      if (role === 'backup') {
        const source = chooseSource(config.dataDir, role, state.metaid);
        const aside = state.setAside('master', clock.nowMs());
        if (aside !== undefined) {
          log.warn('files of a master in the folder of a backup set aside: only what the metalogger received counts', {
            folder: aside.folder,
            files: aside.files.join(','),
          });
        }
        return source;
      }
      return chooseSource(config.dataDir, role, state.metaid);
    },
    hasSource: () => {
      try {
        chooseSource(config.dataDir, state.role, state.metaid);
        return true;
      } catch {
        return false;
      }
    },
    restore: async () => {
      if (commands.restore.length === 0) return;
      await run(commands.restore);
      const file = 'metadata.mfs';
      const image = readImageHeader(config.dataDir, file);
      if (image === undefined) throw new Error(`the restore command has not made a complete ${file}`);
      checkMetaid(image, state.metaid);
      // the restore ran as root, the master may run as the owner of the folder
      const { uid, gid } = statSync(config.dataDir);
      chownSync(join(config.dataDir, file), uid, gid);
    },
    setAside: () => (existsSync(config.dataDir) ? state.setAside('all', clock.nowMs()) : undefined),
    startMaster: () => run(commands.masterStart),
    stopMaster: async (hangs) => {
      if (hangs) return killMaster();
      await end(master, commands.masterStop, 'SIGTERM', config.stopTimeoutMs).catch((error: Error) => {
        log.warn('the master does not stop and is killed', { error });
        return killMaster();
      });
    },
    startMetalogger: () => run(commands.metaloggerStart),
    stopMetalogger: () => end(metalogger, commands.metaloggerStop, 'SIGTERM', config.stopTimeoutMs),
    metaloggerRuns: async () => {
      if (commands.metaloggerTest.length === 0) return metalogger.owner() !== undefined;
      return run(commands.metaloggerTest).then(
        () => true,
        () => false,
      );
    },
    probeLocal: () => probeMaster(network, clock, probe),
    probeVirtual: () =>
      probeMaster(network, clock, { host: virtualHost, port: probe.port, timeoutMs: config.fenceProbeMs }),
    takeAddress: () => holder.take(),
    dropAddress: () => holder.drop(),
  };
}
