import { internetChecksum } from './checksum.js';

/** IPv4 protocol number of VRRP. */
export const VRRP_PROTOCOL = 112;
/** Group that advertisements are sent to unless unicast peers are configured. */
export const VRRP_GROUP = '224.0.0.18';
export const VRRP_TTL = 255;
/** DSCP byte as keepalived sends it. */
export const VRRP_TOS = 0xc0;

const TYPE_ADVERTISEMENT = 1;
const AUTH_SIZE = 8;
const AUTH_NONE = 0;
const AUTH_PASS = 1;

/** One advertisement (spec 14 §3). */
export interface Advertisement {
  readonly version: 2 | 3;
  readonly vrid: number;
  /** 0: giving up; 255: owner of the address. */
  readonly priority: number;
  /** Whole seconds in version 2, hundredths in version 3; always given in milliseconds here. */
  readonly intervalMs: number;
  /** In the order of the configuration. */
  readonly addresses: readonly number[];
  /** Version 2 only: simple text password; absent: no authentication. */
  readonly password?: string | undefined;
}

/** What an instance expects of a packet. */
export interface Expectation {
  readonly version: 2 | 3;
  readonly vrid: number;
  readonly intervalMs: number;
  readonly addresses: readonly number[];
  readonly password?: string | undefined;
  readonly ownAddress: number;
  /** Unicast peers may send with another TTL. */
  readonly requireTtl255: boolean;
}

/** Why a packet was dropped (spec 14 §3.3): a short constant for counters and "log once per change". */
export type DropReason =
  | 'truncated'
  | 'not IPv4'
  | 'not VRRP'
  | 'ttl'
  | 'own packet'
  | 'version'
  | 'type'
  | 'length'
  | 'checksum'
  | 'other vrid'
  | 'authentication type'
  | 'password'
  | 'interval'
  | 'addresses';

export type Received =
  { readonly advertisement: Advertisement; readonly source: number } | { readonly drop: DropReason };

function passwordBytes(password: string | undefined): Buffer {
  const bytes = Buffer.alloc(AUTH_SIZE);
  if (password !== undefined) Buffer.from(password, 'utf8').copy(bytes, 0, 0, AUTH_SIZE);
  return bytes;
}

function pseudoHeader(source: number, destination: number, length: number): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt32BE(source, 0);
  header.writeUInt32BE(destination, 4);
  header.writeUInt8(VRRP_PROTOCOL, 9);
  header.writeUInt16BE(length, 10);
  return header;
}

/** The VRRP message (IP payload). `source` and `destination` enter the checksum of version 3. */
export function encodeAdvertisement(a: Advertisement, source: number, destination: number): Buffer {
  const message = Buffer.alloc(8 + 4 * a.addresses.length + (a.version === 2 ? AUTH_SIZE : 0));
  message.writeUInt8((a.version << 4) | TYPE_ADVERTISEMENT, 0);
  message.writeUInt8(a.vrid, 1);
  message.writeUInt8(a.priority, 2);
  message.writeUInt8(a.addresses.length, 3);
  if (a.version === 2) {
    message.writeUInt8(a.password === undefined ? AUTH_NONE : AUTH_PASS, 4);
    message.writeUInt8(Math.round(a.intervalMs / 1000), 5);
  } else {
    message.writeUInt16BE(Math.round(a.intervalMs / 10) & 0xfff, 4);
  }
  a.addresses.forEach((address, index) => message.writeUInt32BE(address, 8 + 4 * index));
  if (a.version === 2) passwordBytes(a.password).copy(message, 8 + 4 * a.addresses.length);
  const checksum =
    a.version === 2
      ? internetChecksum(message)
      : internetChecksum(pseudoHeader(source, destination, message.length), message);
  message.writeUInt16BE(checksum, 6);
  return message;
}

/**
 * Checks a whole received IPv4 packet (raw sockets deliver the header too) in the order of spec 14 §3.3. Any bytes may
 * come in: nothing is thrown.
 */
export function receiveAdvertisement(packet: Buffer, expected: Expectation): Received {
  if (packet.length < 20) return { drop: 'truncated' };
  if ((packet[0] as number) >>> 4 !== 4) return { drop: 'not IPv4' };
  const headerSize = ((packet[0] as number) & 15) * 4;
  const totalSize = packet.readUInt16BE(2);
  if (headerSize < 20 || totalSize < headerSize || packet.length < totalSize) return { drop: 'truncated' };
  if (packet[9] !== VRRP_PROTOCOL) return { drop: 'not VRRP' };
  const source = packet.readUInt32BE(12);
  const destination = packet.readUInt32BE(16);
  if (source === expected.ownAddress) return { drop: 'own packet' };
  if (expected.requireTtl255 && packet[8] !== VRRP_TTL) return { drop: 'ttl' };
  return checkMessage(packet.subarray(headerSize, totalSize), source, destination, expected);
}

function checkMessage(message: Buffer, source: number, destination: number, expected: Expectation): Received {
  if (message.length < 8) return { drop: 'truncated' };
  const version = (message[0] as number) >>> 4;
  if (version !== expected.version) return { drop: 'version' };
  if (((message[0] as number) & 15) !== TYPE_ADVERTISEMENT) return { drop: 'type' };
  const count = message[3] as number;
  const size = 8 + 4 * count + (version === 2 ? AUTH_SIZE : 0);
  if (message.length < size) return { drop: 'length' };
  const sum =
    version === 2
      ? internetChecksum(message)
      : internetChecksum(pseudoHeader(source, destination, message.length), message);
  if (sum !== 0) return { drop: 'checksum' };
  if (message[1] !== expected.vrid) return { drop: 'other vrid' };
  if (version === 2) {
    const wanted = expected.password === undefined ? AUTH_NONE : AUTH_PASS;
    if (message[4] !== wanted) return { drop: 'authentication type' };
    if (wanted === AUTH_PASS && !passwordBytes(expected.password).equals(message.subarray(8 + 4 * count, size)))
      return { drop: 'password' };
  }
  const intervalMs = version === 2 ? (message[5] as number) * 1000 : (message.readUInt16BE(4) & 0xfff) * 10;
  if (version === 2 && intervalMs !== expected.intervalMs) return { drop: 'interval' };
  const addresses = Array.from({ length: count }, (_, index) => message.readUInt32BE(8 + 4 * index));
  const priority = message[2] as number;
  if (addresses.length !== expected.addresses.length || !expected.addresses.every((one) => addresses.includes(one))) {
    return { drop: 'addresses' };
  }
  const advertisement = { version: expected.version, vrid: expected.vrid, priority, intervalMs, addresses };
  return { advertisement: version === 2 ? { ...advertisement, password: expected.password } : advertisement, source };
}
