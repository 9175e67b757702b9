/** The programs that use the file system while masters die: they run as processes of their own and see only files. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { eventually } from '../harness/processes.js';
import { readRecords } from './records.js';
import type { SourceFile } from './tree.js';

interface Done {
  readonly timeMs: number;
}

/** A program whose every line of output is one finished operation. */
abstract class Program<T extends Done> {
  readonly operations: T[] = [];
  private readonly child: ChildProcess;
  private errors = '';
  private rest = '';
  private readonly exited: Promise<number | null>;

  constructor(script: string, args: readonly string[], input = '') {
    this.child = spawn(process.execPath, [join(__dirname, script), ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdin?.on('error', () => undefined);
    this.child.stdin?.end(input);
    this.child.stderr?.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
    this.child.stdout?.on('data', (chunk: Buffer) => this.take(chunk.toString()));
    this.exited = once(this.child, 'close').then(([code]) => code as number | null);
  }

  protected abstract parse(line: string): T;

  private take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.operations.push(this.parse(line));
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** Waits until it has ended by itself; throws what went wrong. */
  async finish(): Promise<void> {
    const code = await this.exited;
    if (code !== 0) throw new Error(`a program saw an error: ${this.errors || `exit code ${code}`}`);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await this.finish();
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** Waits until `count` more operations are finished. */
  async more(count: number, timeoutMs = 60_000): Promise<void> {
    const wanted = this.operations.length + count;
    await eventually(
      `${count} more operations after ${JSON.stringify(this.operations.at(-1))}`,
      () => {
        if (this.child.exitCode !== null) throw new Error(this.errors);
        return this.operations.length >= wanted;
      },
      timeoutMs,
      20,
    );
  }

  /** Longest time without a finished operation since `sinceMs` (time of day). */
  stallMs(sinceMs: number): number {
    let longest = 0;
    for (let i = 1; i < this.operations.length; i++) {
      const { timeMs } = this.operations[i] as T;
      if (timeMs >= sinceMs) longest = Math.max(longest, timeMs - (this.operations[i - 1] as T).timeMs);
    }
    return longest;
  }

  /** First operation finished after `timeMs`. */
  firstAfter(timeMs: number): T | undefined {
    return this.operations.find((one) => one.timeMs > timeMs);
  }
}

export class Writer extends Program<{ file: string; number: number; timeMs: number }> {
  constructor(private readonly folder: string) {
    super('writer.js', [folder]);
  }

  protected parse(line: string): { file: string; number: number; timeMs: number } {
    const [file = '', number, time] = line.split(' ');
    return { file, number: Number(number), timeMs: Number(time) };
  }

  /** Reads everything back: every acknowledged record must be there, undamaged and in order. */
  prove(): { files: number; records: number } {
    const acknowledged = new Map<string, number>();
    for (const { file, number } of this.operations) acknowledged.set(file, number);
    for (const [file, count] of acknowledged) {
      const found = readRecords(readFileSync(join(this.folder, file), 'utf8'), file);
      if (found < count) throw new Error(`${file}: ${count} records were acknowledged by fsync, ${found} are there`);
    }
    return { files: acknowledged.size, records: this.operations.length };
  }
}

export class Copier extends Program<{ path: string; sizeBytes: number; timeMs: number }> {
  /** `repeat`: over and over, into `target/round-N`. */
  constructor(
    private readonly sources: readonly SourceFile[],
    target: string,
    repeat: boolean,
  ) {
    const folder = repeat ? join(target, 'ROUND') : target;
    super(
      'copier.js',
      repeat ? ['--repeat'] : [],
      sources.map(({ path, name }) => `${path}\t${join(folder, name)}\n`).join(''),
    );
  }

  protected parse(line: string): { path: string; sizeBytes: number; timeMs: number } {
    const [path = '', size, time] = line.split('\t');
    return { path, sizeBytes: Number(size), timeMs: Number(time) };
  }

  get bytes(): number {
    return this.operations.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Source and copy of every finished copy. */
  copies(): { source: string; copy: string }[] {
    return this.operations.map(({ path }, index) => ({
      source: (this.sources[index % this.sources.length] as SourceFile).path,
      copy: path,
    }));
  }
}
