/**
 * Reading one file: cuts reads into requests, reads ahead of sequential readers, keeps what was read ahead until it is used or
 * not true any more.
 *
 * Invariant: data of a request in the list include everything acknowledged before the request was put there, and nothing has been
 * acknowledged over it since. A read that has begun may go on using a request that has left the list.
 */
import { MFSCHUNKSIZE } from '@wapiti-fs/protocol';

import { fillRequest, type ReaderFile } from './chunk-reader.js';
import type { EngineParts } from './engine-parts.js';
import { ReadAhead } from './read-ahead.js';
import { ReadRequest } from './read-request.js';

const MIN_AHEAD_REQUEST_BYTES = 512 * 1024;
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
const UNUSED_MS = 30_000;

export class FileReader {
  /** By start, not overlapping. */
  private requests: ReadRequest[] = [];
  private readonly ahead: ReadAhead;

  constructor(
    private readonly parts: EngineParts,
    private readonly file: ReaderFile,
  ) {
    this.ahead = new ReadAhead(parts.readAheadWindowBytes);
  }

  /** The bytes of a range that lies before the end of the file (`length`). */
  async read(offset: number, end: number, length: number, signal?: AbortSignal): Promise<Buffer[]> {
    const nowMs = this.parts.clock.monotonicMs();
    const aheadBytes = this.ahead.note(offset, end);
    const stepBytes = Math.min(Math.max(MIN_AHEAD_REQUEST_BYTES, Math.ceil(aheadBytes / 2)), MAX_REQUEST_BYTES);
    const used: ReadRequest[] = [];
    const waits: Promise<void>[] = [];
    for (let at = offset; at < end;) {
      const limit = aheadBytes === 0 ? end : Math.max(end, Math.min(length, at + stepBytes));
      const request = this.covering(at) ?? this.start(at, limit);
      request.lastUsedMs = nowMs;
      used.push(request);
      // At once, also for the later ones: a request that is dropped goes on only while somebody waits for it.
      const wait = request.until(Math.min(request.end, end), signal);
      if (wait !== undefined) waits.push(wait);
      at = request.end;
    }
    if (aheadBytes > 0) this.readAhead(end, Math.min(length, end + aheadBytes), stepBytes, length);
    if (waits.length > 0) await Promise.all(waits);
    const pieces: Buffer[] = [];
    let at = offset;
    for (const request of used) {
      const stop = Math.min(request.end, end);
      pieces.push(request.buffer.subarray(at - request.start, stop - request.start));
      at = stop;
    }
    this.dropPassed();
    return pieces;
  }

  /** A range of the file has other contents now. */
  invalidate(from: number, to: number): void {
    if (this.requests.length > 0) this.keep(({ start, end }) => end <= from || start >= to);
  }

  /** Gives back what nobody has used for a while. */
  sweep(nowMs: number): void {
    this.keep(({ lastUsedMs }) => nowMs - lastUsedMs < UNUSED_MS);
  }

  private readAhead(from: number, to: number, stepBytes: number, length: number): void {
    const { readAhead } = this.parts;
    for (let at = from; at < to && readAhead.usedBytes < readAhead.limitBytes;) {
      const request = this.covering(at);
      if (request !== undefined) {
        at = request.end;
        continue;
      }
      // Whole steps only, but for the end of the file.
      if (to - at < stepBytes && to < length) return;
      at = this.start(at, Math.min(length, at + stepBytes)).end;
    }
  }

  private covering(at: number): ReadRequest | undefined {
    for (const one of this.requests) {
      if (one.start > at) return undefined;
      if (at < one.end && !one.failed) return one;
    }
    return undefined;
  }

  /** Begins a request at `start`, up to `limit`, the next request or the end of the chunk. */
  private start(start: number, limit: number): ReadRequest {
    const chunkEnd = (Math.floor(start / MFSCHUNKSIZE) + 1) * MFSCHUNKSIZE;
    let end = Math.min(limit, chunkEnd, start + MAX_REQUEST_BYTES);
    if (this.requests.some((one) => one.failed)) this.keep((one) => !one.failed);
    let at = this.requests.findIndex((one) => one.start > start);
    if (at < 0) at = this.requests.length;
    else end = Math.min(end, (this.requests[at] as ReadRequest).start);
    const request = new ReadRequest(start, end);
    request.lastUsedMs = this.parts.clock.monotonicMs();
    this.requests.splice(at, 0, request);
    this.parts.readAhead.usedBytes += request.buffer.length;
    void fillRequest(this.parts, this.file, request);
    return request;
  }

  private dropPassed(): void {
    this.keep((one) => !one.complete || !this.ahead.passed(one.start, one.end));
  }

  private keep(wanted: (one: ReadRequest) => boolean): void {
    let dropped = false;
    for (const one of this.requests) {
      if (wanted(one)) continue;
      one.dropped = dropped = true;
      this.parts.readAhead.usedBytes -= one.buffer.length;
    }
    if (dropped) this.requests = this.requests.filter((one) => !one.dropped);
  }
}
