import { WapitiFs } from '@wapiti-fs/client';
import { createLogger } from '@wapiti-fs/runtime';
import type { Command } from 'commander';

import type { Terminal } from './terminal.js';

/** Options of every command that talks to a master. */
export interface RemoteOptions {
  readonly master: string;
  readonly subfolder: string;
  readonly password?: string;
  readonly timeout: string;
  readonly verbose?: boolean;
}

export function withRemoteOptions(command: Command): Command {
  return command
    .option(
      '-H, --master <host[:port]>',
      'master, or its virtual address (environment: WAPITI_MASTER)',
      process.env.WAPITI_MASTER ?? 'mfsmaster',
    )
    .option('-S, --subfolder <path>', 'exported directory to begin at', '/')
    .option('--password <text>', 'password of the export (better: environment WAPITI_PASSWORD)')
    .option('--timeout <seconds>', 'how long to try to reach the master at first', '10')
    .option('-v, --verbose', 'log what happens to the connections');
}

/** Connects, runs `use`, and ends the session whatever happens. */
export async function withRemote<T>(
  options: RemoteOptions,
  terminal: Terminal,
  use: (fs: WapitiFs) => Promise<T>,
): Promise<T> {
  const log = createLogger({
    ident: 'wapiti',
    level: options.verbose ? 'debug' : 'warn',
    target: (line) => terminal.err(line),
  });
  const fs = await WapitiFs.connect({
    master: options.master,
    path: options.subfolder,
    password: options.password ?? process.env.WAPITI_PASSWORD,
    info: 'wapiti',
    startLimitMs: Number(options.timeout) * 1000,
    signal: terminal.signal,
    services: { log },
  });
  try {
    return await use(fs);
  } finally {
    await fs.close();
  }
}
