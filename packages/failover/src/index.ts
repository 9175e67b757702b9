/**
 * VRRP, virtual IP, promotion and demotion of masters.
 *
 * @packageDocumentation
 */
export * from './checksum.js';
export * from './vrrp-packet.js';
export * from './vrrp-machine.js';
export * from './config.js';
export * from './probe.js';
export * from './command.js';
export * from './virtual-ip.js';
export * from './arp.js';
export * from './vrrp-instance.js';
export * from './address-holder.js';
export * from './address-guard.js';
export * from './interface-watch.js';
export * from './source.js';
export * from './local-daemon.js';
export * from './host-state.js';
export * from './host-actions.js';
export * from './supervisor.js';
export * from './agent-status.js';
export * from './control-socket.js';
export * from './agent.js';
