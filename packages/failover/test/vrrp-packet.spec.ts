import fc from 'fast-check';

import { parseIpv4 } from '@wapiti-fs/protocol';

import { type Advertisement, encodeAdvertisement, type Expectation, receiveAdvertisement } from '../src/index.js';

const ip = (text: string): number => parseIpv4(text) as number;
const hex = (text: string): Buffer => Buffer.from(text.replace(/[\s|]/g, ''), 'hex');
const GROUP = ip('224.0.0.18');

const v2: Advertisement = {
  version: 2,
  vrid: 88,
  priority: 100,
  intervalMs: 1000,
  addresses: [ip('10.1.1.103')],
  password: '1111',
};
const v3: Advertisement = { version: 3, vrid: 88, priority: 100, intervalMs: 100, addresses: [ip('10.1.1.103')] };
const packet2 = hex(
  '45c0 0028 0001 0000 ff70 cf28 0a01 0169 e000 0012 | 2158 6401 0101 0bdb 0a01 0167 3131 3131 0000 0000',
);
const packet3 = hex('45c0 0020 0001 0000 ff70 cf30 0a01 0169 e000 0012 | 3158 6401 000a 733b 0a01 0167');

function expectation(of: Advertisement): Expectation {
  return {
    version: of.version,
    vrid: of.vrid,
    intervalMs: of.intervalMs,
    addresses: of.addresses,
    password: of.password,
    ownAddress: ip('10.1.1.104'),
    requireTtl255: true,
  };
}

describe('advertisements as keepalived sends them (spec 14 §3)', () => {
  it('version 2 with a password', () => {
    expect(encodeAdvertisement(v2, ip('10.1.1.105'), GROUP)).toEqual(packet2.subarray(20));
    expect(receiveAdvertisement(packet2, expectation(v2))).toEqual({ advertisement: v2, source: ip('10.1.1.105') });
  });

  it('version 2, giving up', () => {
    expect(encodeAdvertisement({ ...v2, priority: 0 }, ip('10.1.1.105'), GROUP).readUInt16BE(6)).toBe(0x6fdb);
  });

  it('version 2, the backup', () => {
    expect(encodeAdvertisement({ ...v2, priority: 80 }, ip('10.1.1.104'), GROUP)).toEqual(
      hex('2158 5001 0101 1fdb 0a01 0167 3131 3131 0000 0000'),
    );
  });

  it('version 3', () => {
    expect(encodeAdvertisement(v3, ip('10.1.1.105'), GROUP)).toEqual(packet3.subarray(20));
    expect(receiveAdvertisement(packet3, expectation(v3))).toEqual({ advertisement: v3, source: ip('10.1.1.105') });
  });
});

describe('validation (spec 14 §3.3)', () => {
  const damaged = (change: (packet: Buffer) => void): Buffer => {
    const copy = Buffer.from(packet2);
    change(copy);
    return copy;
  };
  const expected = expectation(v2);

  it.each([
    ['truncated', packet2.subarray(0, 19), expected],
    ['truncated', packet2.subarray(0, 30), expected],
    ['ttl', damaged((p) => p.writeUInt8(254, 8)), expected],
    ['not VRRP', damaged((p) => p.writeUInt8(17, 9)), expected],
    ['not IPv4', damaged((p) => p.writeUInt8(0x65, 0)), expected],
    ['checksum', damaged((p) => p.writeUInt8(99, 22)), expected],
    ['length', damaged((p) => p.writeUInt8(9, 23)), expected],
    ['type', damaged((p) => p.writeUInt8(0x22, 20)), expected],
    ['version', packet3, expected],
    ['other vrid', packet2, { ...expected, vrid: 1 }],
    ['password', packet2, { ...expected, password: '2222' }],
    ['authentication type', packet2, { ...expected, password: undefined }],
    ['interval', packet2, { ...expected, intervalMs: 2000 }],
    ['addresses', packet2, { ...expected, addresses: [ip('10.1.1.99')] }],
    ['own packet', packet2, { ...expected, ownAddress: ip('10.1.1.105') }],
  ])('%s', (drop, packet, wanted) => {
    expect(receiveAdvertisement(packet, wanted as Expectation)).toEqual({ drop });
  });

  it('unicast peers may use another TTL', () => {
    const packet = damaged((p) => p.writeUInt8(64, 8));
    expect(receiveAdvertisement(packet, { ...expected, requireTtl255: false })).toMatchObject({ advertisement: v2 });
  });

  it('any bytes are dropped or accepted, never thrown at', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void receiveAdvertisement(Buffer.from(bytes), expected)),
    );
    fc.assert(
      fc.property(fc.nat(packet2.length - 1), fc.nat(255), (at, value) => {
        const packet = damaged((p) => p.writeUInt8(value, at));
        const result = receiveAdvertisement(packet, expected);
        // the addresses of the IP header are not covered by the checksum of version 2
        if ('advertisement' in result && (at < 12 || at >= 20)) expect(result.advertisement).toEqual(v2);
      }),
    );
  });

  it('what is encoded is received as sent', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<2 | 3>(2, 3),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(255),
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.integer({ min: 1, max: 0xffffffff }), { maxLength: 20 }),
        (version, vrid, priority, seconds, addresses) => {
          const sent: Advertisement = {
            version,
            vrid,
            priority,
            intervalMs: seconds * 1000,
            addresses,
            ...(version === 2 ? { password: 'geheim' } : {}),
          };
          const message = encodeAdvertisement(sent, 5, GROUP);
          const header = Buffer.from(packet2.subarray(0, 20));
          header.writeUInt16BE(20 + message.length, 2);
          header.writeUInt32BE(5, 12);
          expect(receiveAdvertisement(Buffer.concat([header, message]), expectation(sent))).toEqual({
            advertisement: sent,
            source: 5,
          });
        },
      ),
    );
  });
});
