import {
  ANTOMA_DOWNLOAD_END,
  ANTOMA_DOWNLOAD_REQUEST,
  ANTOMA_DOWNLOAD_START,
  ANTOMA_REGISTER,
  type Frame,
  MATOAN_DOWNLOAD_INFO,
  MATOAN_METACHANGES_LOG,
  NOP_FRAME,
  ProtocolError,
} from '@wapiti-fs/protocol';
import { DiskError, type FramedConnection, type Logger, takeGeneric } from '@wapiti-fs/runtime';

import type { ChangeHistory } from './history.js';
import { OfferedFiles } from './offered-files.js';
import type { MetaloggerService } from './service.js';

const LEAST_TIMEOUT_S = 3;
const ADVISED_TIMEOUT_S = 10;
/** Changes sent at once to a peer that catches up. */
const CATCH_UP_CHANGES = 10_000;
/** With more than so much on its way a peer is left to catch up from memory at its own pace. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
/** Download requests that may wait; reading pauses above. */
const MAX_WAITING_REQUESTS = 16;

const ROTATE_FRAME = MATOAN_METACHANGES_LOG.encode({ variant: 'rotate', marker: 0x55 });
const NO_FILE_FRAME = MATOAN_DOWNLOAD_INFO.encode({ variant: 'status', status: 0xff });

/** `catching-up`: gets remembered changes as fast as it takes them; `live`: gets each as it is made. */
type Stream = 'none' | 'catching-up' | 'live';

/** One connection on port 9419 (spec 06 §4). */
export class MetaloggerConnection {
  private stream: Stream = 'none';
  /** The next change to send. */
  private next = 0;
  private readonly files: OfferedFiles;
  private waiting = 0;
  private work: Promise<void> = Promise.resolve();
  private readonly whenTaken: (() => void)[] = [];
  /** Version word of the peer, 0 until it has registered. */
  version = 0;

  constructor(
    private readonly service: MetaloggerService,
    private readonly connection: FramedConnection,
    private readonly history: ChangeHistory,
    private readonly log: Logger,
  ) {
    this.files = new OfferedFiles(service.disk, service.folder, () => service.rotations);
    connection.setHandlers({
      frame: (frame) => this.receive(frame),
      drain: () => this.drain(),
      close: (error) => this.closed(error),
    });
  }

  get registered(): boolean {
    return this.stream !== 'none';
  }

  get remoteAddress(): string {
    return this.connection.remoteAddress;
  }

  /** Changes made and not yet handed to the connection. */
  get behind(): number {
    return this.registered ? this.history.nextVersion - this.next : 0;
  }

  /** Sends what is queued, then closes. */
  end(): void {
    this.connection.end();
  }

  /** New changes are in the history. */
  send(): void {
    if (this.stream === 'live') this.catchUp(Infinity);
  }

  /** Resolves when the kernel has what a peer was sent that is not behind: a killed process does not take it along. */
  taken(): Promise<void> | undefined {
    return this.stream === 'live' && this.connection.queuedBytes > 0 ? this.queueTaken() : undefined;
  }

  rotate(): void {
    if (this.registered) this.connection.send(ROTATE_FRAME);
  }

  private get name(): string {
    const state = { none: 'UNKNOWN', 'catching-up': 'METALOGGER-DELAYED', live: 'METALOGGER-SYNC' }[this.stream];
    return `${state}(${this.connection.remoteAddress})`;
  }

  private receive(frame: Frame): void {
    try {
      this.handle(frame);
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    if (!(error instanceof ProtocolError) && !(error instanceof DiskError)) throw error;
    if (this.connection.closed) return;
    this.log.warn(`${this.name}: ${error.message}`);
    this.connection.destroy(error);
  }

  private handle(frame: Frame): void {
    if (takeGeneric(this.connection, frame, this.service.configValue)) return;
    const { type, payload } = frame;
    switch (type) {
      case ANTOMA_REGISTER.type:
        return this.register(payload);
      case ANTOMA_DOWNLOAD_START.type: {
        const { filenum } = ANTOMA_DOWNLOAD_START.decode(payload);
        return this.later(async () => {
          const size = await this.files.start(filenum);
          return size === undefined ? [NO_FILE_FRAME] : [MATOAN_DOWNLOAD_INFO.encode({ variant: 'size', size })];
        });
      }
      case ANTOMA_DOWNLOAD_REQUEST.type: {
        const { offset, length } = ANTOMA_DOWNLOAD_REQUEST.decode(payload);
        return this.later(() => this.files.block(offset, length));
      }
      case ANTOMA_DOWNLOAD_END.type:
        ANTOMA_DOWNLOAD_END.decode(payload);
        return this.later(async () => {
          await this.files.end();
          return [];
        });
      default:
        throw new ProtocolError(`got unknown message (type:${type})`);
    }
  }

  private register(payload: Buffer): void {
    if (this.registered) throw new ProtocolError('got register message from registered metalogger !!!');
    const message = ANTOMA_REGISTER.decode(payload);
    if (message.timeoutS < ADVISED_TIMEOUT_S)
      this.log.warn(
        `ANTOMA_REGISTER communication timeout too small (${message.timeoutS} seconds - should be at least 10 seconds)`,
      );
    const timeoutMs = Math.max(message.timeoutS, LEAST_TIMEOUT_S) * 1000;
    this.connection.setKeepalive({ nop: NOP_FRAME, nopAfterMs: timeoutMs / 3, idleTimeoutMs: timeoutMs });
    this.version = message.version;
    this.stream = 'live';
    this.next = this.history.nextVersion;
    if (message.variant === 'fresh' || message.firstVersion < this.history.oldestVersion) return;
    if (message.firstVersion >= this.next) return;
    this.next = message.firstVersion;
    this.catchUp(CATCH_UP_CHANGES);
  }

  /** Sends remembered changes until all are sent, the peer is busy with what it has, or `maxChanges` are on their way. */
  private catchUp(maxChanges: number): void {
    this.stream = 'live';
    if (this.next < this.history.oldestVersion) {
      // The peer sees the gap and downloads anew.
      this.log.warn(`${this.name}: changes from ${this.next} on are no longer remembered`);
      this.next = this.history.oldestVersion;
    }
    for (let left = maxChanges; left > 0 && this.connection.queuedBytes <= MAX_QUEUED_BYTES;) {
      const { frames, next } = this.history.framesFrom(this.next, left);
      if (frames.length === 0) return;
      left -= next - this.next;
      this.next = next;
      this.connection.send(frames);
    }
    if (this.next === this.history.nextVersion) return;
    this.stream = 'catching-up';
    // What the kernel took at once brings no event.
    if (this.connection.queuedBytes === 0) setImmediate(() => this.drain());
  }

  private drain(): void {
    for (const resolve of this.whenTaken.splice(0)) resolve();
    if (this.stream === 'catching-up' && !this.connection.closed) this.catchUp(CATCH_UP_CHANGES);
  }

  /** Work on files, one after the other, each answer sent before the next begins. */
  private later(answer: () => Promise<Buffer[]>): void {
    if (++this.waiting > MAX_WAITING_REQUESTS) this.connection.pause();
    this.work = this.work.then(async () => {
      try {
        if (this.connection.closed) return;
        const parts = await answer();
        if (parts.length > 0 && !this.connection.send(...parts)) await this.queueTaken();
      } catch (error) {
        this.fail(error);
      } finally {
        if (--this.waiting === MAX_WAITING_REQUESTS) this.connection.resume();
      }
    });
  }

  private queueTaken(): Promise<void> {
    return new Promise((resolve) => {
      if (this.connection.closed) return resolve();
      this.whenTaken.push(resolve);
    });
  }

  private closed(error: Error | undefined): void {
    const why = error === undefined ? 'has been closed by peer' : `closed: ${error.message}`;
    this.log.notice(`connection with ${this.name} ${why}`);
    this.stream = 'none';
    for (const resolve of this.whenTaken.splice(0)) resolve();
    this.work = this.work.then(() => this.files.close()).catch((e: Error) => this.log.warn(e.message));
    this.service.closed(this);
  }
}
