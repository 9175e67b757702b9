/** One READ: a request to a chunkserver and its answer, block by block, each checked before it counts (spec 04 §5). */
import {
  ANTOAN_NOP,
  crc32,
  CSTOCL_READ_DATA,
  CSTOCL_READ_STATUS,
  type Frame,
  messageName,
  MFS_STATUS_OK,
  MFSCHUNKSIZE,
  ProtocolError,
  readU64At,
  statusText,
} from '@wapiti-fs/protocol';
import type { ConnectionHandlers } from '@wapiti-fs/runtime';

import type { ChunkLocation } from './chunk-master.js';
import { checkReadData, READ_DATA_HEAD_BYTES, readFrame } from './frames.js';
import type { ReadRequest } from './read-request.js';
import type { ServerConnection } from './server-connections.js';

export interface ReadOutcome {
  /** Undefined: all bytes are there (or nobody wants them any more and `clean` is false). */
  readonly error: Error | undefined;
  readonly status: number | undefined;
  /** The connection can be used again. */
  readonly clean: boolean;
}

export class ReadSession implements ConnectionHandlers {
  private resolve: ((outcome: ReadOutcome) => void) | undefined;
  private readonly base: number;

  constructor(
    private readonly server: ServerConnection,
    private readonly location: ChunkLocation,
    private readonly request: ReadRequest,
  ) {
    this.base = request.start % MFSCHUNKSIZE;
  }

  /** Asks for what the request still lacks. */
  run(): Promise<ReadOutcome> {
    return new Promise((resolve) => {
      this.resolve = resolve;
      const { filled, buffer } = this.request;
      this.server.use(this);
      const { chunkId, version } = this.location;
      this.server.connection.send(readFrame(chunkId, version, this.base + filled, buffer.length - filled));
    });
  }

  frame({ type, payload }: Frame): void {
    if (this.resolve === undefined || type === ANTOAN_NOP.type) return;
    try {
      this.take(type, payload);
    } catch (error) {
      this.finish({ error: error as Error, status: undefined, clean: false });
    }
  }

  close(error?: Error): void {
    this.finish({ error: error ?? new Error('closed by the chunkserver'), status: undefined, clean: false });
  }

  private take(type: number, payload: Buffer): void {
    const { request } = this;
    if (type === CSTOCL_READ_DATA.type) {
      const sizeBytes = checkReadData(payload, this.location.chunkId, this.base + request.filled);
      if (sizeBytes > request.buffer.length - request.filled)
        throw new ProtocolError(`more data than asked for`, CSTOCL_READ_DATA.name, 'size');
      const data = payload.subarray(READ_DATA_HEAD_BYTES);
      const crc = payload.readUInt32BE(16);
      if (crc32(data) !== crc) throw new ProtocolError('wrong checksum', CSTOCL_READ_DATA.name, 'crc');
      data.copy(request.buffer, request.filled);
      request.advance(sizeBytes);
      // The rest of a long answer that nobody wants costs more than a new connection.
      if (request.unwanted && !request.complete) this.finish({ error: undefined, status: undefined, clean: false });
      return;
    }
    if (type !== CSTOCL_READ_STATUS.type)
      throw new ProtocolError(`unexpected ${messageName(type, 'client')} in the answer to a READ`);
    if (payload.length !== 9) throw new ProtocolError(`${payload.length} bytes`, CSTOCL_READ_STATUS.name);
    if (readU64At(payload, 0) !== this.location.chunkId)
      throw new ProtocolError(`${readU64At(payload, 0)}`, CSTOCL_READ_STATUS.name, 'chunkId');
    const status = payload.readUInt8(8);
    if (status !== MFS_STATUS_OK) return this.finish({ error: new Error(statusText(status)), status, clean: true });
    if (!request.complete) throw new ProtocolError('end of the answer before the end of the data');
    this.finish({ error: undefined, status: undefined, clean: true });
  }

  private finish(outcome: ReadOutcome): void {
    const { resolve } = this;
    this.resolve = undefined;
    resolve?.(outcome);
  }
}
