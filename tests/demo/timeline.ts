/** What happened in a takeover and when, from the logs of the agents (JSON lines) and of the programs. */
import type { Background } from '../harness/processes.js';

export interface AgentEvent {
  readonly timeMs: number;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function agentEvents(agent: Background): AgentEvent[] {
  const events: AgentEvent[] = [];
  for (const line of agent.output.split('\n')) {
    if (!line.startsWith('{')) continue;
    try {
      const fields = JSON.parse(line) as Record<string, unknown>;
      events.push({ timeMs: Date.parse(String(fields.time)), message: String(fields.message), fields });
    } catch {
      // a line that is being written
    }
  }
  return events;
}

export interface Moment {
  readonly atMs: number;
  readonly text: string;
}

interface Takeover {
  readonly killedAtMs: number;
  readonly old: { readonly name: string; readonly agent: Background };
  readonly next: { readonly name: string; readonly agent: Background };
  readonly others: readonly Moment[];
}

const OLD_TEXTS: [RegExp, (event: AgentEvent) => string][] = [
  [/^the local master is gone/, ({ fields }) => `detected: ${String(fields.reason).split('\n')[0]}`],
  [/MASTER -> FAULT/, () => 'gives up: advertisement of priority 0 sent'],
  [/^step: virtual address dropped/, () => 'virtual address dropped, its connections cut'],
];
const NEXT_TEXTS: [RegExp, (event: AgentEvent) => string][] = [
  [/BACKUP -> MASTER/, ({ fields }) => `becomes VRRP master: ${String(fields.reason)}`],
  [/^step: metalogger stopped/, ({ fields }) => `metalogger stopped (${String(fields.tookMs)} ms)`],
  [/^source$/, ({ fields }) => `source: ${String(fields.image)}, version ${String(fields.version)} and changelogs`],
  [/^step: restore/, ({ fields }) => `restored (${String(fields.tookMs)} ms)`],
  [/^step: master started/, ({ fields }) => `master started (${String(fields.tookMs)} ms)`],
  [/^step: master ready/, () => 'master ready: it answers'],
  [/^step: virtual address is free/, () => 'fence: nobody else is reachable at the virtual address'],
  [/^step: virtual address set/, () => 'virtual address set, gratuitous ARP sent'],
];

/** All moments of a takeover in order. */
export function takeoverMoments({ killedAtMs, old, next, others }: Takeover): Moment[] {
  const moments: Moment[] = [...others];
  const add = (
    name: string,
    agent: Background,
    texts: readonly [RegExp, (event: AgentEvent) => string][],
    untilMs = Infinity,
  ): void => {
    for (const event of agentEvents(agent)) {
      if (event.timeMs < killedAtMs || event.timeMs > untilMs) continue;
      const text = texts.find(([pattern]) => pattern.test(event.message));
      if (text !== undefined) moments.push({ atMs: event.timeMs, text: `${name}: ${text[1](event)}` });
    }
  };
  add(old.name, old.agent, OLD_TEXTS);
  add(next.name, next.agent, NEXT_TEXTS);
  return moments.sort((a, b) => a.atMs - b.atMs);
}

/** When the address was set after the kill; undefined: not yet. */
export function addressSetMs(agent: Background, sinceMs: number): number | undefined {
  return agentEvents(agent).find((one) => one.timeMs >= sinceMs && one.message === 'step: virtual address set')?.timeMs;
}
