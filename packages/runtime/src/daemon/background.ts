/**
 * Going to the background. Node cannot fork, so the starting process runs the program again, detached, and passes on what the
 * new process tells through a pipe until it has started or failed.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Readable } from 'node:stream';

import { duplicateDescriptor } from '../libc/process.js';

const REPORT_VARIABLE = 'WAPITI_DAEMON_REPORT_FD';
const REPORT_FD = 3;
/** Last byte of the report of a successful start. */
const STARTED = '\x06';

/** Starts this program again as a daemon, with `env` besides; resolves with the exit code for the caller. */
export function startInBackground(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
  return new Promise((resolve) => {
    const script = process.argv[1];
    if (script === undefined) throw new Error('the program has no file that could be started again');
    const child = spawn(process.execPath, [...process.execArgv, script, ...argv], {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env, [REPORT_VARIABLE]: String(REPORT_FD) },
    });
    const report = child.stdio[REPORT_FD] as Readable;
    const errors = child.stderr as Readable | null;
    let settled = false;
    const settle = (code: number): void => {
      if (settled) return;
      settled = true;
      report.destroy();
      errors?.destroy();
      child.unref();
      resolve(code);
    };
    report.on('data', (chunk: Buffer) => {
      const text = chunk.toString('utf8');
      process.stderr.write(text.replace(STARTED, ''));
      if (text.includes(STARTED)) settle(0);
    });
    errors?.on('data', (chunk: Buffer) => process.stderr.write(chunk));
    child.once('error', (error) => {
      process.stderr.write(`can't start in background: ${error.message}\n`);
      settle(1);
    });
    child.once('close', () => settle(1));
  });
}

/** The way to the terminal of the one who starts a daemon. */
export interface Starter {
  /** Prints a text (no line feed is added). */
  print(text: string): void;
  /** The daemon runs (`true`) or the starter is done with for another reason; nothing can be printed afterwards. */
  release(started: boolean, logFd: number | undefined): void;
}

/** Whether this process was started by {@link startInBackground}; true until {@link findStarter} was called. */
export function isStartedByUs(): boolean {
  return process.env[REPORT_VARIABLE] === String(REPORT_FD);
}

/** This process' starter: the waiting process when we are the daemon, else our own stderr. */
export function findStarter(): { starter: Starter; isDaemon: boolean } {
  const isDaemon = isStartedByUs();
  delete process.env[REPORT_VARIABLE];
  if (!isDaemon) {
    return { starter: { print: (text) => void write(2, text), release: () => undefined }, isDaemon };
  }
  let open = true;
  return {
    isDaemon,
    starter: {
      print: (text) => void (open && write(REPORT_FD, text)),
      release(started, logFd) {
        if (!open) return;
        open = false;
        // What goes to stderr from now on (a crash of Node itself) must not hit a closed pipe: it goes to the log.
        const nowhere = logFd ?? openSync('/dev/null', 'w');
        duplicateDescriptor(nowhere, 1);
        duplicateDescriptor(nowhere, 2);
        if (started) write(REPORT_FD, STARTED);
        closeSync(REPORT_FD);
      },
    },
  };
}

/** The starter may be gone: that is no reason to fail. */
function write(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  try {
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
  } catch {
    // nobody listens
  }
}
