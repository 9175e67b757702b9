import { type ChildProcess, spawn } from 'node:child_process';

import { formatIpv4 } from '@wapiti-fs/protocol';

import { keepNiceLevel } from './command.js';
import type { InterfaceAddress } from './virtual-ip.js';

/**
 * Waits for the end of its standard input, then removes the addresses given as arguments behind the interface, cutting
 * their connections; unless it was told to go first.
 */
const SCRIPT = `trap '' TERM INT HUP
read -r word && [ "$word" = release ] && exit 0
device=$1; shift
for address; do
  ss -K src "\${address%/*}"
  ip address del "$address" dev "$device"
  ss -K src "\${address%/*}"
done`;

/**
 * A small process beside the agent that takes the virtual addresses away when the agent dies in whatever way, SIGKILL
 * included: the kernel closes the pipe between them (spec 14 §2 no. 5). The lifetime of the addresses stands behind it
 * for the case that both are killed or that the agent is stopped.
 */
export class AddressGuard {
  private readonly child: ChildProcess;

  constructor(interfaceName: string, addresses: readonly InterfaceAddress[]) {
    const texts = addresses.map(({ address, prefix }) => `${formatIpv4(address)}/${prefix}`);
    this.child = spawn('/bin/sh', ['-c', SCRIPT, 'mfsha-address-guard', interfaceName, ...texts], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    keepNiceLevel(this.child.pid);
    // without a guard the lifetime of the addresses is what remains
    this.child.on('error', () => undefined);
    this.child.stdin?.on('error', () => undefined);
    this.child.unref();
  }

  /** The addresses are no longer its business. */
  release(): void {
    this.child.stdin?.end('release\n');
  }
}
