/** The state of an agent, as `mfsha status` shows it. */
import type { StepRecord } from './supervisor.js';

export interface AgentStatus {
  readonly routerId: string;
  /** Kept over restarts: what the data folder of this host is. */
  readonly role: 'master' | 'backup';
  readonly vrrp: {
    readonly state: string;
    readonly reason: string;
    readonly virtualRouterId: number;
    readonly version: number;
    readonly priority: number;
    readonly interface: string;
    readonly virtualAddresses: readonly string[];
    /** The other host's last advertisement; absent: none was received. */
    readonly peer?: { readonly address: string; readonly priority: number; readonly ageMs: number };
    /** Packets dropped, by reason. */
    readonly dropped: Readonly<Record<string, number>>;
  };
  /** What the supervisor is doing. */
  readonly activity: string;
  /** The local master serves behind the virtual address. */
  readonly serving: boolean;
  /** It serves, or a promotion would find an image of the file system to start from. */
  readonly ready: boolean;
  /** Identity of the file system, 16 hex digits; absent: not known yet. */
  readonly metaid?: string;
  /** Steps of the last promotion or demotion. */
  readonly steps: readonly StepRecord[];
  /** Why the last promotion was refused. */
  readonly refused?: string;
}

/** The status for people. */
export function statusText(status: AgentStatus): string {
  const { vrrp } = status;
  const peer =
    vrrp.peer === undefined
      ? 'none seen'
      : `${vrrp.peer.address}, priority ${vrrp.peer.priority}, ${(vrrp.peer.ageMs / 1000).toFixed(1)} s ago`;
  const rows: [string, string][] = [
    ['router', status.routerId],
    ['VRRP', `${vrrp.state} (${vrrp.reason || 'starting'}), version ${vrrp.version}, id ${vrrp.virtualRouterId}`],
    ['priority', `${vrrp.priority} on ${vrrp.interface}`],
    ['other master', peer],
    ['virtual address', `${vrrp.virtualAddresses.join(', ')}${status.serving ? ', held here' : ''}`],
    ['role', `${status.role}, ${status.activity}${status.ready ? '' : ', not ready to take over'}`],
    ['metadata id', status.metaid ?? 'not known yet'],
  ];
  if (status.refused !== undefined) rows.push(['refused', status.refused]);
  const dropped = Object.entries(vrrp.dropped);
  if (dropped.length > 0) rows.push(['dropped', dropped.map(([why, count]) => `${why}: ${count}`).join(', ')]);
  for (const { name, tookMs } of status.steps) rows.push(['last step', `${name} (${tookMs} ms)`]);
  return `${rows.map(([name, text]) => `${`${name}:`.padEnd(17)}${text}`).join('\n')}\n`;
}
