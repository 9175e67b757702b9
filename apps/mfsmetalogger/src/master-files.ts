import {
  ANTOMA_DOWNLOAD_END,
  ANTOMA_DOWNLOAD_REQUEST,
  ANTOMA_DOWNLOAD_START,
  crc32,
  type Frame,
  MATOAN_DOWNLOAD_DATA,
  MATOAN_DOWNLOAD_INFO,
  ProtocolError,
} from '@wapiti-fs/protocol';
import type { FramedConnection } from '@wapiti-fs/runtime';

import { DownloadError } from './errors.js';

/** Block size of the reference. */
export const BLOCK_BYTES = 1_000_000;
const ATTEMPTS = 6;

/** File numbers of spec 06 §3.4. */
export const FILE_IMAGE = 1;
export const FILE_CHANGELOG_0 = 11;
export const FILE_CHANGELOG_1 = 12;

interface Waiting {
  readonly type: number;
  readonly resolve: (payload: Buffer) => void;
  readonly reject: (error: Error) => void;
}

/** The files a master offers, read block by block with one request at a time (spec 06 §3.4). */
export class MasterFiles {
  private waiting: Waiting | undefined;
  private failure: Error | undefined;

  constructor(private readonly connection: FramedConnection) {}

  /** Takes INFO and DATA; throws a ProtocolError for one that was not asked for. */
  receive(frame: Frame): void {
    const { waiting } = this;
    if (waiting?.type !== frame.type)
      throw new ProtocolError(`unexpected ${frame.type === MATOAN_DOWNLOAD_INFO.type ? 'INFO' : 'DATA'} packet`);
    this.waiting = undefined;
    waiting.resolve(Buffer.from(frame.payload)); // a copy: the payload is a view that does not outlive the call
  }

  /** The connection is gone. */
  closed(error: Error | undefined): void {
    this.failure = new DownloadError('connection lost', error === undefined ? {} : { cause: error });
    this.waiting?.reject(this.failure);
    this.waiting = undefined;
  }

  /** Opens a file; its size, or undefined when the master does not have it now. */
  async open(filenum: number): Promise<number | undefined> {
    const payload = await this.ask(ANTOMA_DOWNLOAD_START.encode({ filenum }), MATOAN_DOWNLOAD_INFO.type);
    const info = MATOAN_DOWNLOAD_INFO.decode(payload);
    return info.variant === 'size' ? info.size : undefined;
  }

  /** Up to `lengthBytes` of the open file. A block with a wrong checksum is asked for again, some times. */
  async read(offset: number, lengthBytes: number): Promise<Buffer> {
    for (let attempt = 1; ; attempt++) {
      const request = ANTOMA_DOWNLOAD_REQUEST.encode({ offset, length: lengthBytes });
      const block = MATOAN_DOWNLOAD_DATA.decode(await this.ask(request, MATOAN_DOWNLOAD_DATA.type));
      if (block.offset !== offset)
        throw new ProtocolError(`unexpected file offset (${block.offset}/${offset})`, 'MATOAN_DOWNLOAD_DATA', 'offset');
      if (block.size > lengthBytes || block.size === 0)
        throw new ProtocolError(`${block.size} bytes, asked for ${lengthBytes}`, 'MATOAN_DOWNLOAD_DATA', 'size');
      if (crc32(block.data) === block.crc) return block.data;
      if (attempt === ATTEMPTS) throw new DownloadError(`data crc error at offset ${offset}, ${ATTEMPTS} times`);
    }
  }

  /** Exactly these bytes of the open file. */
  async readAll(offset: number, lengthBytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let done = 0; done < lengthBytes;) {
      const part = await this.read(offset + done, Math.min(BLOCK_BYTES, lengthBytes - done));
      parts.push(part);
      done += part.length;
    }
    return Buffer.concat(parts);
  }

  /** Closes the open file; nothing is answered. */
  end(): void {
    if (this.failure === undefined) this.connection.send(ANTOMA_DOWNLOAD_END.encode({}));
  }

  private ask(request: Buffer, type: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure);
      if (this.waiting !== undefined) return reject(new Error('a request is under way'));
      this.waiting = { type, resolve, reject };
      this.connection.send(request);
    });
  }
}
