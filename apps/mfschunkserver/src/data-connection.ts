/** A connection on the data port (spec 04 §3, §16.1): idle and parsing requests, or owned by a read or write session. */
import { ChunkError, StoreStatus } from '@wapiti-fs/chunkstore';
import {
  NOP_FRAME,
  ANTOCS_GET_CHUNK_BLOCKS,
  ANTOCS_GET_CHUNK_CHECKSUM,
  ANTOCS_GET_CHUNK_CHECKSUM_TAB,
  CLTOCS_READ,
  CLTOCS_WRITE,
  CSTOCL_READ_STATUS,
  CSTOCL_WRITE_STATUS,
  type Frame,
} from '@wapiti-fs/protocol';
import { type FramedConnection, type KeepaliveRules, takeGeneric } from '@wapiti-fs/runtime';

import { answerMonitoring } from './monitoring.js';
import { answerBlocks, answerChecksum, answerChecksumTable } from './queries.js';
import { ReadSession } from './read-session.js';
import type { ServerContext } from './server-context.js';
import { WriteSession } from './write-session.js';

const IDLE_TIMEOUT_MS = 5000;
const NOP_AFTER_MS = 1600;
const NOP = NOP_FRAME;
const IDLE_RULES: KeepaliveRules = { nop: NOP, nopAfterMs: NOP_AFTER_MS, idleTimeoutMs: IDLE_TIMEOUT_MS };

/** What a connection hands its frames to while it is not idle. */
export interface Session {
  frame(frame: Frame): void;
  drain(): void;
  /** The peer has gone. */
  closed(): void;
}

export class DataConnection {
  private session: Session | undefined;

  constructor(
    readonly context: ServerContext,
    readonly connection: FramedConnection,
    private readonly onClose: (one: DataConnection) => void,
  ) {
    connection.setKeepalive(IDLE_RULES);
    connection.setHandlers({
      frame: (frame) => this.frame(frame),
      drain: () => this.session?.drain(),
      close: (error) => this.closed(error),
    });
  }

  private frame(frame: Frame): void {
    try {
      if (this.session) this.session.frame(frame);
      else this.idleFrame(frame);
    } catch (error) {
      this.context.services.log.info(`data connection closed: ${(error as Error).message}`, {
        peer: this.connection.remoteAddress,
      });
      this.connection.destroy();
    }
  }

  private closed(error?: Error): void {
    if (error) {
      this.context.services.log.debug(`data connection: ${error.message}`, { peer: this.connection.remoteAddress });
    }
    const session = this.session;
    this.session = undefined;
    session?.closed();
    this.onClose(this);
  }

  /** A session ended in order: the next request may come. */
  becomeIdle(): void {
    this.session = undefined;
    this.connection.setKeepalive(IDLE_RULES);
  }

  private idleFrame(frame: Frame): void {
    if (takeGeneric(this.connection, frame, this.context.info.configValue)) return;
    const { type, payload } = frame;
    switch (type) {
      case CLTOCS_READ.type:
        return this.startRead(payload);
      case CLTOCS_WRITE.type:
        return this.startWrite(payload);
      case ANTOCS_GET_CHUNK_BLOCKS.type:
        return this.reply(answerBlocks(this.context, payload));
      case ANTOCS_GET_CHUNK_CHECKSUM.type:
        return this.reply(answerChecksum(this.context, payload));
      case ANTOCS_GET_CHUNK_CHECKSUM_TAB.type:
        return this.reply(answerChecksumTable(this.context, payload));
      default: {
        const answer = answerMonitoring(this.context, type, payload);
        if (answer === undefined) throw new Error(`unexpected packet of type ${type}`);
        this.connection.send(answer);
      }
    }
  }

  private reply(answer: Promise<Buffer>): void {
    answer.then(
      (frame) => this.connection.send(frame),
      (error: Error) => this.connection.destroy(error),
    );
  }

  private startRead(payload: Buffer): void {
    const request = CLTOCS_READ.decode(payload);
    if (!this.context.jobs.tryStart()) {
      this.connection.send(CSTOCL_READ_STATUS.encode({ chunkId: request.chunkId, status: StoreStatus.NOTDONE }));
      return;
    }
    const protocol = request.variant === 'protocol' ? request.protocol : 0;
    const session = new ReadSession(this, { ...request, protocol });
    this.session = session;
    void session.run().finally(() => this.context.jobs.end());
  }

  private startWrite(payload: Buffer): void {
    const request = CLTOCS_WRITE.decode(payload);
    if (!this.context.jobs.tryStart()) {
      this.connection.send(
        CSTOCL_WRITE_STATUS.encode({ chunkId: request.chunkId, writeId: 0, status: StoreStatus.NOTDONE }),
      );
      return;
    }
    const session = new WriteSession(this, request);
    this.session = session;
    void session.run().finally(() => this.context.jobs.end());
  }

  /** Ends the connection with its session, if any. */
  destroy(): void {
    this.connection.destroy();
  }
}

/** What a peer is told about a failure; a defect of ours counts as an I/O error. */
export function statusOf(error: unknown): number {
  return error instanceof ChunkError ? error.status : StoreStatus.IO;
}
