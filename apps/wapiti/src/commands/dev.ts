import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { WapitiFs } from '@wapiti-fs/client';
import { createLogger } from '@wapiti-fs/runtime';

import { type DevCluster, MAX_CHUNKSERVERS, startDevCluster } from '../dev.js';
import { EXIT, type Terminal, UsageError } from '../terminal.js';

export interface DevCliOptions {
  readonly data?: string;
  readonly chunkservers: string;
  readonly portBase: string;
  readonly verbose?: boolean;
}

/** How long the chunkservers may take to register. */
const READY_LIMIT_MS = 30_000;
const READY_STEP_MS = 100;

/** `wapiti dev`: runs until Ctrl-C. */
export async function runDev(options: DevCliOptions, terminal: Terminal): Promise<number> {
  const chunkservers = number(options.chunkservers, '--chunkservers', 1, MAX_CHUNKSERVERS);
  const portBase = number(options.portBase, '--port-base', 1, 65_535 - 3 - MAX_CHUNKSERVERS);
  const dataDir = options.data ?? (await mkdtemp(join(tmpdir(), 'wapiti-dev-')));
  const log = createLogger({
    ident: 'wapiti',
    level: options.verbose ? 'debug' : 'notice',
    target: (line) => terminal.err(line),
  });
  let cluster: DevCluster | undefined;
  try {
    cluster = await startDevCluster({ dataDir, chunkservers, portBase, log });
    await ready(cluster, terminal.signal);
    for (const line of howTo(cluster, dataDir, options.data !== undefined)) terminal.out(line);
    const interrupted = new Promise<undefined>((resolve) => {
      terminal.signal.addEventListener('abort', () => resolve(undefined), { once: true });
      if (terminal.signal.aborted) resolve(undefined);
    });
    const end = await Promise.race([cluster.ended, interrupted]);
    if (end === undefined) return EXIT.ok;
    terminal.err(`wapiti: ${end.role} ended: ${end.error?.message ?? 'without a reason'}`);
    return EXIT.failed;
  } finally {
    terminal.out('shutting down');
    await cluster?.stop();
    if (options.data === undefined) await rm(dataDir, { recursive: true, force: true });
    terminal.out(
      options.data === undefined ? 'stopped; the data are removed' : `stopped; the data are kept in ${dataDir}`,
    );
  }
}

/** Until there is space to write to, by any user of this machine. */
async function ready({ master, fresh }: DevCluster, signal: AbortSignal): Promise<void> {
  const fs = await WapitiFs.connect({ master, signal, info: 'wapiti dev', uid: 0, gids: [0] });
  try {
    if (fresh) await fs.chmod('/', 0o1777);
    const deadlineMs = performance.now() + READY_LIMIT_MS;
    while ((await fs.statfs({ signal })).bavail === 0) {
      if (performance.now() > deadlineMs) throw new Error(`no chunkserver with free space within ${READY_LIMIT_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, READY_STEP_MS));
      signal.throwIfAborted();
    }
  } finally {
    await fs.close();
  }
}

function howTo(cluster: DevCluster, dataDir: string, kept: boolean): string[] {
  const [, port] = cluster.master.split(':');
  return [
    '',
    `The cluster is ready: master at ${cluster.master}, chunkservers on ports ${cluster.chunkserverPorts.join(', ')}.`,
    `Data: ${dataDir}${kept ? '' : ' (removed at the end; --data keeps them)'}`,
    '',
    `  export WAPITI_MASTER=${cluster.master}`,
    '  wapiti put FILE /        wapiti ls -l /        wapiti get /FILE .',
    '',
    `  as root:  mfsmount /mnt/wapiti -H 127.0.0.1 -P ${port}`,
    '',
    'Ctrl-C ends it.',
  ];
}

function number(text: string, option: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new UsageError(`${option} ${text}: a number from ${min} to ${max} is needed`);
  return value;
}
