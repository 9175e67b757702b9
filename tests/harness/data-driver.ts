import { spawn } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { type Lab, ROOT } from './lab.js';

export interface DriverAnswer {
  readonly length?: number;
  readonly sha256?: string;
}

interface Line extends DriverAnswer {
  readonly id?: number;
  readonly ready?: true;
  readonly error?: string;
  readonly text?: string;
}

/** What the driver writes for a seed. */
export function contents(seed: number, size: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(size));
}

/** Our client library on a host of the lab (tests/interop/data-driver.mjs), told what to do from here. */
export class DataDriver {
  private readonly waiting = new Map<number, { resolve: (line: Line) => void; reject: (error: Error) => void }>();
  private readonly child;
  private readonly ready: Promise<void>;
  private lastId = 0;
  private log = '';

  constructor(lab: Lab, host: string, master: string) {
    this.child = spawn(
      'nsenter',
      [
        `--net=/var/run/netns/${lab.namespace(host)}`,
        process.execPath,
        join(ROOT, 'tests/interop/data-driver.mjs'),
        master,
      ],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    this.child.stdin.on('error', () => undefined);
    this.child.stderr.on('data', (chunk: Buffer) => (this.log += chunk.toString()));
    this.ready = new Promise((resolve, reject) => {
      this.child.once('exit', (code) => {
        const error = new Error(`data driver ended (code ${code})\n${this.log}`);
        reject(error);
        for (const one of this.waiting.values()) one.reject(error);
      });
      createInterface({ input: this.child.stdout }).on('line', (text) => {
        const line = JSON.parse(text) as Line;
        if (line.ready) return resolve();
        const one = this.waiting.get(line.id ?? -1);
        this.waiting.delete(line.id ?? -1);
        if (line.error === undefined) one?.resolve(line);
        else one?.reject(Object.assign(new Error(line.text), { code: line.error }));
      });
    });
  }

  async do(action: string, name: string, parameters: Readonly<Record<string, number>> = {}): Promise<DriverAnswer> {
    await this.ready;
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.child.stdin.write(`${JSON.stringify({ id, do: action, name, ...parameters })}\n`);
    });
  }

  get output(): string {
    return this.log;
  }

  /** Flushes everything, ends the session and waits for the process to end. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin.end();
    await ended;
  }
}
