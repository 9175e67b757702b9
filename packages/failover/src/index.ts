/**
 * VRRP, virtual IP, promotion and demotion of masters.
 *
 * @packageDocumentation
 */
export * from './checksum.js';
export * from './vrrp-packet.js';
export * from './vrrp-machine.js';
