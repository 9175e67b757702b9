import { SingleBar } from 'cli-progress';

import { type RemoteOptions, withRemote } from '../remote.js';
import { EXIT, sizeText, type Terminal } from '../terminal.js';
import { localSide, remoteSide, transfer, type TransferEvents } from '../transfer.js';

export interface CopyOptions extends RemoteOptions {
  readonly recursive?: boolean;
  readonly preserve?: boolean;
  readonly quiet?: boolean;
}

/** `wapiti put` and `wapiti get`. */
export function copy(
  direction: 'put' | 'get',
  sources: readonly string[],
  target: string,
  options: CopyOptions,
  terminal: Terminal,
): Promise<number> {
  return withRemote(options, terminal, async (fs) => {
    const progress = new Progress(terminal, options.quiet ?? false);
    const [from, to] = direction === 'put' ? [localSide(), remoteSide(fs)] : [remoteSide(fs), localSide()];
    const { recursive, preserve } = options;
    let ok: boolean;
    try {
      ok = await transfer(from, to, sources, target, { recursive, preserve, signal: terminal.signal }, progress);
    } finally {
      progress.end();
    }
    if (!options.quiet) terminal.err(progress.summary());
    return ok ? EXIT.ok : EXIT.failed;
  });
}

class Progress implements TransferEvents {
  private readonly bar: SingleBar | undefined;
  private readonly startedMs = performance.now();
  private total = 0;
  private bytes = 0;
  private files = 0;

  constructor(
    private readonly terminal: Terminal,
    quiet: boolean,
  ) {
    if (quiet || !terminal.interactive) return;
    this.bar = new SingleBar({
      format: ' {bar} {percentage}% | {done} of {all} | {rate}/s | {files} files',
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
    });
    this.bar.start(0, 0, this.texts());
  }

  found(bytes: number): void {
    this.total += bytes;
    this.bar?.setTotal(this.total);
  }

  copied(bytes: number): void {
    this.bytes += bytes;
    this.bar?.update(this.bytes, this.texts());
  }

  done(_path: string): void {
    this.files++;
  }

  failed(path: string, error: Error): void {
    this.terminal.err(`wapiti: ${path}: ${error.message}`);
  }

  end(): void {
    this.bar?.stop();
  }

  summary(): string {
    const seconds = (performance.now() - this.startedMs) / 1000;
    return `${this.files} files, ${sizeText(this.bytes)} in ${seconds.toFixed(1)} s (${this.texts().rate}/s)`;
  }

  private texts(): { done: string; all: string; rate: string; files: number } {
    const seconds = Math.max((performance.now() - this.startedMs) / 1000, 0.001);
    return {
      done: sizeText(this.bytes),
      all: sizeText(this.total),
      rate: sizeText(this.bytes / seconds),
      files: this.files,
    };
  }
}
