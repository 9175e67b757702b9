import { spawn } from 'node:child_process';
import os from 'node:os';

/** A command of the configuration failed; the message carries its exit code and the end of its output. */
export class CommandError extends Error {
  readonly code = 'ECOMMAND';
}

/** A process made by a thread with real-time priority starts without that and without its nice level: it gets that back. */
export function keepNiceLevel(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    os.setPriority(pid, os.getPriority());
  } catch {
    // it has ended already, or nobody may raise it
  }
}

const KEPT_OUTPUT_BYTES = 16 * 1024;

/** Runs a program without a shell to its end and returns its output. Rejects with a {@link CommandError} on exit code ≠ 0. */
export function runCommand(command: readonly string[], timeoutMs: number): Promise<string> {
  const [program = '', ...args] = command;
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    keepNiceLevel(child.pid);
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-KEPT_OUTPUT_BYTES);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(new CommandError(`${command.join(' ')}: ${error.message}`));
    });
    // 'exit', not 'close': a daemon that goes to the background may keep the pipe
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      if (code === 0) resolve(output);
      else
        reject(
          new CommandError(
            `${command.join(' ')}: ${code === null ? `ended by ${signal}` : `exit code ${code}`}\n${output.trim()}`,
          ),
        );
    });
  });
}
