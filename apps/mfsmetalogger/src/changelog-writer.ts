import { join } from 'node:path';

import type { Disk, DiskFile, Logger } from '@wapiti-fs/runtime';

import { extentOf, renameIfThere } from './lines.js';

const ROTATE = Symbol('rotate');

interface Line {
  readonly version: number;
  readonly bytes: Buffer;
}

/** `changelog_ml.N.mfs` in the data folder. */
export function changelogName(index: number): string {
  return `changelog_ml.${index}.mfs`;
}

/**
 * The followed changelog, `changelog_ml.0.mfs` and its older generations (spec 06 §5.4). Lines are written in the order of their
 * arrival, as many as have come with one call, whole lines only. A line that could not be written is dropped together with all
 * behind it, and the file is cut to its last whole line before anything else is written to it.
 */
export class ChangelogWriter {
  private readonly queue: (Line | typeof ROTATE)[] = [];
  private running: Promise<void> | undefined;
  private file: DiskFile | undefined;
  private positionBytes = 0;
  private unsynced = false;
  /** The name of the file is not on the disk yet. */
  private created = false;
  /** Bytes that wait to be written. */
  queuedBytes = 0;
  /** Number of the last change that the kernel has. */
  written = 0;

  constructor(
    private readonly disk: Disk,
    private readonly folder: string,
    public backLogs: number,
    private readonly log: Logger,
    private readonly events: { failed(error: Error): void; drained(): void },
  ) {}

  /** @param text the change without its number, taken over by this call (copied) */
  append(version: number, text: Buffer): void {
    const head = `${version}: `;
    const bytes = Buffer.allocUnsafe(head.length + text.length + 1);
    bytes.write(head, 0, 'latin1');
    text.copy(bytes, head.length);
    bytes[bytes.length - 1] = 10;
    this.queue.push({ version, bytes });
    this.queuedBytes += bytes.length;
    this.work();
  }

  /** What follows goes to a new file. */
  rotate(): void {
    this.queue.push(ROTATE);
    this.work();
  }

  /** Waits until everything that was appended is written (or has failed). */
  async idle(): Promise<void> {
    while (this.running !== undefined) await this.running;
  }

  /** Brings what was written to the disk itself. */
  async sync(): Promise<void> {
    await this.idle();
    if (!this.unsynced || this.file === undefined) return;
    this.unsynced = false;
    const { file, created } = this;
    this.created = false;
    await file.sync();
    if (created) await this.disk.syncDirectory(this.folder);
  }

  async close(): Promise<void> {
    await this.sync();
    await this.closeFile();
  }

  /** Cuts an incomplete last line, left by a crash, from the newest file; nothing else is changed. */
  async repair(): Promise<void> {
    if ((await this.disk.stat(this.path(0))) !== undefined) await this.open();
  }

  private work(): void {
    this.running ??= this.writeAll()
      .catch((error: Error) => this.drop(error))
      .finally(() => {
        this.running = undefined;
        this.events.drained();
      });
  }

  private async writeAll(): Promise<void> {
    for (;;) {
      const first = this.queue[0];
      if (first === undefined) return;
      if (first === ROTATE) {
        await this.rotateFiles();
        this.queue.shift();
        continue;
      }
      const end = this.queue.indexOf(ROTATE);
      const lines = (end < 0 ? this.queue.slice() : this.queue.slice(0, end)) as Line[];
      const file = this.file ?? (await this.open());
      const parts = lines.map((line) => line.bytes);
      const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0);
      this.unsynced = true;
      await file.write(parts, this.positionBytes);
      this.positionBytes += sizeBytes;
      this.queuedBytes -= sizeBytes;
      this.written = lines[lines.length - 1]?.version ?? this.written;
      this.queue.splice(0, lines.length);
    }
  }

  private async drop(error: Error): Promise<void> {
    const lost = this.queue.find((one): one is Line => one !== ROTATE);
    this.queue.length = 0;
    this.queuedBytes = 0;
    this.log.error(`cannot write changes from ${lost?.version ?? 'a rotation'} on: ${error.message}`);
    // The next open cuts what was written in part.
    await this.closeFile().catch(() => undefined);
    this.events.failed(error);
  }

  private path(index: number): string {
    return join(this.folder, changelogName(index));
  }

  private async open(): Promise<DiskFile> {
    await this.closeFile();
    const path = this.path(0);
    const exists = (await this.disk.stat(path)) !== undefined;
    const file = await this.disk.open(path, exists ? 'r+' : 'wx', 0o666);
    try {
      this.positionBytes = exists ? await this.cutTornLine(file) : 0;
    } catch (error) {
      await file.close();
      throw error;
    }
    this.created ||= !exists;
    this.file = file;
    return file;
  }

  /** Size of the file up to its last whole line. */
  private async cutTornLine(file: DiskFile): Promise<number> {
    const { sizeBytes, wholeBytes } = await extentOf(file);
    if (wholeBytes === sizeBytes) return wholeBytes;
    this.log.warn(`${file.path}: incomplete last line of ${sizeBytes - wholeBytes} bytes cut off`);
    await file.truncate(wholeBytes);
    return wholeBytes;
  }

  private async closeFile(): Promise<void> {
    const { file } = this;
    this.file = undefined;
    await file?.close();
  }

  private async rotateFiles(): Promise<void> {
    if (this.unsynced) await this.file?.sync();
    this.unsynced = false;
    await this.closeFile();
    for (let i = this.backLogs; i > 0; i--) await renameIfThere(this.disk, this.path(i - 1), this.path(i));
    await this.disk.syncDirectory(this.folder);
    this.created = false;
  }
}
