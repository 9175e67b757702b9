import { type ChildProcess, spawn } from 'node:child_process';

import type { Clock, Timer } from '@wapiti-fs/runtime';

import { keepNiceLevel } from './command.js';
import { type InterfaceState, readInterface } from './virtual-ip.js';

/** Should a message of the kernel be lost; and while the interface is not usable. */
const POLL_MS = 10_000;
const POLL_DOWN_MS = 250;
const RESTART_MS = 1000;
const ABSENT = /does not exist|Cannot find device|not found/;

/**
 * Reports the state of an interface at every change (spec 14 §5): the kernel's messages come through `ip monitor`.
 * `undefined`: the interface is not there.
 */
export class InterfaceWatch {
  private monitor: ChildProcess | undefined;
  private readonly poll: Timer;
  private restart: Timer | undefined;
  private downPoll: Timer | undefined;
  private stopped = false;
  private reading = false;
  private again = false;

  constructor(
    private readonly name: string,
    private readonly clock: Clock,
    /** Texts of lines that say nothing new, such as of addresses that are prolonged all the time. */
    private readonly ignored: readonly string[],
    private readonly report: (state: InterfaceState | undefined) => void,
  ) {
    this.poll = clock.every(POLL_MS, () => void this.read());
    this.listen();
  }

  stop(): void {
    this.stopped = true;
    this.poll.cancel();
    this.restart?.cancel();
    this.downPoll?.cancel();
    this.monitor?.kill('SIGKILL');
  }

  private listen(): void {
    if (this.stopped) return;
    // ends with the agent, however that ends
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'ip', '-o', 'monitor', 'link', 'address'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.monitor = child;
    keepNiceLevel(child.pid);
    child.stdout.on('data', (text: Buffer) => {
      const news = text
        .toString()
        .split('\n')
        .some((line) => line !== '' && !this.ignored.some((one) => line.includes(one)));
      if (news) void this.read();
    });
    child.on('error', () => undefined);
    child.once('close', () => {
      if (!this.stopped) this.restart = this.clock.after(RESTART_MS, () => this.listen());
    });
    void this.read();
  }

  private async read(): Promise<void> {
    if (this.reading) {
      this.again = true;
      return;
    }
    this.reading = true;
    do {
      this.again = false;
      const state = await readInterface(this.name).catch((error: Error) =>
        // not to have been told (a program killed after a stall) says nothing about the interface
        ABSENT.test(error.message) ? undefined : ('unknown' as const),
      );
      if (this.stopped) return;
      if (state !== 'unknown') this.report(state);
      this.downPoll?.cancel();
      if (state === undefined || state === 'unknown' || !state.up)
        this.downPoll = this.clock.after(POLL_DOWN_MS, () => void this.read());
    } while (this.again && !this.stopped);
    this.reading = false;
  }
}
