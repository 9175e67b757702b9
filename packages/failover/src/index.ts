/**
 * VRRP, virtual IP, promotion and demotion of masters.
 *
 * @packageDocumentation
 */
export {};
