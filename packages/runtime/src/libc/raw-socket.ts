/**
 * Raw IPv4 sockets (VRRP) and packet sockets (ARP). Both need CAP_NET_RAW.
 *
 * Receiving goes through the event loop, without a thread that polls: Node can only watch UDP sockets, so a UDP descriptor is
 * handed to `dgram` and, before the loop first looks at it, made a copy of the raw one. What arrives is the same: datagrams
 * with the address of their sender.
 */
import dgram from 'node:dgram';
import { networkInterfaces } from 'node:os';

import { parseIpv4 } from '@wapiti-fs/protocol';

import { check, libc, LibcError } from './libc.js';

const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_IP = 0;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
const SO_RCVBUF = 8;
const SO_PRIORITY = 12;
const IP_TOS = 1;
const IP_TTL = 2;
const IP_HDRINCL = 3;
const IP_MULTICAST_IF = 32;
const IP_MULTICAST_TTL = 33;
const IP_MULTICAST_LOOP = 34;
const IP_ADD_MEMBERSHIP = 35;
const IP_DROP_MEMBERSHIP = 36;
const ENODEV = 19;

export interface RawSocketOptions {
  /** IP protocol number, e.g. 112 (VRRP). */
  readonly protocol: number;
  /** Only packets of this interface are received and all are sent through it. */
  readonly interface?: string | undefined;
  /** Packets given to `send` begin with their IPv4 header. Default false: the kernel makes it. */
  readonly headerIncluded?: boolean;
  readonly receiveBufferBytes?: number;
}

/** A received packet, beginning with its IPv4 header; and the sender's address. Called on the event loop. */
export type PacketHandler = (packet: Buffer, source: string) => void;

export class RawSocket {
  private receiver: dgram.Socket | undefined;
  private closed = false;

  private constructor(
    private readonly fd: number,
    private readonly interfaceName: string | undefined,
  ) {}

  /** @throws LibcError `EPERM` without CAP_NET_RAW, `ENODEV` for an unknown interface. */
  static open(options: RawSocketOptions): RawSocket {
    const what = `raw socket of protocol ${options.protocol}`;
    const fd = check(libc().socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, options.protocol), 'socket', what);
    const socket = new RawSocket(fd, options.interface);
    try {
      if (options.interface !== undefined)
        socket.set(
          SOL_SOCKET,
          SO_BINDTODEVICE,
          Buffer.from(`${options.interface}\0`),
          `interface ${options.interface}`,
        );
      if (options.headerIncluded) socket.set(SOL_IP, IP_HDRINCL, int(1), what);
      if (options.receiveBufferBytes !== undefined)
        socket.set(SOL_SOCKET, SO_RCVBUF, int(options.receiveBufferBytes), what);
    } catch (error) {
      socket.close();
      throw error;
    }
    return socket;
  }

  /** Begins receiving. Packets that came since `open` are delivered too. Errors of the socket go to `onError`. */
  onPacket(handler: PacketHandler, onError: (error: Error) => void = () => undefined): void {
    this.mustBeOpen();
    if (this.receiver !== undefined) throw new Error('onPacket was called already');
    const watched = check(libc().socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket');
    const receiver = dgram.createSocket('udp4');
    try {
      receiver.bind({ fd: watched });
      // In the same turn: the event loop has not registered the descriptor yet.
      check(libc().dup2(this.fd, watched), 'dup2');
    } catch (error) {
      receiver.close();
      throw error;
    }
    receiver.on('message', (packet, { address }) => handler(packet, address));
    receiver.on('error', onError);
    this.receiver = receiver;
  }

  /** Receives packets to a multicast group that come in through an interface (default: the socket's). */
  joinMulticast(group: string, interfaceName = this.interfaceName): void {
    this.set(SOL_IP, IP_ADD_MEMBERSHIP, membership(group, interfaceName), `multicast group ${group}`);
  }

  leaveMulticast(group: string, interfaceName = this.interfaceName): void {
    this.set(SOL_IP, IP_DROP_MEMBERSHIP, membership(group, interfaceName), `multicast group ${group}`);
  }

  /** How multicast packets are sent: interface, time to live, and whether sockets of this host get them too (default no). */
  setMulticast(options: { interface?: string; ttl?: number; loop?: boolean }): void {
    const name = options.interface ?? this.interfaceName;
    if (name !== undefined) this.set(SOL_IP, IP_MULTICAST_IF, membership('0.0.0.0', name), `interface ${name}`);
    if (options.ttl !== undefined) this.set(SOL_IP, IP_MULTICAST_TTL, int(options.ttl), 'multicast ttl');
    this.set(SOL_IP, IP_MULTICAST_LOOP, int(options.loop ? 1 : 0), 'multicast loop');
  }

  /** Time to live of unicast packets, type of service, and priority in the queues of the kernel. */
  setSending(options: { ttl?: number; tos?: number; priority?: number }): void {
    if (options.ttl !== undefined) this.set(SOL_IP, IP_TTL, int(options.ttl), 'ttl');
    if (options.tos !== undefined) this.set(SOL_IP, IP_TOS, int(options.tos), 'tos');
    if (options.priority !== undefined) this.set(SOL_SOCKET, SO_PRIORITY, int(options.priority), 'priority');
  }

  /** @throws LibcError `ENETUNREACH`, `ENETDOWN`, `ENOBUFS`, … */
  send(packet: Buffer, destination: string): void {
    this.mustBeOpen();
    const address = Buffer.alloc(16);
    address.writeUInt16LE(AF_INET, 0);
    ipv4(destination).copy(address, 4);
    check(
      libc().sendto(this.fd, packet, packet.length, 0, address, address.length),
      'sendto',
      `packet to ${destination}`,
    );
  }

  /** No packet is delivered after this. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.receiver?.removeAllListeners('message');
    this.receiver?.close();
    libc().close(this.fd);
  }

  private set(level: number, option: number, value: Buffer, what: string): void {
    this.mustBeOpen();
    check(libc().setsockopt(this.fd, level, option, value, value.length), 'setsockopt', what);
  }

  private mustBeOpen(): void {
    if (this.closed) throw new Error('raw socket is closed');
  }
}

/** Sends whole Ethernet frames through one interface (gratuitous ARP). It receives nothing. */
export class PacketSocket {
  private closed = false;

  private constructor(
    private readonly fd: number,
    readonly interfaceName: string,
    private readonly interfaceIndex: number,
  ) {}

  /** @throws LibcError `EPERM` without CAP_NET_RAW, `ENODEV` for an unknown interface. */
  static open(interfaceName: string): PacketSocket {
    const index = interfaceIndex(interfaceName);
    // Protocol 0: nothing is queued for receiving.
    const fd = check(libc().socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket', 'packet socket');
    return new PacketSocket(fd, interfaceName, index);
  }

  /** `frame` begins with the Ethernet header: destination, source, type. */
  send(frame: Buffer): void {
    if (this.closed) throw new Error('packet socket is closed');
    if (frame.length < 14) throw new RangeError('an Ethernet frame has at least 14 bytes');
    const address = Buffer.alloc(20); // struct sockaddr_ll
    address.writeUInt16LE(AF_PACKET, 0);
    frame.copy(address, 2, 12, 14);
    address.writeInt32LE(this.interfaceIndex, 4);
    address.writeUInt8(6, 11);
    frame.copy(address, 12, 0, 6);
    check(
      libc().sendto(this.fd, frame, frame.length, 0, address, address.length),
      'sendto',
      `frame through ${this.interfaceName}`,
    );
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    libc().close(this.fd);
  }
}

/** @throws LibcError `ENODEV` for an unknown interface. */
export function interfaceIndex(name: string): number {
  const index = libc().ifNameToIndex(name);
  if (index === 0) throw new LibcError('if_nametoindex', ENODEV, `interface ${name}`);
  return index;
}

/** Hardware address of an interface that has an IPv4 or IPv6 address; 6 bytes. */
export function interfaceMac(name: string): Buffer | undefined {
  const mac = networkInterfaces()[name]?.[0]?.mac;
  return mac === undefined ? undefined : Buffer.from(mac.replaceAll(':', ''), 'hex');
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value, 0);
  return bytes;
}

/** `struct ip_mreqn`. */
function membership(group: string, interfaceName: string | undefined): Buffer {
  return Buffer.concat([
    ipv4(group),
    Buffer.alloc(4),
    int(interfaceName === undefined ? 0 : interfaceIndex(interfaceName)),
  ]);
}

function ipv4(text: string): Buffer {
  const ip = parseIpv4(text);
  if (ip === undefined) throw new RangeError(`not an IPv4 address: ${text}`);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(ip);
  return bytes;
}
