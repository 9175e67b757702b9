/**
 * `mfsha`, the Wapiti failover agent: one runs on each host that can be master.
 *
 * ```sh
 * mfsha -c /etc/mfs/mfsha.yaml start
 * mfsha -c /etc/mfs/mfsha.yaml status --json
 * mfsha -c /etc/mfs/mfsha.yaml switchover
 * ```
 *
 * @packageDocumentation
 */
export { runMfsha } from './mfsha.js';
