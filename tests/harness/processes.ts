import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';

export interface ProcessResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. Throws with its output when `check` (default) and the exit code is not 0. */
export async function run(
  command: string,
  args: readonly string[],
  options: { check?: boolean; input?: string; cwd?: string; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<ProcessResult> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: options.cwd,
    timeout: options.timeoutMs,
    signal: options.signal,
    killSignal: 'SIGKILL',
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  const result = { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
  if (options.check !== false && code !== 0) {
    throw new Error(`${command} ${args.join(' ')}: exit code ${code}\n${result.stdout}${result.stderr}`);
  }
  return result;
}

/** The same without the event loop, for clean-up in exit handlers. */
export function runSync(command: string, args: readonly string[]): number | null {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 20_000 }).status;
}

/** A process that runs beside the test: its output is kept, lines can be awaited, and it is ended by pid. */
export class Background {
  private readonly events = new EventEmitter();
  private text = '';
  private exited = false;
  exitCode: number | null = null;

  constructor(
    readonly label: string,
    private readonly child: ChildProcess,
  ) {
    const take = (chunk: Buffer): void => {
      this.text += chunk.toString();
      if (this.text.length > 8_000_000) this.text = this.text.slice(-4_000_000);
      this.events.emit('change');
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('exit', (code) => {
      this.exited = true;
      this.exitCode = code;
      this.events.emit('change');
    });
    child.once('error', (error) => {
      this.exited = true;
      this.text += String(error);
      this.events.emit('change');
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get running(): boolean {
    return !this.exited;
  }

  get output(): string {
    return this.text;
  }

  /** Waits until the output matches; rejects when the process ends first or after `timeoutMs`. */
  async waitFor(pattern: RegExp, timeoutMs = 30_000): Promise<void> {
    await this.until(() => pattern.test(this.text), timeoutMs, `output ${pattern}`, true);
  }

  async waitExit(timeoutMs = 30_000): Promise<number | null> {
    await this.until(() => this.exited, timeoutMs, 'exit', false);
    return this.exitCode;
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.exited) this.child.kill(signal);
  }

  /** SIGTERM, and SIGKILL when that has not ended it in time. */
  async stop(timeoutMs = 20_000): Promise<void> {
    if (this.exited) return;
    this.signal('SIGTERM');
    try {
      await this.waitExit(timeoutMs);
    } catch {
      this.signal('SIGKILL');
      await this.waitExit(5_000);
    }
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.waitExit(10_000);
  }

  private async until(holds: () => boolean, timeoutMs: number, what: string, failOnExit: boolean): Promise<void> {
    const timer = setTimeout(() => this.events.emit('change', 'timeout'), timeoutMs);
    const deadline = Date.now() + timeoutMs;
    try {
      while (!holds()) {
        if (failOnExit && this.exited)
          throw new Error(`${this.label} ended (code ${this.exitCode}) before ${what}:\n${this.text}`);
        if (Date.now() >= deadline)
          throw new Error(`${this.label}: no ${what} within ${timeoutMs} ms:\n${this.text.slice(-4000)}`);
        await once(this.events, 'change');
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

export function background(
  label: string,
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Background {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: options.env ?? process.env,
    cwd: options.cwd,
  });
  return new Background(label, child);
}

/** Polls a condition of the outside world (another program's state) that gives no event. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 30_000,
  stepMs = 50,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline)
      throw new Error(`${what}: not within ${timeoutMs} ms${last === undefined ? '' : ` (${String(last)})`}`);
    await new Promise((resolve) => setTimeout(resolve, stepMs));
  }
}
