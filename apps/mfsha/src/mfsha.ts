import { parseArgs } from 'node:util';

import { agentDefinition, type AgentStatus, askAgent, startAgent, statusText } from '@wapiti-fs/failover';
import { loadConfig, runDaemon } from '@wapiti-fs/runtime';

const VERSION = '0.1.0';
const DEFAULT_CONFIG = '/etc/mfs/mfsha.yaml';
const QUESTIONS = ['status', 'switchover'] as const;
const USAGE = [
  '',
  'asking the running agent:',
  'mfsha [-c cfgfile] status [--json] : how things are; JSON for programs',
  'mfsha [-c cfgfile] switchover : on the serving host: hand over to the backup, nothing lost',
];
const OPTIONS = {
  config: { type: 'string', short: 'c', default: DEFAULT_CONFIG },
  json: { type: 'boolean', default: false },
} as const;

/** Does what the command line asks for; sets `process.exitCode`. The daemon's actions are those of every daemon. */
export async function runMfsha(argv: readonly string[]): Promise<void> {
  const question = QUESTIONS.find((one) => argv.includes(one));
  if (question !== undefined) {
    process.exitCode = await ask(question, argv);
    return;
  }
  await runDaemon(
    {
      name: 'mfsha',
      version: VERSION,
      defaultConfigPath: DEFAULT_CONFIG,
      config: agentDefinition,
      start: startAgent,
      usage: USAGE,
    },
    argv,
  );
}

/** Asks the running agent; exit code 0: answered, 1: none runs, or it refused. */
async function ask(question: (typeof QUESTIONS)[number], argv: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
    if (positionals.length > 1) throw new Error(`one word is enough, there are ${positionals.length}`);
    const { config } = loadConfig(agentDefinition, values.config);
    const answer = await askAgent(config.stateDir, question);
    if (question === 'status') {
      const status = answer as AgentStatus;
      process.stdout.write(values.json ? `${JSON.stringify(status, null, 2)}\n` : statusText(status));
    } else {
      process.stdout.write('handed over\n');
    }
    return 0;
  } catch (error) {
    process.stderr.write(`mfsha ${question}: ${(error as Error).message}\n`);
    return 1;
  }
}
