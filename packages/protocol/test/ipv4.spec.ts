import fc from 'fast-check';

import { formatIpv4, parseIpv4 } from '../src/index.js';

describe('IPv4 addresses', () => {
  it('are numbers on the wire, the first byte the highest', () => {
    expect(parseIpv4('10.0.0.1')).toBe(0x0a000001);
    expect(parseIpv4('255.255.255.255')).toBe(0xffffffff);
    expect(formatIpv4(0xc0a80164)).toBe('192.168.1.100');
    fc.assert(fc.property(fc.nat(0xffffffff), (ip) => parseIpv4(formatIpv4(ip)) === ip));
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '1.2.3.-4',
    '1.2.3.4 ',
    '::ffff:1.2.3.4',
    '0x1.2.3.4',
    '1..2.3',
    'a.b.c.d',
  ])('are not: %s', (text) => expect(parseIpv4(text)).toBeUndefined());
});
