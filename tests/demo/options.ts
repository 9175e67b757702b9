/** What the demo does, and how big, from the environment: smaller for tests, other implementations for comparison. */
import type { Implementation } from '../harness/lab.js';
import type { ConfigSet, Role } from '../harness/two-hosts.js';

export interface DemoOptions {
  readonly files: number;
  readonly bigMib: number;
  readonly set: ConfigSet;
  readonly implementations: Partial<Record<Role, Implementation>>;
}

const ROLES: readonly Role[] = ['mfsmaster', 'mfsmetalogger', 'mfschunkserver', 'mfsmount'];

function count(name: string, fallback: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return fallback;
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${name}: '${text}' is not a number above 0`);
  return Number(text);
}

export function demoOptions(): DemoOptions {
  const set = process.env.WAPITI_DEMO_SET ?? 'two-hosts';
  if (set !== 'two-hosts' && set !== 'two-hosts-fast')
    throw new Error(`WAPITI_DEMO_SET: '${set}' is neither two-hosts nor two-hosts-fast`);
  const implementations: Partial<Record<Role, Implementation>> = {};
  for (const role of (process.env.WAPITI_DEMO_C ?? '').split(/[\s,]+/).filter((one) => one !== '')) {
    const known = role === 'all' ? ROLES : ROLES.filter((one) => one === role);
    if (known.length === 0) throw new Error(`WAPITI_DEMO_C: '${role}' is none of ${ROLES.join(', ')}, all`);
    for (const one of known) implementations[one] = 'c';
  }
  return { files: count('WAPITI_DEMO_FILES', 3000), bigMib: count('WAPITI_DEMO_BIG_MIB', 300), set, implementations };
}
