import type { Clock, Logger } from '@wapiti-fs/runtime';

import type { HostRole } from './host-state.js';
import type { ProbeResult } from './probe.js';

/** A promotion is not possible, and why; the agent gives up mastership (spec 14 §7). */
export class PromotionRefused extends Error {
  readonly code = 'EREFUSED';
}

/** What the supervisor does to its host; tests put their own in place. */
export interface HostActions {
  role(): HostRole;
  setRole(role: HostRole): void;
  hasFile(name: string): boolean;
  setAside(): { folder: string; files: string[] } | undefined;
  restore(): Promise<void>;
  startMaster(): Promise<void>;
  stopMaster(): Promise<void>;
  startMetalogger(): Promise<void>;
  stopMetalogger(): Promise<void>;
  probeLocal(): Promise<ProbeResult>;
  /** The master behind the virtual address. */
  probeVirtual(): Promise<ProbeResult>;
  takeAddress(): Promise<void>;
  dropAddress(): Promise<void>;
}

export interface SupervisorOptions {
  readonly readyTimeoutMs: number;
  readonly readyPollMs: number;
  readonly joinPollMs: number;
}

type Wanted = 'master' | 'backup' | 'none';

/**
 * Brings the host to what VRRP wants it to be, one step after the other. Every step may be repeated and the agent may be
 * killed between any two: what the host is, is read from its files and probes, not remembered.
 */
export class Supervisor {
  private wanted: Wanted = 'none';
  private generation = 0;
  private running: Promise<void> = Promise.resolve();
  private promotedFlag = false;

  constructor(
    private readonly host: HostActions,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly options: SupervisorOptions,
    private readonly onRefused: (reason: string) => void,
    private readonly onPromoted: () => void,
  ) {}

  /** The local master serves behind the virtual address. */
  get promoted(): boolean {
    return this.promotedFlag;
  }

  promote(reason: string): void {
    this.want('master', reason);
  }

  /** `join`: become a metalogger as soon as another master serves; otherwise just stop being master. */
  demote(reason: string): void {
    this.want('backup', reason);
  }

  /** Waits until the last wish is fulfilled or has failed. */
  settled(): Promise<void> {
    return this.running;
  }

  /** Agent stops: the address goes; the daemons are left as they are. */
  async stop(): Promise<void> {
    this.want('none', 'agent stops');
    await this.running;
  }

  private want(wanted: Wanted, reason: string): void {
    this.wanted = wanted;
    const generation = ++this.generation;
    this.running = this.running.then(async () => {
      if (generation !== this.generation) return; // a later wish is waiting
      try {
        if (wanted === 'master') await this.doPromote(reason, generation);
        else await this.doDemote(reason, generation);
      } catch (error) {
        this.log.error(wanted === 'master' ? 'promotion failed' : 'demotion failed', { error: error as Error });
        if (wanted === 'master' && generation === this.generation) this.onRefused((error as Error).message);
      }
    });
  }

  private async step<T>(name: string, action: () => Promise<T> | T): Promise<T> {
    const started = this.clock.monotonicMs();
    const result = await action();
    this.log.notice(`step ${name}`, { tookMs: Math.round(this.clock.monotonicMs() - started) });
    return result;
  }

  private current(generation: number): boolean {
    return generation === this.generation;
  }

  private async doPromote(reason: string, generation: number): Promise<void> {
    this.log.notice('promotion begins', { reason });
    const started = this.clock.monotonicMs();
    const local = await this.step('fence', () => this.host.probeLocal());
    const owner = this.host.role() === 'master';
    if (!local.alive || !owner) {
      await this.step('metalogger stopped', () => this.host.stopMetalogger());
      // a master that answers no more may still hold the data folder
      await this.step('old master stopped', () => this.host.stopMaster());
      if (!this.current(generation)) return;
      await this.step('source chosen', () => this.checkSource(owner));
      if (!this.host.hasFile('metadata.mfs')) await this.step('restore', () => this.host.restore());
      if (!this.current(generation)) return;
      this.host.setRole('master');
      await this.step('master started', () => this.host.startMaster());
      await this.step('master ready', () => this.waitReady());
    }
    if (!this.current(generation)) return;
    await this.step('virtual address set', () => this.host.takeAddress());
    this.promotedFlag = true;
    this.log.notice('promotion complete', { tookMs: Math.round(this.clock.monotonicMs() - started) });
    this.onPromoted();
  }

  private checkSource(owner: boolean): void {
    const own = this.host.hasFile('metadata.mfs') || this.host.hasFile('metadata.mfs.back');
    if (owner && own) return;
    if (owner) throw new PromotionRefused('this host has no metadata');
    if (own) throw new PromotionRefused('a backup host has metadata of a master in its data folder: move it away');
    if (!this.host.hasFile('metadata_ml.mfs.back'))
      throw new PromotionRefused('the metalogger has no complete image yet');
  }

  private async waitReady(): Promise<void> {
    const deadline = this.clock.monotonicMs() + this.options.readyTimeoutMs;
    for (;;) {
      const result = await this.host.probeLocal();
      if (result.alive) return;
      if (this.clock.monotonicMs() > deadline)
        throw new PromotionRefused(`the master does not answer: ${result.reason}`);
      await this.sleep(this.options.readyPollMs);
    }
  }

  private async doDemote(reason: string, generation: number): Promise<void> {
    this.log.notice('demotion begins', { reason });
    this.promotedFlag = false;
    await this.step('virtual address dropped', () => this.host.dropAddress());
    if (this.wanted === 'none') return;
    if (this.host.role() === 'master') await this.step('master stopped', () => this.host.stopMaster());
    await this.join(generation);
  }

  /** Waits for the other master, then follows it. Until it serves, our own metadata stay usable. */
  private async join(generation: number): Promise<void> {
    while (this.current(generation)) {
      const other = await this.host.probeVirtual();
      if (!this.current(generation)) return;
      if (other.alive) break;
      await this.sleep(this.options.joinPollMs);
    }
    if (!this.current(generation)) return;
    if (this.host.role() === 'master') {
      const aside = await this.step('metadata set aside', () => this.host.setAside());
      if (aside !== undefined)
        this.log.warn('metadata of this host set aside, never to be replayed', {
          folder: aside.folder,
          files: aside.files.length,
        });
      this.host.setRole('backup');
    }
    await this.step('metalogger started', () => this.host.startMetalogger());
  }

  private sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.clock.after(delayMs, resolve));
  }
}
