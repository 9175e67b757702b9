/**
 * The Wapiti failover agent.
 *
 * @packageDocumentation
 */
export {};
