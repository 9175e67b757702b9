import { parseIpv4, ProtocolError } from '@wapiti-fs/protocol';

/** The address of a peer as a number. @throws ProtocolError when it is none of IPv4 */
export function addressNumber(text: string): number {
  const ip = parseIpv4(text);
  if (ip === undefined) throw new ProtocolError(`not an IPv4 address: ${text}`);
  return ip;
}
