import type { Clock, Logger } from '@wapiti-fs/runtime';

import type { HostActions } from './host-actions.js';
import { PromotionRefused } from './source.js';

export interface SupervisorOptions {
  readonly readyTimeoutMs: number;
  readonly readyPollMs: number;
  readonly joinPollMs: number;
  /** How often the metalogger of a backup is looked after. */
  readonly followPollMs: number;
  readonly fencePollMs: number;
  /** How long the virtual address may stay with an agent that is dead or stopped; after it a takeover is refused. */
  readonly fenceTimeoutMs: number;
}

/** What the supervisor tells the agent. */
export interface SupervisorEvents {
  refused(reason: string): void;
  promoted(): void;
  /** The host follows a master and has what a promotion needs. */
  ready(): void;
}

/** One step of the last promotion or demotion; times of the monotonic clock, in ms. */
export interface StepRecord {
  readonly name: string;
  readonly tookMs: number;
}

export type Activity = 'idle' | 'promoting' | 'serving' | 'demoting' | 'waiting for a master' | 'following';

interface Wish {
  readonly what: 'master' | 'backup' | 'resume' | 'leave';
  readonly reason: string;
  /** The old master said that it gives up. */
  readonly resigned: boolean;
}

/**
 * Brings the host to what VRRP wants it to be, one step after the other (spec 14 §7). Every step may be repeated and the
 * agent may be killed between any two: what the host is, is read from its files and probes, not remembered.
 */
export class Supervisor {
  private generation = 0;
  private running: Promise<void> = Promise.resolve();
  private readonly sleepers = new Set<() => void>();
  private current: Activity = 'idle';
  private record: StepRecord[] = [];
  private masterHangs = false;

  constructor(
    private readonly host: HostActions,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly options: SupervisorOptions,
    private readonly events: SupervisorEvents,
  ) {}

  /** The local master serves behind the virtual address. */
  get promoted(): boolean {
    return this.current === 'serving';
  }

  /** A promotion would find an image to start from now. */
  get ready(): boolean {
    return this.promoted || this.host.hasSource();
  }

  get activity(): Activity {
    return this.current;
  }

  /** Steps of the last promotion or demotion, in order. */
  get steps(): readonly StepRecord[] {
    return this.record;
  }

  promote(reason: string, resigned: boolean): void {
    this.want({ what: 'master', reason, resigned });
  }

  /** Stop being master, and follow another one as soon as it serves. `hangs`: the local master does not answer. */
  demote(reason: string, hangs = false): void {
    this.masterHangs = hangs;
    this.want({ what: 'backup', reason, resigned: false });
  }

  /** After the start of the agent: as {@link demote}, but a local master is left alone until another one serves. */
  resume(): void {
    this.want({ what: 'resume', reason: 'started', resigned: false });
  }

  /** Ends the local master with the virtual address still there, so that all it has acknowledged reaches its followers. */
  async handOver(): Promise<void> {
    await this.step('master stopped', () => this.host.stopMaster(false));
  }

  /** The agent stops: the address goes; the daemons are left as they are. */
  async stop(): Promise<void> {
    this.want({ what: 'leave', reason: 'agent stops', resigned: false });
    await this.running;
  }

  private want(wish: Wish): void {
    const generation = ++this.generation;
    for (const wake of [...this.sleepers]) wake();
    this.running = this.running.then(async () => {
      if (this.outdated(generation)) return; // a later wish is waiting
      try {
        if (wish.what === 'master') await this.doPromote(wish, generation);
        else await this.doDemote(wish, generation);
      } catch (error) {
        this.fail(wish, generation, error as Error);
      }
    });
  }

  private fail(wish: Wish, generation: number, error: Error): void {
    this.current = 'idle';
    if (wish.what !== 'master') {
      this.log.error('demotion failed', { error });
      return;
    }
    this.log.error('promotion refused', { reason: error.message });
    if (!this.outdated(generation)) this.events.refused(error.message);
  }

  private outdated(generation: number): boolean {
    return generation !== this.generation;
  }

  private async step<T>(name: string, action: () => Promise<T> | T): Promise<T> {
    const started = this.clock.monotonicMs();
    const result = await action();
    const tookMs = Math.round(this.clock.monotonicMs() - started);
    this.record.push({ name, tookMs });
    this.log.notice(`step: ${name}`, { tookMs });
    return result;
  }

  private async doPromote({ reason, resigned }: Wish, generation: number): Promise<void> {
    this.current = 'promoting';
    this.record = [];
    this.log.notice('promotion begins', { reason });
    const started = this.clock.monotonicMs();
    const free = this.step('virtual address is free', () => this.waitFree(generation));
    free.catch(() => undefined); // looked at below
    // a master that only fell silent may still be there: touch nothing before it is known to be gone
    if (!resigned) await free;
    const serves = this.host.role() === 'master' && (await this.step('fence', () => this.host.probeLocal())).alive;
    if (!serves && !(await this.startLocal(generation))) return;
    // after a resignation this went on meanwhile
    await free;
    if (this.outdated(generation)) return;
    await this.step('virtual address set', () => this.host.takeAddress());
    this.current = 'serving';
    this.log.notice('promotion complete', { tookMs: Math.round(this.clock.monotonicMs() - started) });
    this.events.promoted();
  }

  /** False: given up because something else is wanted now. */
  private async startLocal(generation: number): Promise<boolean> {
    await this.step('metalogger stopped', () => this.host.stopMetalogger());
    // one that answers no more may still hold the data folder
    await this.step('no local master', () => this.host.stopMaster(true));
    if (this.outdated(generation)) return false;
    const source = await this.step('source chosen', () => this.host.chooseSource());
    this.log.notice('source', { image: source.image, version: source.version, metaid: source.metaid });
    if (source.restore) await this.step('restore', () => this.host.restore());
    if (this.outdated(generation)) return false;
    this.host.setRole('master');
    await this.step('master started', () => this.host.startMaster());
    await this.step('master ready', () => this.waitReady());
    this.host.learnMetaid();
    return true;
  }

  /**
   * No master may be reachable at the virtual address any more: neither one whose agent is dead or stopped, nor one whose
   * advertisements are lost on the way (spec 14 §2 no. 5).
   */
  private async waitFree(generation: number): Promise<void> {
    const deadline = this.clock.monotonicMs() + this.options.fenceTimeoutMs;
    while (!this.outdated(generation)) {
      const other = await this.host.probeVirtual();
      if (!other.alive && !other.connected) return;
      if (this.clock.monotonicMs() > deadline) {
        throw new PromotionRefused(
          'another master is reachable at the virtual address although it does not advertise: are VRRP packets lost between the hosts?',
        );
      }
      await this.sleep(this.options.fencePollMs);
    }
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

  private async doDemote({ what, reason }: Wish, generation: number): Promise<void> {
    this.log.notice('demotion begins', { reason });
    this.current = 'demoting';
    this.record = [];
    await this.step('virtual address dropped', () => this.host.dropAddress());
    if (what === 'leave') {
      this.current = 'idle';
      return;
    }
    if (what === 'backup' && this.host.role() === 'master') {
      const hangs = this.masterHangs;
      this.masterHangs = false;
      await this.step('master stopped', () => this.host.stopMaster(hangs));
    }
    await this.join(generation);
  }

  /** Waits for the other master, then follows it. Until it serves, our own metadata stay usable. */
  private async join(generation: number): Promise<void> {
    this.current = 'waiting for a master';
    for (;;) {
      if (this.outdated(generation)) return;
      if ((await this.host.probeVirtual()).alive) break;
      await this.sleep(this.options.joinPollMs);
    }
    if (this.outdated(generation)) return;
    if (this.host.role() === 'master') {
      await this.step('master stopped', () => this.host.stopMaster(false));
      const aside = await this.step('metadata set aside', () => this.host.setAside());
      if (aside !== undefined) {
        this.log.warn('metadata of this host set aside, never to be replayed', {
          folder: aside.folder,
          files: aside.files.length,
          newestVersion: aside.newestVersion,
        });
      }
      this.host.setRole('backup');
    }
    if (!(await this.host.metaloggerRuns())) await this.step('metalogger started', () => this.host.startMetalogger());
    this.current = 'following';
    await this.follow(generation);
  }

  private async follow(generation: number): Promise<void> {
    let ready = false;
    for (;;) {
      this.host.learnMetaid();
      if (!ready && this.host.hasSource()) {
        ready = true;
        this.events.ready();
      }
      await this.sleep(ready ? this.options.followPollMs : this.options.joinPollMs);
      if (this.outdated(generation)) return;
      if (await this.host.metaloggerRuns()) continue;
      if (this.outdated(generation)) return;
      this.log.warn('the metalogger is gone, starting it again');
      await this.host.startMetalogger().catch((error: Error) => this.log.error('metalogger', { error }));
    }
  }

  /** Ends early when something else is wanted. */
  private sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.sleepers.delete(done);
        resolve();
      };
      const timer = this.clock.after(delayMs, done);
      this.sleepers.add(done);
    });
  }
}
