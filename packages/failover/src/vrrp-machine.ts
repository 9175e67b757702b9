/**
 * The VRRP state machine (spec 14 §4) without I/O: events and the monotonic time go in, actions come out. Times in ms.
 *
 * A caller that could not run for a while (paused process, overloaded host) and finds itself late by more than the
 * master-down time is no longer MASTER: another host has taken over. The machine sees that from the times it is given, at
 * any event, and steps back before it lets anything be sent.
 */
export type VrrpState = 'INIT' | 'BACKUP' | 'MASTER' | 'FAULT';

export interface VrrpConfig {
  readonly version: 2 | 3;
  /** 1…254, 255: owner of the address. */
  readonly priority: number;
  readonly intervalMs: number;
  /** A lower-priority MASTER is replaced. */
  readonly preempt: boolean;
  /** Waiting time before that, after start and after each takeover of the other. */
  readonly preemptDelayMs: number;
  /** Own primary address: decides between equal priorities. */
  readonly address: number;
}

export type VrrpEvent =
  | { readonly type: 'start' }
  | { readonly type: 'stop' }
  | { readonly type: 'advertisement'; readonly priority: number; readonly source: number; readonly intervalMs: number }
  /** `healthy`: interface up and all tracked things well; priority: the configured one with the weights of scripts. */
  | { readonly type: 'health'; readonly healthy: boolean; readonly priority: number; readonly reason?: string }
  /** The promotion could not be carried out: spec 14 §7. */
  | { readonly type: 'refused'; readonly reason: string }
  /** The refused promotion may be tried again. */
  | { readonly type: 'recovered' }
  | { readonly type: 'tick' };

export type VrrpAction =
  | { readonly type: 'send'; readonly priority: number }
  /** Become master: carry out the promotion. Advertisements go on meanwhile. */
  | {
      readonly type: 'promote';
      /** The old master said that it gives up (priority 0); false: it only fell silent. */
      readonly resigned: boolean;
    }
  /** Stop being master: drop the address. */
  | { readonly type: 'demote' }
  | { readonly type: 'state'; readonly from: VrrpState; readonly to: VrrpState; readonly reason: string };

export class VrrpMachine {
  private current: VrrpState = 'INIT';
  private priority: number;
  private healthy = true;
  private illness = '';
  private refusal: string | undefined;
  /** MASTER: next advertisement. BACKUP: when the master counts as down. */
  private deadline = Infinity;
  /** Interval of the present master (version 3: from its advertisements). */
  private masterIntervalMs: number;
  private preemptNotBefore = 0;
  /** The last advertisement had priority 0. */
  private resigned = false;

  constructor(private readonly config: VrrpConfig) {
    this.priority = config.priority;
    this.masterIntervalMs = config.intervalMs;
  }

  get state(): VrrpState {
    return this.current;
  }

  get effectivePriority(): number {
    return this.priority;
  }

  /** When `handle({type: 'tick'})` is due; Infinity: never. */
  get nextTick(): number {
    return this.deadline;
  }

  /** Skew (spec 14 §4): version 2 counts the interval as one second. */
  get skewMs(): number {
    return ((256 - this.priority) / 256) * (this.config.version === 2 ? 1000 : this.masterIntervalMs);
  }

  get masterDownMs(): number {
    return 3 * this.masterIntervalMs + this.skewMs;
  }

  handle(event: VrrpEvent, nowMs: number): VrrpAction[] {
    const actions: VrrpAction[] = [];
    if (this.current === 'MASTER' && event.type !== 'stop' && nowMs > this.deadline + this.masterDownMs) {
      this.leaveMaster(
        actions,
        'BACKUP',
        nowMs,
        `late by ${Math.round(nowMs - this.deadline)} ms: another master may exist`,
        false,
      );
    }
    switch (event.type) {
      case 'start':
        if (this.current === 'INIT') this.start(actions, nowMs);
        break;
      case 'stop':
        this.stop(actions, nowMs);
        break;
      case 'advertisement':
        this.advertisement(event, actions, nowMs);
        break;
      case 'health':
        this.health(event, actions, nowMs);
        break;
      case 'refused':
        this.refusal = event.reason;
        this.checkFault(actions, nowMs);
        break;
      case 'recovered':
        this.refusal = undefined;
        this.checkFault(actions, nowMs);
        break;
      case 'tick':
        this.tick(actions, nowMs);
        break;
    }
    return actions;
  }

  private go(actions: VrrpAction[], to: VrrpState, reason: string): void {
    actions.push({ type: 'state', from: this.current, to, reason });
    this.current = to;
  }

  private start(actions: VrrpAction[], nowMs: number): void {
    this.preemptNotBefore = nowMs + this.config.preemptDelayMs;
    if (!this.healthy || this.refusal !== undefined) return this.go(actions, 'FAULT', this.faultReason());
    if (this.priority === 255) return this.becomeMaster(actions, nowMs, 'owner of the address');
    this.go(actions, 'BACKUP', 'started');
    this.listen(nowMs);
  }

  /** Waits for the advertisements of a master. */
  private listen(nowMs: number): void {
    this.resigned = false;
    this.deadline = nowMs + this.masterDownMs;
  }

  private stop(actions: VrrpAction[], nowMs: number): void {
    if (this.current === 'MASTER') this.leaveMaster(actions, 'INIT', nowMs, 'stopped', true);
    else if (this.current !== 'INIT') this.go(actions, 'INIT', 'stopped');
    this.deadline = Infinity;
  }

  private tick(actions: VrrpAction[], nowMs: number): void {
    if (nowMs < this.deadline) return;
    if (this.current === 'MASTER') {
      actions.push({ type: 'send', priority: this.priority });
      this.deadline = nowMs + this.config.intervalMs;
    } else if (this.current === 'BACKUP' && nowMs > this.deadline + this.masterDownMs) {
      this.listen(nowMs); // stalled: what was sent meanwhile has not been read yet
    } else if (this.current === 'BACKUP') {
      this.becomeMaster(actions, nowMs, this.resigned ? 'the master gave up (priority 0)' : 'no advertisement');
    }
  }

  private becomeMaster(actions: VrrpAction[], nowMs: number, reason: string): void {
    this.go(actions, 'MASTER', reason);
    this.masterIntervalMs = this.config.intervalMs;
    actions.push({ type: 'send', priority: this.priority }, { type: 'promote', resigned: this.resigned });
    this.deadline = nowMs + this.config.intervalMs;
  }

  private leaveMaster(actions: VrrpAction[], to: VrrpState, nowMs: number, reason: string, resign: boolean): void {
    if (resign) actions.push({ type: 'send', priority: 0 });
    this.go(actions, to, reason);
    actions.push({ type: 'demote' });
    this.deadline = Infinity;
    if (to === 'BACKUP') this.listen(nowMs);
  }

  private advertisement(
    event: { priority: number; source: number; intervalMs: number },
    actions: VrrpAction[],
    nowMs: number,
  ): void {
    if (this.current === 'MASTER') return this.advertisementAsMaster(event, actions, nowMs);
    if (this.current !== 'BACKUP') return;
    if (this.config.version === 3 && event.intervalMs > 0) this.masterIntervalMs = event.intervalMs;
    this.resigned = event.priority === 0;
    if (event.priority === 0) {
      this.deadline = nowMs + this.skewMs;
    } else if (event.priority >= this.priority || !this.config.preempt) {
      this.deadline = nowMs + this.masterDownMs;
    } else {
      // a lower priority: let the timer run out, but not before the delay
      this.deadline = Math.max(this.deadline, this.preemptNotBefore);
    }
  }

  private advertisementAsMaster(
    event: { priority: number; source: number; intervalMs: number },
    actions: VrrpAction[],
    nowMs: number,
  ): void {
    const higher =
      event.priority > this.priority || (event.priority === this.priority && event.source > this.config.address);
    if (event.priority === 0 || !higher) {
      actions.push({ type: 'send', priority: this.priority });
      this.deadline = nowMs + this.config.intervalMs;
      return;
    }
    if (this.config.version === 3 && event.intervalMs > 0) this.masterIntervalMs = event.intervalMs;
    this.preemptNotBefore = nowMs + this.config.preemptDelayMs;
    this.leaveMaster(actions, 'BACKUP', nowMs, `advertisement of priority ${event.priority}`, false);
  }

  private health(
    { healthy, priority, reason = 'a tracked service or the interface is down' }: VrrpEvent & { type: 'health' },
    actions: VrrpAction[],
    nowMs: number,
  ): void {
    this.healthy = healthy;
    this.illness = reason;
    this.priority = this.config.priority === 255 ? 255 : Math.min(254, Math.max(1, priority));
    this.checkFault(actions, nowMs);
  }

  private faultReason(): string {
    return this.refusal ?? this.illness;
  }

  private checkFault(actions: VrrpAction[], nowMs: number): void {
    const faulty = !this.healthy || this.refusal !== undefined;
    if (faulty) {
      if (this.current === 'MASTER') this.leaveMaster(actions, 'FAULT', nowMs, this.faultReason(), true);
      else if (this.current === 'BACKUP') {
        this.go(actions, 'FAULT', this.faultReason());
        this.deadline = Infinity;
      }
    } else if (this.current === 'FAULT') {
      this.go(actions, 'BACKUP', 'recovered');
      this.masterIntervalMs = this.config.intervalMs;
      this.listen(nowMs);
    }
  }
}
