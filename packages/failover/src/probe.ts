import { ANTOAN_GET_VERSION, ANTOAN_VERSION, type Frame, MATOCL_MAXPACKETSIZE, versionText } from '@wapiti-fs/protocol';
import type { Clock, FramedConnection, Network } from '@wapiti-fs/runtime';

export type ProbeResult =
  | { readonly alive: true; readonly version: string; readonly tookMs: number }
  | {
      readonly alive: false;
      readonly reason: string;
      /** Nobody listens: no second try is needed. */
      readonly certain: boolean;
      /** Somebody accepted the connection, so a host has the address and something listens there. */
      readonly connected: boolean;
      /** The time for an answer ran out. */
      readonly silent: boolean;
    };

const CLOSED_RETRY_MS = 20;

export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

/**
 * Asks a master for its version, which it answers from its main loop in any state (spec 11 §2): a master that hangs, is
 * stopped or has not loaded its metadata does not answer in time (spec 14 §6). Never rejects.
 */
export async function probeMaster(network: Network, clock: Clock, target: ProbeTarget): Promise<ProbeResult> {
  const started = clock.monotonicMs();
  let connection: FramedConnection;
  try {
    connection = await network.connect({
      host: target.host,
      port: target.port,
      limit: MATOCL_MAXPACKETSIZE,
      connectTimeoutMs: target.timeoutMs,
    });
  } catch (error) {
    const code = (error as { code?: string }).code;
    return {
      alive: false,
      reason: (error as Error).message,
      certain: code === 'ECONNREFUSED',
      connected: false,
      silent: false,
    };
  }
  return new Promise((resolve) => {
    const timer = clock.after(target.timeoutMs, () =>
      finish({
        alive: false,
        reason: `no answer within ${target.timeoutMs} ms`,
        certain: false,
        connected: true,
        silent: true,
      }),
    );
    const finish = (result: ProbeResult): void => {
      timer.cancel();
      resolve(result);
      connection.destroy();
    };
    connection.setHandlers({
      frame: (frame: Frame) => {
        if (frame.type !== ANTOAN_VERSION.type) return; // NOPs may come first
        try {
          finish({
            alive: true,
            version: versionText(ANTOAN_VERSION.decode(frame.payload).version),
            tookMs: clock.monotonicMs() - started,
          });
        } catch (error) {
          finish({ alive: false, reason: (error as Error).message, certain: false, connected: true, silent: false });
        }
      },
      close: (error) =>
        finish({
          alive: false,
          reason: error?.message ?? 'connection closed',
          certain: false,
          connected: true,
          silent: false,
        }),
    });
    connection.send(ANTOAN_GET_VERSION.encode({ variant: 'plain' }));
  });
}

/**
 * Watches a master: probes it at intervals, and holds a connection between the probes so that the death of the process
 * is seen at once. Reports `up` and `down` as they change.
 */
export class MasterWatch {
  private failures = 0;
  private stopped = false;
  private held: FramedConnection | undefined;
  private wake: (() => void) | undefined;
  private state: 'unknown' | 'up' | 'down' = 'unknown';

  constructor(
    private readonly network: Network,
    private readonly clock: Clock,
    private readonly target: ProbeTarget & { readonly intervalMs: number; readonly fall: number },
    private readonly report: (state: 'up' | 'down', reason: string, hangs: boolean) => void,
  ) {}

  /** Runs until {@link stop}. */
  async run(): Promise<void> {
    while (!this.stopped) {
      const result = await probeMaster(this.network, this.clock, this.target);
      if (this.stopped) break;
      if (result.alive) {
        this.failures = 0;
        this.change('up', `version ${result.version}`, false);
        await this.hold();
      } else {
        this.failures += 1;
        if (result.certain || this.failures >= this.target.fall) this.change('down', result.reason, !result.certain);
      }
      await this.sleep(this.pauseMs(result));
    }
  }

  private pauseMs(result: ProbeResult): number {
    // a dying process closes its connections before the port: look again instead of waiting for the next turn
    const closed = !result.alive && result.connected && !result.silent;
    return closed ? Math.min(CLOSED_RETRY_MS, this.target.intervalMs) : this.target.intervalMs;
  }

  stop(): void {
    this.stopped = true;
    this.held?.destroy();
    this.wake?.();
  }

  private change(state: 'up' | 'down', reason: string, hangs: boolean): void {
    if (this.state === state) return;
    this.state = state;
    this.report(state, reason, hangs);
  }

  private async hold(): Promise<void> {
    if (this.held !== undefined && !this.held.closed) return;
    try {
      const connection = await this.network.connect({
        host: this.target.host,
        port: this.target.port,
        limit: MATOCL_MAXPACKETSIZE,
        connectTimeoutMs: this.target.timeoutMs,
      });
      this.held = connection;
      // the master drops an idle connection after 10 s; asking keeps it and makes it prove itself
      const ask = this.clock.every(this.target.intervalMs, () =>
        connection.send(ANTOAN_GET_VERSION.encode({ variant: 'plain' })),
      );
      connection.setHandlers({
        frame: () => undefined,
        close: () => {
          ask.cancel();
          this.wake?.();
        },
      });
      if (this.stopped) connection.destroy();
    } catch {
      // the next probe says what is wrong
    }
  }

  private sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.stopped) return resolve();
      const done = (): void => {
        timer.cancel();
        this.wake = undefined;
        resolve();
      };
      const timer = this.clock.after(delayMs, done);
      this.wake = done;
    });
  }
}
