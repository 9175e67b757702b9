import { timingSafeEqual } from 'node:crypto';

import {
  challengeAnswer,
  CHUNK_MARKED_FOR_REMOVAL,
  CSTOAN_CHUNK_CHECKSUM,
  CSTOMA_CHUNK_DAMAGED,
  CSTOMA_CHUNK_LOST,
  CSTOMA_CHUNK_NEW,
  CSTOMA_CREATE,
  CSTOMA_CURRENT_LOAD,
  CSTOMA_DELETE,
  CSTOMA_DUPLICATE,
  CSTOMA_DUPTRUNC,
  CSTOMA_ERROR_OCCURRED,
  CSTOMA_LABELS,
  CSTOMA_REGISTER,
  CSTOMA_REPLICATE,
  CSTOMA_SET_VERSION,
  CSTOMA_SPACE,
  CSTOMA_TRUNCATE,
  type Frame,
  MATOCS_CREATE,
  MATOCS_DELETE,
  MATOCS_DUPLICATE,
  MATOCS_DUPTRUNC,
  MATOCS_MASTER_ACK,
  MATOCS_REPLICATE,
  MATOCS_SET_VERSION,
  MATOCS_TRUNCATE,
  messageName,
  type MessageValue,
  formatIpv4,
  NOP_FRAME,
  ProtocolError,
  VERSION,
} from '@wapiti-fs/protocol';
import type { ServerInfo } from '@wapiti-fs/placement';
import type { Command } from '@wapiti-fs/placement';
import { type FramedConnection, type Logger, takeGeneric } from '@wapiti-fs/runtime';

import { addressNumber } from '../addresses.js';
import type { ChunkserverService } from './service.js';

type Registration = MessageValue<typeof CSTOMA_REGISTER>;
type Begin = Extract<Registration, { variant: 'begin' | 'beginAuth' }>;

/** Least timeout that a chunkserver may ask for (spec 03 §4.3). */
const MIN_TIMEOUT_S = 10;

/** One chunkserver's connection (spec 03). */
export class ChunkserverConnection {
  server: ServerInfo | undefined;
  private challenge: Buffer | undefined;

  constructor(
    private readonly service: ChunkserverService,
    private readonly connection: FramedConnection,
    private readonly log: Logger,
  ) {
    connection.setHandlers({
      frame: (frame) => this.receive(frame),
      close: (error) => {
        this.log.notice('chunkserver disconnected', { address: this.name, reason: error?.message });
        this.service.closed(this);
      },
    });
  }

  get name(): string {
    return this.server === undefined
      ? this.connection.remoteAddress
      : `${formatIpv4(this.server.ip)}:${this.server.port}`;
  }

  close(): void {
    this.connection.destroy();
  }

  send(command: Command): void {
    this.service.turn.send(this.connection, encodeCommand(command));
  }

  private receive(frame: Frame): void {
    if (this.connection.closed) return;
    try {
      this.handle(frame);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.log.warn('chunkserver sent a bad packet', { address: this.name, error: error.message });
      this.connection.destroy(error);
    }
  }

  private handle(frame: Frame): void {
    const { manager, nowS } = this.service;
    const { type, payload } = frame;
    if (takeGeneric(this.connection, frame, this.service.configValue)) return;
    if (type === CSTOMA_REGISTER.type) return this.register(CSTOMA_REGISTER.decode(payload));
    const server = this.server;
    if (server === undefined) throw new ProtocolError('not allowed before registration', messageName(type, 'master'));
    const id = server.id;
    switch (type) {
      case CSTOMA_SPACE.type:
        Object.assign(server, CSTOMA_SPACE.decode(payload));
        return;
      case CSTOMA_LABELS.type:
        server.labelMask = CSTOMA_LABELS.decode(payload).labelMask;
        return;
      case CSTOMA_CURRENT_LOAD.type:
        Object.assign(server, CSTOMA_CURRENT_LOAD.decode(payload));
        return;
      case CSTOMA_ERROR_OCCURRED.type:
        CSTOMA_ERROR_OCCURRED.decode(payload);
        server.errorCount += 1;
        return;
      case CSTOMA_CHUNK_NEW.type:
        return this.report(CSTOMA_CHUNK_NEW.decode(payload).chunkList);
      case CSTOMA_CHUNK_LOST.type:
        for (const chunkId of CSTOMA_CHUNK_LOST.decode(payload).chunkIds) manager.chunkLost(id, chunkId, nowS());
        return;
      case CSTOMA_CHUNK_DAMAGED.type:
        for (const chunkId of CSTOMA_CHUNK_DAMAGED.decode(payload).chunkIds) manager.chunkDamaged(id, chunkId, nowS());
        return;
      case CSTOMA_DELETE.type: {
        const { chunkId, status } = CSTOMA_DELETE.decode(payload);
        return manager.deleteAnswered(id, chunkId, status);
      }
      case CSTOMA_REPLICATE.type: {
        const { chunkId, version, status } = CSTOMA_REPLICATE.decode(payload);
        return manager.replicationAnswered(id, chunkId, version, status, nowS());
      }
      case CSTOMA_CREATE.type:
      case CSTOMA_SET_VERSION.type:
      case CSTOMA_DUPLICATE.type:
      case CSTOMA_TRUNCATE.type:
      case CSTOMA_DUPTRUNC.type: {
        // the same layout for all of them
        const { chunkId, status } = CSTOMA_CREATE.decode(payload);
        return manager.operationAnswered(id, chunkId, status);
      }
      case CSTOAN_CHUNK_CHECKSUM.type:
        CSTOAN_CHUNK_CHECKSUM.decode(payload);
        return;
      default:
        throw new ProtocolError('unknown message', messageName(type, 'master'));
    }
  }

  private report(list: readonly { chunkId: number; version: number }[]): void {
    const { manager, nowS } = this.service;
    const id = (this.server as ServerInfo).id;
    for (const { chunkId, version } of list) {
      manager.chunkReported(
        id,
        chunkId,
        version % CHUNK_MARKED_FOR_REMOVAL,
        version >= CHUNK_MARKED_FOR_REMOVAL,
        nowS(),
      );
    }
  }

  private register(part: Registration): void {
    const server = this.server;
    switch (part.variant) {
      case 'leave':
        if (server !== undefined) this.service.leaving(server);
        this.connection.end();
        return;
      case 'begin':
      case 'beginAuth':
        if (server !== undefined) throw new ProtocolError('registered already', 'CSTOMA_REGISTER', 'rver');
        return this.begin(part);
      case 'chunks':
        if (server === undefined) throw new ProtocolError('chunks before the begin', 'CSTOMA_REGISTER', 'rver');
        this.report(part.chunkList);
        this.connection.send(MATOCS_MASTER_ACK.encode({ variant: 'next', atype: 0 }));
        return;
      case 'end':
        if (server === undefined || server.registered)
          throw new ProtocolError('end out of place', 'CSTOMA_REGISTER', 'rver');
        this.service.registered(this);
    }
  }

  private begin(part: Begin): void {
    const { authCode, metaid, timeoutS } = this.service;
    if (authCode !== undefined && !this.authorized(part, authCode)) return;
    if (part.timeoutS !== 0 && part.timeoutS < MIN_TIMEOUT_S)
      throw new ProtocolError(`${part.timeoutS} s is too short`, 'CSTOMA_REGISTER', 'timeoutS');
    const ip = part.ip === 0 ? addressNumber(this.connection.remoteAddress) : part.ip;
    const { version, port, csid, usedSpace, totalSpace, chunks, tdUsedSpace, tdTotalSpace, tdChunks } = part;
    const accepted = this.service.accept(this, {
      ip,
      port,
      version,
      csid,
      usedSpace,
      totalSpace,
      chunks,
      tdUsedSpace,
      tdTotalSpace,
      tdChunks,
    });
    if (typeof accepted === 'string') throw new ProtocolError(accepted, 'CSTOMA_REGISTER', 'ip');
    this.server = accepted;
    const agreedS = part.timeoutS === 0 ? timeoutS : part.timeoutS;
    this.connection.send(
      MATOCS_MASTER_ACK.encode({
        variant: 'accepted',
        atype: 0,
        version: VERSION,
        timeoutS: agreedS,
        csid: accepted.id,
        metaid: metaid(),
      }),
    );
    // never a NOP before this acknowledgement: it makes a C chunkserver hang (spec 03 §19 T1)
    this.connection.setKeepalive({ nop: NOP_FRAME, nopAfterMs: (agreedS * 1000) / 3, idleTimeoutMs: agreedS * 1000 });
    this.log.notice('chunkserver registers', { address: this.name, csid: accepted.id });
  }

  /** Spec 03 §6. False: a challenge was sent, or the connection was closed. */
  private authorized(part: Begin, authCode: string): boolean {
    if (part.variant === 'begin') {
      this.challenge = this.service.random.bytes(32);
      this.connection.send(MATOCS_MASTER_ACK.encode({ variant: 'challenge', atype: 3, random: this.challenge }));
      return false;
    }
    const random = this.challenge ?? Buffer.alloc(32);
    const expected = challengeAnswer(random, authCode);
    if (this.challenge !== undefined && timingSafeEqual(expected, part.passcode)) return true;
    throw new ProtocolError('wrong AUTH_CODE', 'CSTOMA_REGISTER', 'passcode');
  }
}

function encodeCommand(command: Command): Buffer {
  switch (command.type) {
    case 'create':
      return MATOCS_CREATE.encode(command);
    case 'delete':
      return MATOCS_DELETE.encode(command);
    case 'setVersion':
      return MATOCS_SET_VERSION.encode(command);
    case 'duplicate':
      return MATOCS_DUPLICATE.encode(command);
    case 'truncate':
      return MATOCS_TRUNCATE.encode(command);
    case 'duptrunc':
      return MATOCS_DUPTRUNC.encode(command);
    case 'replicate': {
      const { chunkId, version, sourceIp, sourcePort } = command;
      return MATOCS_REPLICATE.encode({ variant: 'simple', chunkId, version, sourceIp, sourcePort });
    }
  }
}
