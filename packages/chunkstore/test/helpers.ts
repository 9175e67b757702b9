import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Clock, Logger } from '@wapiti-fs/runtime';

import {
  ChunkStore,
  type FolderLine,
  nodeStoreFs,
  parseHddConfig,
  type StoreEvents,
  type StoreFs,
  type StoreOptions,
} from '../src/index.js';

export class RecordedEvents implements StoreEvents {
  readonly lines: string[] = [];
  chunkNew(id: number, version: number): void {
    this.lines.push(`new ${id} ${version.toString(16)}`);
  }
  chunkLost(id: number): void {
    this.lines.push(`lost ${id}`);
  }
  chunkDamaged(id: number): void {
    this.lines.push(`damaged ${id}`);
  }
  errorOccurred(): void {
    this.lines.push('error');
  }
  take(): string[] {
    return this.lines.splice(0);
  }
}

/** A clock that stands still until told; `run` fires the periodic timers once. */
export class HandClock implements Clock {
  ms = 1_000_000;
  readonly periodic = new Set<() => void>();
  nowMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
  after(): { cancel(): void } {
    return { cancel: () => undefined };
  }
  every(_periodMs: number, callback: () => void): { cancel(): void } {
    this.periodic.add(callback);
    return { cancel: () => this.periodic.delete(callback) };
  }
}

export class LinesLogger implements Logger {
  readonly lines: string[] = [];
  error = (text: string): void => void this.lines.push(text);
  warn = this.error;
  notice = this.error;
  info = this.error;
  debug = (): void => undefined;
  child(): Logger {
    return this;
  }
}

/** Passes calls on; single ones can be made to fail. */
export function faultyFs(faults: Partial<StoreFs>): StoreFs {
  return { ...nodeStoreFs, ...faults };
}

export function fault(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: injected`), { code });
}

export class Bench {
  readonly dir = mkdtempSync(join(tmpdir(), 'chunkstore-'));
  readonly events = new RecordedEvents();
  readonly clock = new HandClock();
  readonly log = new LinesLogger();
  private readonly stores: ChunkStore[] = [];

  folder(name: string): string {
    const path = join(this.dir, name);
    mkdirSync(path, { recursive: true });
    return `${path}/`;
  }

  lines(...text: string[]): FolderLine[] {
    return parseHddConfig(text.join('\n')).folders;
  }

  async open(lines: FolderLine[], options: Partial<StoreOptions> = {}): Promise<ChunkStore> {
    const store = await ChunkStore.open({
      folders: lines,
      clock: this.clock,
      log: this.log,
      lockFile: () => undefined,
      events: this.events,
      ...options,
      rules: { leaveFreeBytes: 0, ...options.rules },
    });
    this.stores.push(store);
    await store.scansDone();
    return store;
  }

  /** Names of the chunk files of a folder. */
  files(folder: string): string[] {
    return readdirSync(folder)
      .filter((name) => /^[0-9A-F]{2}$/.test(name))
      .flatMap((name) => readdirSync(folder + name).map((file) => `${name}/${file}`));
  }

  async close(): Promise<void> {
    for (const store of this.stores) await store.close().catch(() => undefined);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
