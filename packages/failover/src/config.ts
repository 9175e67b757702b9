import { readFileSync } from 'node:fs';

import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';

import { parseIpv4 } from './checksum.js';

/** Configuration of the failover agent: YAML, checked as a whole (spec 14). */

const ipv4 = z.string().refine((text) => parseIpv4(text) !== undefined, 'expected an IPv4 address such as 10.1.1.103');
const command = z.array(z.string().min(1)).min(1).describe('program and arguments; run without a shell');
const milliseconds = (minimum: number, fallback: number): z.ZodDefault<z.ZodNumber> =>
  z.number().int().min(minimum).default(fallback);

const virtualAddress = z
  .string()
  .regex(/^\d+\.\d+\.\d+\.\d+(\/\d+)?$/, 'expected an address such as 10.1.1.103 or 10.1.1.103/32')
  .refine((text) => {
    const [address = '', prefix = '32'] = text.split('/');
    return parseIpv4(address) !== undefined && Number(prefix) >= 1 && Number(prefix) <= 32;
  }, 'not an IPv4 address with a prefix of 1 to 32 bits');

const vrrpSchema = z
  .strictObject({
    version: z.union([z.literal(2), z.literal(3)]).default(2),
    interface: z.string().min(1).max(15),
    virtualRouterId: z.number().int().min(1).max(255),
    priority: z.number().int().min(1).max(255),
    advertIntervalMs: milliseconds(10, 1000),
    /** Version 2 only; at most 8 bytes count. */
    password: z.string().min(1).max(8).optional(),
    preempt: z.boolean().default(false),
    preemptDelayMs: milliseconds(0, 0),
    virtualAddresses: z.array(virtualAddress).min(1).max(20),
    /** Source address; default: the first one of the interface. */
    sourceAddress: ipv4.optional(),
    /** Peers that advertisements go to instead of the multicast group. */
    unicastPeers: z.array(ipv4).default([]),
    garpCount: z.number().int().min(1).max(20).default(5),
    garpDelayMs: milliseconds(0, 5000),
    /** 0: no refresh. */
    garpRefreshMs: milliseconds(0, 0),
  })
  .superRefine((value, context) => {
    if (value.version === 2 && (value.advertIntervalMs % 1000 !== 0 || value.advertIntervalMs > 255_000)) {
      context.addIssue({
        code: 'custom',
        path: ['advertIntervalMs'],
        message: 'version 2 counts whole seconds, 1000 to 255000',
      });
    }
    if (value.version === 3 && (value.advertIntervalMs % 10 !== 0 || value.advertIntervalMs > 40_950)) {
      context.addIssue({
        code: 'custom',
        path: ['advertIntervalMs'],
        message: 'version 3 counts hundredths of a second, 10 to 40950',
      });
    }
    if (value.version === 3 && value.password !== undefined) {
      context.addIssue({ code: 'custom', path: ['password'], message: 'version 3 has no authentication' });
    }
  });

export const agentSchema = z.strictObject({
  routerId: z.string().default('wapiti'),
  /** Folder of the agent's own lock and state. */
  stateDir: z.string().startsWith('/', 'expected an absolute path').default('/var/lib/mfs'),
  vrrp: vrrpSchema,
  /** What this host is when it has never been anything: `master` starts on the metadata it has. */
  initialRole: z.enum(['master', 'backup']),
  /** Data folder of mfsmaster and mfsmetalogger of this host (DATA_PATH of both). */
  dataDir: z.string().startsWith('/', 'expected an absolute path'),
  commands: z.strictObject({
    masterStart: command,
    masterStop: command,
    metaloggerStart: command,
    metaloggerStop: command,
    /** Makes metadata.mfs from the newest image and the changelogs in the data folder. */
    restore: command,
  }),
  probe: z
    .strictObject({
      host: ipv4.default('127.0.0.1'),
      port: z.number().int().min(1).max(65535).default(9421),
      intervalMs: milliseconds(50, 2000),
      timeoutMs: milliseconds(50, 2000),
      /** Failures in a row until the master counts as dead; a refused connection counts at once. */
      fall: z.number().int().min(1).default(2),
    })
    .prefault({}),
  /** How long a promoted master may take until it answers. */
  readyTimeoutMs: milliseconds(1000, 600_000),
  commandTimeoutMs: milliseconds(1000, 600_000),
  /** A refused promotion is tried again after this time. */
  retryMs: milliseconds(1000, 30_000),
});

export type AgentConfig = z.infer<typeof agentSchema>;

/** The configuration file is not usable: all problems, each with line and key. */
export class AgentConfigError extends Error {
  readonly code = 'ECONFIG';

  constructor(
    readonly file: string,
    readonly problems: readonly string[],
  ) {
    super(problems.map((one) => `${file}:${one}`).join('\n'));
    this.name = 'AgentConfigError';
  }
}

/** Parses and checks the text of a configuration file; throws an {@link AgentConfigError} naming everything wrong with it. */
export function parseAgentConfig(text: string, file: string): AgentConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0) {
    throw new AgentConfigError(
      file,
      document.errors.map((error) => `${lines.linePos(error.pos[0]).line}: ${error.message.split('\n')[0] ?? ''}`),
    );
  }
  const result = agentSchema.safeParse(document.toJS());
  if (result.success) return result.data;
  throw new AgentConfigError(
    file,
    result.error.issues.map((issue) => {
      const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] as string] : issue.path;
      return `${lineOf(document.contents, path, lines)}: ${path.join('.') || 'file'}: ${issue.message}`;
    }),
  );
}

export function loadAgentConfig(file: string): AgentConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new AgentConfigError(file, [`0: ${(error as Error).message}`]);
  }
  return parseAgentConfig(text, file);
}

/** Line of a key, or of the nearest enclosing one that is there. */
function lineOf(node: unknown, path: readonly PropertyKey[], lines: LineCounter): number {
  let line = 1;
  let current = node;
  for (const part of path) {
    if (!isMap(current)) break;
    const pair = current.items.find((item) => isScalar(item.key) && item.key.value === part);
    if (pair === undefined) break;
    if (isScalar(pair.key) && pair.key.range) line = lines.linePos(pair.key.range[0]).line;
    current = pair.value;
  }
  return line;
}
