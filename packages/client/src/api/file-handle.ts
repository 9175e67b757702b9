import { Readable, Writable } from 'node:stream';

import { TRUNCATE_FLAG_OPENED, TRUNCATE_FLAG_RESERVE, TRUNCATE_FLAG_UPDATE } from '@wapiti-fs/protocol';

import type { MfsClient } from '../client/client.js';
import type { AttributeChange, Caller } from '../client/types.js';
import type { InodeData } from '../data/data.js';
import { MfsError } from '../errors.js';
import type { OpenMode } from './flags.js';
import { Stats } from './stats.js';

/** Pieces in which whole files are read and streamed. */
export const PIECE_BYTES = 1024 * 1024;

export interface ReadStreamOptions {
  readonly start?: number | undefined;
  /** Last byte, included. */
  readonly end?: number | undefined;
  readonly highWaterMark?: number | undefined;
  /** Closes the handle when the stream ends. Default true. */
  readonly autoClose?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WriteStreamOptions {
  readonly start?: number | undefined;
  readonly highWaterMark?: number | undefined;
  readonly autoClose?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An open file, as `fs/promises.FileHandle`. What was written is safe after {@link sync} or {@link close}. */
export class FileHandle implements AsyncDisposable {
  private position = 0;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly client: MfsClient,
    private readonly data: InodeData,
    private readonly caller: Caller,
    private readonly mode: OpenMode,
    /** For error messages. */
    readonly path: string,
  ) {}

  get inode(): number {
    return this.data.inode;
  }

  /**
   * Reads into `buffer` from `position`, or where the last read without a position ended. `bytesRead` is less than `length` at the
   * end of the file only.
   */
  async read<T extends Uint8Array>(
    buffer: T,
    offset = 0,
    length = buffer.byteLength - offset,
    position: number | null = null,
  ): Promise<{ readonly bytesRead: number; readonly buffer: T }> {
    let bytesRead = 0;
    for (const piece of await this.pieces(position ?? this.position, length)) {
      buffer.set(piece, offset + bytesRead);
      bytesRead += piece.length;
    }
    if (position === null) this.position += bytesRead;
    return { bytesRead, buffer };
  }

  /** Writes at `position`, or where the last write without a position ended; in append mode at the end. */
  async write(
    data: Uint8Array | string,
    offset = 0,
    length?: number,
    position: number | null = null,
  ): Promise<{ readonly bytesWritten: number }> {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    // The engine keeps what it is given, while the caller may use its buffer again.
    const copy = Buffer.from(bytes.subarray(offset, length === undefined ? undefined : offset + length));
    await this.writeOwned(copy, position);
    return { bytesWritten: copy.length };
  }

  /** As {@link write} without a copy: `data` must not be changed any more. */
  async writeOwned(data: Buffer, position: number | null = null): Promise<void> {
    this.check(this.mode.write, 'write');
    let at = position ?? this.position;
    if (this.mode.append) at = await this.reserve(data.length);
    await this.data.write(at, data, { superuser: this.caller.uid === 0 });
    this.client.session.times.modified(this.inode, this.client.session.masterNowS());
    if (position === null) this.position = at + data.length;
  }

  /** The rest of the file from the current position on. */
  async readFile(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (;;) {
      const some = await this.pieces(this.position, PIECE_BYTES, options.signal);
      const sizeBytes = some.reduce((sum, piece) => sum + piece.length, 0);
      if (sizeBytes === 0) break;
      this.position += sizeBytes;
      pieces.push(...some);
    }
    return Buffer.concat(pieces);
  }

  /** Writes everything from the current position on. */
  async writeFile(
    data: Uint8Array | string | AsyncIterable<Uint8Array | string>,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    if (typeof data === 'string' || data instanceof Uint8Array) {
      const bytes = typeof data === 'string' ? Buffer.from(data) : data;
      for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
        options.signal?.throwIfAborted();
        await this.write(bytes, from, Math.min(PIECE_BYTES, bytes.length - from));
      }
      return;
    }
    for await (const piece of data) {
      options.signal?.throwIfAborted();
      await this.write(piece);
    }
  }

  async truncate(length = 0): Promise<void> {
    this.check(this.mode.write, 'truncate');
    await this.data.truncate(async () => {
      const { attributes } = await this.client.truncate(this.caller, this.inode, length, TRUNCATE_FLAG_OPENED);
      return attributes.length;
    });
  }

  /** Resolves when all that was written is on the chunkservers and the master knows the length; rejects if that failed. */
  async sync(): Promise<void> {
    this.check(true, 'sync');
    await this.data.flush();
  }

  datasync(): Promise<void> {
    return this.sync();
  }

  async stat(): Promise<Stats> {
    const attributes = await this.client.getattr(this.caller, this.inode);
    return new Stats(this.inode, attributes, this.data.dirty ? this.data.length : attributes.length);
  }

  chmod(mode: number): Promise<void> {
    return this.change({ mode });
  }

  chown(uid: number, gid: number): Promise<void> {
    return this.change({ uid, gid });
  }

  /** Flushes and closes; rejects when something written could not be stored. */
  close(): Promise<void> {
    this.closing ??= this.data.close().finally(() => this.client.release(this.inode));
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  createReadStream(options: ReadStreamOptions = {}): Readable {
    const { start, end = Infinity, highWaterMark = PIECE_BYTES, autoClose = true, signal } = options;
    let at = start ?? this.position;
    const next = async (): Promise<void> => {
      try {
        const pieces = await this.pieces(at, Math.min(highWaterMark, end + 1 - at), signal);
        if (pieces.length === 0) return void stream.push(null);
        for (const piece of pieces) {
          at += piece.length;
          stream.push(piece);
        }
      } catch (error) {
        stream.destroy(error as Error);
      }
    };
    const stream = new Readable({
      highWaterMark,
      ...(signal === undefined ? {} : { signal }),
      read: () => void next(),
      destroy: (error, callback) => void this.finish(autoClose, error, callback),
    });
    return stream;
  }

  createWriteStream(options: WriteStreamOptions = {}): Writable {
    const { start, highWaterMark = PIECE_BYTES, autoClose = true, signal } = options;
    let at = start ?? this.position;
    const write = async (chunk: Buffer): Promise<void> => {
      await this.write(chunk, 0, chunk.length, at);
      at += chunk.length;
    };
    return new Writable({
      highWaterMark,
      ...(signal === undefined ? {} : { signal }),
      write: (chunk: Buffer, _encoding, callback) => void write(chunk).then(() => callback(), callback),
      final: (callback) => void this.sync().then(() => callback(), callback),
      destroy: (error, callback) => void this.finish(autoClose, error, callback),
    });
  }

  private async finish(close: boolean, error: Error | null, callback: (error?: Error | null) => void): Promise<void> {
    try {
      if (close) await this.close();
      callback(error);
    } catch (closeError) {
      callback(error ?? (closeError as Error));
    }
  }

  private async pieces(position: number, sizeBytes: number, signal?: AbortSignal): Promise<Buffer[]> {
    this.check(this.mode.read, 'read');
    if (sizeBytes <= 0) return [];
    this.client.session.times.accessed(this.inode, this.client.session.masterNowS());
    return this.data.read(position, sizeBytes, signal);
  }

  /** Where `sizeBytes` bytes are to be appended, so that appenders on different machines do not overwrite each other. */
  private async reserve(sizeBytes: number): Promise<number> {
    const flags = TRUNCATE_FLAG_OPENED | TRUNCATE_FLAG_UPDATE | TRUNCATE_FLAG_RESERVE;
    const { prevLength } = await this.client.truncate(this.caller, this.inode, sizeBytes, flags);
    return prevLength;
  }

  private async change(change: AttributeChange): Promise<void> {
    this.check(true, 'setattr');
    await this.client.setattr(this.caller, this.inode, change);
  }

  private check(allowed: boolean, operation: string): void {
    if (this.closing !== undefined) throw new MfsError('file closed', { code: 'EBADF', operation, path: this.path });
    if (!allowed) throw new MfsError(`file not opened for ${operation}`, { code: 'EBADF', operation, path: this.path });
  }
}
