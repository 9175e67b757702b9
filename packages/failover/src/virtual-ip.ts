import { formatIpv4, parseIpv4 } from '@wapiti-fs/protocol';

import { runCommand } from './command.js';

const IP_TIMEOUT_MS = 5000;

export interface InterfaceAddress {
  readonly address: number;
  readonly prefix: number;
}

export interface InterfaceState {
  readonly up: boolean;
  readonly index: number;
  /** Hardware address, 6 bytes. */
  readonly hardwareAddress: Buffer;
  readonly addresses: readonly InterfaceAddress[];
}

/** The interface named is not there. */
export class InterfaceError extends Error {
  readonly code = 'ENODEV';
}

/** Asks iproute2 for an interface. */
export async function readInterface(name: string): Promise<InterfaceState> {
  let text: string;
  try {
    text = await runCommand(['ip', '-json', 'address', 'show', 'dev', name], IP_TIMEOUT_MS);
  } catch (error) {
    throw new InterfaceError(`interface ${name}: ${(error as Error).message}`);
  }
  const [link] = JSON.parse(text) as {
    ifindex: number;
    flags: string[];
    address?: string;
    addr_info: { family: string; local: string; prefixlen: number }[];
  }[];
  if (link === undefined) throw new InterfaceError(`interface ${name}: not found`);
  return {
    up: link.flags.includes('UP') && link.flags.includes('LOWER_UP'),
    index: link.ifindex,
    hardwareAddress: Buffer.from((link.address ?? '').replaceAll(':', ''), 'hex'),
    addresses: link.addr_info
      .filter((one) => one.family === 'inet')
      .map((one) => ({ address: parseIpv4(one.local) ?? 0, prefix: one.prefixlen })),
  };
}

/**
 * Sets a virtual address for `lifetimeS` seconds, or prolongs it. The kernel removes an address that nobody prolongs: an
 * agent that was killed or stalls loses it without anybody's help, before another host takes it.
 */
export async function holdAddress(
  name: string,
  { address, prefix }: InterfaceAddress,
  lifetimeS: number,
): Promise<void> {
  const lifetime = ['valid_lft', `${lifetimeS}`, 'preferred_lft', `${lifetimeS}`];
  await runCommand(
    ['ip', 'address', 'replace', `${formatIpv4(address)}/${prefix}`, 'dev', name, ...lifetime],
    IP_TIMEOUT_MS,
  );
}

/**
 * Removes a virtual address, if it is there, and cuts the TCP connections bound to it, so that no client goes on talking to
 * a demoted master (spec 14 §5): first with the address, so that the peers are told, then what was made meanwhile.
 */
export async function removeAddress(name: string, { address, prefix }: InterfaceAddress): Promise<void> {
  const text = formatIpv4(address);
  await cutConnections(text);
  try {
    await runCommand(['ip', 'address', 'del', `${text}/${prefix}`, 'dev', name], IP_TIMEOUT_MS);
  } catch (error) {
    // not there, or the interface is gone; anything else is an error
    const state = await readInterface(name).catch(() => undefined);
    if (state?.addresses.some((one) => one.address === address && one.prefix === prefix)) throw error;
  }
  await cutConnections(text);
}

/** Needs CONFIG_INET_DIAG_DESTROY; without it connections end by their own timeouts, and the master is stopped anyway. */
async function cutConnections(address: string): Promise<void> {
  await runCommand(['ss', '-K', 'src', address], IP_TIMEOUT_MS).catch(() => '');
}
