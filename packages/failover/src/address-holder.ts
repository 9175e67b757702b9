import type { Clock, Logger, Timer } from '@wapiti-fs/runtime';

import { AddressGuard } from './address-guard.js';
import type { AgentConfig } from './config.js';
import { holdAddress, readInterface, removeAddress } from './virtual-ip.js';
import { announceAddresses, parseVirtual } from './vrrp-instance.js';

const REFRESH_MS = 1000;
const LEAST_LIFETIME_S = 5;

/** Holds the virtual addresses on the interface, prolonging them, and announces them (spec 14 §5). */
export class AddressHolder {
  private timers: Timer[] = [];
  private holding = false;
  private guard: AddressGuard | undefined;

  constructor(
    private readonly config: AgentConfig['vrrp'],
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  private get addresses(): ReturnType<typeof parseVirtual>[] {
    return this.config.virtualAddresses.map(parseVirtual);
  }

  /** Time after which the kernel removes an address that nobody prolongs. */
  get lifetimeS(): number {
    return Math.max(LEAST_LIFETIME_S, Math.floor((3 * this.config.advertIntervalMs) / 1000));
  }

  async take(): Promise<void> {
    this.holding = true;
    this.guard?.release();
    this.guard = new AddressGuard(this.config.interface, this.addresses);
    await this.hold();
    await this.announce();
    this.timers.push(
      this.clock.every(
        REFRESH_MS,
        () => void this.hold().catch((error: Error) => this.log.error('virtual address', { error })),
      ),
    );
    this.timers.push(this.clock.after(this.config.garpDelayMs, () => void this.announce()));
    if (this.config.garpRefreshMs > 0)
      this.timers.push(this.clock.every(this.config.garpRefreshMs, () => void this.announce()));
  }

  /** Also removes addresses found that we should not have, such as those of a killed agent. */
  async drop(): Promise<void> {
    this.holding = false;
    for (const timer of this.timers) timer.cancel();
    this.timers = [];
    for (const address of this.addresses) await removeAddress(this.config.interface, address);
    this.guard?.release();
    this.guard = undefined;
  }

  private async hold(): Promise<void> {
    for (const address of this.addresses) {
      if (!this.holding) return;
      await holdAddress(this.config.interface, address, this.lifetimeS);
      // dropped while `ip` ran
      if (!this.holding) await removeAddress(this.config.interface, address);
    }
  }

  private async announce(): Promise<void> {
    if (!this.holding) return;
    try {
      const { hardwareAddress } = await readInterface(this.config.interface);
      announceAddresses(this.config.interface, hardwareAddress, this.addresses, this.config.garpCount);
    } catch (error) {
      this.log.warn('gratuitous ARP not sent', { error: error as Error });
    }
  }
}
