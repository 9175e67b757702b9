import { formatIpv4, parseIpv4 } from '@wapiti-fs/protocol';
import { type Clock, type Logger, PacketSocket, RawSocket, type Timer } from '@wapiti-fs/runtime';

import { gratuitousArp } from './arp.js';
import type { AgentConfig } from './config.js';
import { type InterfaceAddress, readInterface } from './virtual-ip.js';
import {
  type DropReason,
  encodeAdvertisement,
  receiveAdvertisement,
  VRRP_GROUP,
  VRRP_PROTOCOL,
  VRRP_TOS,
  VRRP_TTL,
} from './vrrp-packet.js';
import { type VrrpAction, type VrrpEvent, VrrpMachine, type VrrpState } from './vrrp-machine.js';

type VrrpConfig = AgentConfig['vrrp'];

export interface VrrpListener {
  /** `resigned`: the old master said that it gives up. */
  promote(reason: string, resigned: boolean): void;
  demote(reason: string): void;
}

/** One VRRP instance on an interface: the state machine with its socket and timer. */
export class VrrpInstance {
  private timer: Timer | undefined;
  private lastReason = '';
  private lastDrop: DropReason | undefined;
  /** The other host's last advertisement. */
  peer: { readonly address: string; readonly priority: number; readonly seenAtMs: number } | undefined;
  /** Dropped packets by reason. */
  readonly dropped = new Map<DropReason, number>();

  private constructor(
    private readonly config: VrrpConfig,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly socket: RawSocket,
    private readonly machine: VrrpMachine,
    private readonly address: number,
    private readonly addresses: readonly number[],
    private readonly listener: VrrpListener,
  ) {}

  /** Opens the socket; nothing is sent before {@link start}. Rejects when interface or privileges are missing. */
  static async open(config: VrrpConfig, clock: Clock, log: Logger, listener: VrrpListener): Promise<VrrpInstance> {
    const virtual = config.virtualAddresses.map(parseVirtual);
    const state = await readInterface(config.interface);
    const own =
      config.sourceAddress === undefined
        ? state.addresses.find((one) => !virtual.some((v) => v.address === one.address))
        : undefined;
    const address = config.sourceAddress === undefined ? own?.address : parseIpv4(config.sourceAddress);
    if (address === undefined) throw new Error(`interface ${config.interface} has no IPv4 address of its own`);
    const socket = RawSocket.open({ protocol: VRRP_PROTOCOL, interface: config.interface });
    try {
      if (config.unicastPeers.length === 0) {
        socket.joinMulticast(VRRP_GROUP);
        socket.setMulticast({ ttl: VRRP_TTL, loop: false });
      }
      socket.setSending({ ttl: VRRP_TTL, tos: VRRP_TOS });
    } catch (error) {
      socket.close();
      throw error;
    }
    const machine = new VrrpMachine({
      version: config.version,
      priority: config.priority,
      intervalMs: config.advertIntervalMs,
      preempt: config.preempt,
      preemptDelayMs: config.preemptDelayMs,
      address,
    });
    return new VrrpInstance(
      config,
      clock,
      log,
      socket,
      machine,
      address,
      virtual.map((one) => one.address),
      listener,
    );
  }

  get state(): VrrpState {
    return this.machine.state;
  }

  /** Why it is in this state. */
  get reason(): string {
    return this.lastReason;
  }

  get masterDownMs(): number {
    return this.machine.masterDownMs;
  }

  start(): void {
    this.socket.onPacket(
      (packet) => this.receive(packet),
      (error) => this.log.error('VRRP socket', { error }),
    );
    this.handle({ type: 'start' });
  }

  /** Sends priority 0 if master, and closes. */
  stop(): void {
    this.handle({ type: 'stop' });
    this.timer?.cancel();
    this.socket.close();
  }

  handle(event: VrrpEvent): void {
    this.perform(this.machine.handle(event, this.clock.monotonicMs()));
    this.arm();
  }

  private arm(): void {
    this.timer?.cancel();
    this.timer = undefined;
    if (this.machine.nextTick === Infinity) return;
    const delayMs = Math.max(0, this.machine.nextTick - this.clock.monotonicMs());
    this.timer = this.clock.after(delayMs, () => {
      if (this.machine.state !== 'BACKUP') return this.handle({ type: 'tick' });
      // after a stall of the process the advertisements wait in the socket: read them before declaring the master dead
      this.timer = this.clock.after(0, () => this.handle({ type: 'tick' }));
    });
  }

  private perform(actions: readonly VrrpAction[]): void {
    for (const action of actions) {
      switch (action.type) {
        case 'send':
          this.send(action.priority);
          break;
        case 'state':
          this.lastReason = action.reason;
          this.log.notice(`VRRP ${this.config.virtualRouterId}: ${action.from} -> ${action.to}`, {
            reason: action.reason,
          });
          break;
        case 'promote':
          this.listener.promote(this.lastReason, action.resigned);
          break;
        case 'demote':
          this.listener.demote(this.lastReason);
          break;
      }
    }
  }

  private send(priority: number): void {
    const advertisement = {
      version: this.config.version,
      vrid: this.config.virtualRouterId,
      priority,
      intervalMs: this.config.advertIntervalMs,
      addresses: this.addresses,
      password: this.config.password,
    };
    const targets = this.config.unicastPeers.length > 0 ? this.config.unicastPeers : [VRRP_GROUP];
    for (const target of targets) {
      try {
        this.socket.send(encodeAdvertisement(advertisement, this.address, parseIpv4(target) ?? 0), target);
      } catch (error) {
        this.log.warn('advertisement not sent', { target, error: error as Error });
      }
    }
  }

  private receive(packet: Buffer): void {
    const result = receiveAdvertisement(packet, {
      version: this.config.version,
      vrid: this.config.virtualRouterId,
      intervalMs: this.config.advertIntervalMs,
      addresses: this.addresses,
      password: this.config.password,
      ownAddress: this.address,
      requireTtl255: this.config.unicastPeers.length === 0,
    });
    if ('drop' in result) {
      this.dropped.set(result.drop, (this.dropped.get(result.drop) ?? 0) + 1);
      if (result.drop !== this.lastDrop && result.drop !== 'own packet' && result.drop !== 'other vrid') {
        this.log.warn('VRRP packet dropped', { reason: result.drop });
        this.lastDrop = result.drop;
      }
      return;
    }
    this.lastDrop = undefined;
    const { priority, intervalMs } = result.advertisement;
    this.handle({ type: 'advertisement', priority, source: result.source, intervalMs });
    if (priority > 0) this.peer = { address: formatIpv4(result.source), priority, seenAtMs: this.clock.monotonicMs() };
  }
}

/** `10.1.1.103/32` as numbers; the prefix is 32 unless given. The text was checked by the configuration's schema. */
export function parseVirtual(text: string): InterfaceAddress {
  const [address = '', prefix = '32'] = text.split('/');
  return { address: parseIpv4(address) ?? 0, prefix: Number(prefix) };
}

/** Tells everybody on the link where the virtual addresses are now. */
export function announceAddresses(
  interfaceName: string,
  hardwareAddress: Buffer,
  addresses: readonly InterfaceAddress[],
  count: number,
): void {
  const socket = PacketSocket.open(interfaceName);
  try {
    for (let i = 0; i < count; i++) {
      for (const { address } of addresses) socket.send(gratuitousArp(hardwareAddress, address));
    }
  } finally {
    socket.close();
  }
}
