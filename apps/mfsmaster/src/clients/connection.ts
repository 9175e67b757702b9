/** One connection on port 9421: a mount, a tool, or a monitoring program (spec 02 §2). */
import type { Ctx } from '@wapiti-fs/metadata';
import {
  CLTOMA_FUSE_AMTIME_INODES,
  CLTOMA_FUSE_REGISTER,
  CLTOMA_FUSE_SUSTAINED_INODES,
  CLTOMA_FUSE_SUSTAINED_INODES_DEPRECATED,
  type Frame,
  messageName,
  MFS_ERROR_IO,
  MFS_ERROR_NOSPACE,
  ProtocolError,
  Writer,
} from '@wapiti-fs/protocol';
import { ApplyError } from '@wapiti-fs/metadata';
import { type FramedConnection, type Logger, takeGeneric } from '@wapiti-fs/runtime';

import { addressNumber } from '../addresses.js';
import { ADMIN_REQUESTS } from '../extensions.js';
import { ChangelogBlockedError } from '../storage/changelog.js';
import { register } from './register.js';
import { MOUNT_REQUESTS, TOOLS_REQUESTS } from './requests/index.js';
import type { ClientService } from './service.js';

/** Requests that have no answer, also when they are refused (spec 02 §12). */
const UNANSWERED: ReadonlySet<number> = new Set([
  CLTOMA_FUSE_SUSTAINED_INODES.type,
  CLTOMA_FUSE_SUSTAINED_INODES_DEPRECATED.type,
  CLTOMA_FUSE_AMTIME_INODES.type,
]);

/** `new`: nothing but registration and monitoring; `tools`: a subset (spec 02 §16). */
export type ClientState = 'new' | 'mount' | 'tools';

export class ClientConnection {
  state: ClientState = 'new';
  sessionId = 0;
  /** VERSION of the client; decides what it is sent unasked. */
  version = 0;
  /** Challenge sent on this connection. */
  random: Buffer | undefined;
  readonly ip: number;
  private orderly = false;

  constructor(
    readonly service: ClientService,
    private readonly connection: FramedConnection,
    private readonly log: Logger,
  ) {
    this.ip = addressNumber(connection.remoteAddress);
    connection.setHandlers({
      frame: (frame) => this.receive(frame),
      close: (error) => this.closed(error),
    });
  }

  /** Address for the log. */
  get name(): string {
    return `${this.connection.remoteAddress}:${this.connection.remotePort}`;
  }

  get open(): boolean {
    return !this.connection.closed;
  }

  /** An answer or notification; leaves when everything recorded so far is safe. */
  send(frame: Buffer): void {
    this.service.master.turn.send(this.connection, frame);
  }

  /** A refusal, which promises nothing: it need not wait for the disk. */
  sendRefusal(frame: Buffer): void {
    if (this.service.master.turn.blocked) this.connection.send(frame);
    else this.send(frame);
  }

  /** Closes after what was sent so far. */
  end(): void {
    this.orderly = true;
    this.service.master.turn.afterFlush(() => this.connection.end());
  }

  destroy(error?: Error): void {
    this.connection.destroy(error);
  }

  setKeepalive(nop: Buffer | undefined, nopAfterMs: number, idleTimeoutMs: number): void {
    this.connection.setKeepalive({ nop, nopAfterMs, idleTimeoutMs });
  }

  /** Caller of a request (spec 02 §5.3). */
  context(uid: number, gids: readonly number[]): Ctx {
    const { sessions, nowS } = this.service.master;
    return sessions.context(this.sessionId, nowS(), uid, gids);
  }

  /** Caller of a request that carries no identity. */
  anonymous(): Ctx {
    return this.context(0, [0]);
  }

  private receive(frame: Frame): void {
    if (this.connection.closed || this.orderly) return;
    try {
      this.handle(frame);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.log.warn('client sent a bad packet', { address: this.name, error: error.message });
      this.connection.destroy(error);
    }
  }

  private handle(frame: Frame): void {
    const { type, payload } = frame;
    if (takeGeneric(this.connection, frame, this.service.master.configValue)) return;
    if (type === CLTOMA_FUSE_REGISTER.type) return register(this, CLTOMA_FUSE_REGISTER.decode(payload));
    const admin = ADMIN_REQUESTS.get(type);
    if (admin !== undefined) return this.answer(type, payload, () => admin(this.service.master, this, frame));
    const requests = this.state === 'mount' ? MOUNT_REQUESTS : this.state === 'tools' ? TOOLS_REQUESTS : undefined;
    const request = requests?.get(type);
    if (request === undefined) {
      throw new ProtocolError(`not allowed on a connection of state '${this.state}'`, messageName(type, 'master'));
    }
    // the session may have been removed meanwhile: the client registers anew
    if (this.service.master.sessions.get(this.sessionId) === undefined) {
      throw new ProtocolError(`session ${this.sessionId} is gone`, messageName(type, 'master'));
    }
    this.answer(type, payload, () => request(this, payload));
  }

  private answer(type: number, payload: Buffer, work: () => Buffer | undefined): void {
    const { changelog, metadata, turn } = this.service.master;
    const before = metadata.store.version;
    let frame: Buffer | undefined;
    try {
      frame = changelog.guard(work);
    } catch (error) {
      if (error instanceof ChangelogBlockedError)
        frame = UNANSWERED.has(type) ? undefined : statusFrame(type, payload, MFS_ERROR_NOSPACE);
      else if (error instanceof ApplyError) {
        this.log.error(`${messageName(type, 'master')} was planned wrongly: ${error.message}`);
        frame = statusFrame(type, payload, MFS_ERROR_IO);
      } else throw error;
    }
    if (frame === undefined) return turn.schedule();
    // while nothing can be recorded, what changed nothing need not wait
    if (turn.blocked && metadata.store.version === before) this.connection.send(frame);
    else this.send(frame);
  }

  private closed(error: Error | undefined): void {
    if (this.state !== 'new') {
      this.log.info('client disconnected', { address: this.name, session: this.sessionId, reason: error?.message });
    }
    this.service.closed(this);
  }
}

/** An answer that is a status alone: the number behind that of the request, its msgid (spec 02 §2.2). */
export function statusFrame(type: number, payload: Buffer, status: number): Buffer {
  const writer = new Writer(13);
  writer.u32(type + 1);
  writer.u32(5);
  writer.bytes(payload.subarray(0, 4));
  writer.u8(status);
  return writer.finish();
}
