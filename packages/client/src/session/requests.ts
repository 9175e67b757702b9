/**
 * Requests without an answer yet. Each keeps its frame, so that it can be sent again, unchanged, over the next connection
 * (spec 13 §2.4): the master may execute it twice, and the caller is told by `resent`.
 */
import { type Message, ProtocolError } from '@wapiti-fs/protocol';

import { MfsError } from '../errors.js';

/** Answers that made no sense: after so many connections lost to them the request itself is given up. */
const MAX_BAD_ANSWERS = 3;
const MAX_MSGID = 0xffff_ffff;

export interface Reply<A> {
  readonly value: A;
  /** An earlier copy of the request may have been executed: its answer was lost with a connection. */
  readonly resent: boolean;
}

export interface RequestOptions {
  readonly operation: string;
  readonly inode?: number | undefined;
  readonly path?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Changes the payload (without header) in place before it is sent again. */
  readonly beforeResend?: ((payload: Buffer) => void) | undefined;
}

interface Pending {
  readonly frame: Buffer;
  readonly answer: Message<unknown>;
  readonly options: RequestOptions;
  readonly resolve: (reply: Reply<unknown>) => void;
  readonly reject: (error: Error) => void;
  /** Sent over the present or an earlier connection. */
  sent: boolean;
  resent: boolean;
  badAnswers: number;
}

export class Requests {
  private readonly pending = new Map<number, Pending>();
  /** Given up by their callers on the present connection; their answers may still come. */
  private readonly abandoned = new Set<number>();
  /** Requests by their signal: one listener each, however many requests a signal has. */
  private readonly signals = new Map<AbortSignal, { readonly msgids: Set<number>; readonly onAbort: () => void }>();
  private lastMsgid = 0;

  /** `send` is called for new requests; false: not connected, sent by {@link sendAll} later. */
  constructor(private readonly send: (frame: Buffer) => boolean) {}

  get size(): number {
    return this.pending.size;
  }

  start<Q extends { msgid: number }, A>(
    request: Message<Q>,
    answer: Message<A>,
    value: Omit<Q, 'msgid'>,
    options: RequestOptions,
  ): Promise<Reply<A>> {
    return new Promise<Reply<A>>((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted) return reject(signal.reason as Error);
      const msgid = this.nextMsgid();
      // The members of a union of layouts are lost by Omit; the value has them.
      const frame = request.encode({ ...value, msgid } as unknown as Q);
      const one: Pending = {
        frame,
        answer: answer as Message<unknown>,
        options,
        resolve: resolve as (reply: Reply<unknown>) => void,
        reject,
        sent: false,
        resent: false,
        badAnswers: 0,
      };
      if (signal !== undefined) this.watch(signal, msgid);
      this.pending.set(msgid, one);
      one.sent = this.send(frame);
    });
  }

  /** Sends everything anew, in the order in which it was asked for. */
  sendAll(): void {
    for (const one of this.pending.values()) {
      if (one.sent) {
        one.resent = true;
        one.options.beforeResend?.(one.frame.subarray(8));
      }
      one.sent = this.send(one.frame) || one.sent;
    }
  }

  connectionLost(): void {
    this.abandoned.clear();
  }

  /** Handles an answer with its msgid. @throws ProtocolError: the connection is of no use any more */
  answered(msgid: number, type: number, payload: Buffer): void {
    const one = this.pending.get(msgid);
    if (one === undefined) {
      if (this.abandoned.delete(msgid)) return;
      throw new ProtocolError(`message ${type} answers msgid ${msgid}, which was not asked`);
    }
    if (type !== one.answer.type) {
      const error = new ProtocolError(
        `message ${type} instead of ${one.answer.name} as answer to ${one.options.operation}`,
      );
      this.bad(msgid, one, error);
      throw error;
    }
    let value: unknown;
    try {
      value = one.answer.decode(payload);
    } catch (error) {
      one.badAnswers = MAX_BAD_ANSWERS;
      this.bad(msgid, one, error as Error);
      throw error;
    }
    this.forget(msgid, one);
    one.resolve({ value, resent: one.resent });
  }

  /** The master does not know a request (ANTOAN_UNKNOWN_COMMAND, spec 13 §2.4). */
  refused(msgid: number, status: number): void {
    const one = this.pending.get(msgid);
    if (one === undefined) return;
    this.forget(msgid, one);
    one.reject(MfsError.ofStatus(status, one.options));
  }

  /** Fails everything, for a reason that concerns the whole session. */
  failAll(text: string, cause?: Error): void {
    for (const [msgid, one] of [...this.pending]) {
      this.forget(msgid, one);
      one.reject(new MfsError(text, { ...one.options, code: 'EIO', cause }));
    }
  }

  private bad(msgid: number, one: Pending, error: Error): void {
    if (++one.badAnswers < MAX_BAD_ANSWERS) return;
    this.forget(msgid, one);
    one.reject(
      new MfsError('the master gave an answer that makes no sense', { ...one.options, code: 'EIO', cause: error }),
    );
  }

  private watch(signal: AbortSignal, msgid: number): void {
    let watched = this.signals.get(signal);
    if (watched === undefined) {
      const msgids = new Set<number>();
      const onAbort = (): void => {
        for (const one of [...msgids]) this.abandon(one, signal.reason as Error);
      };
      watched = { msgids, onAbort };
      this.signals.set(signal, watched);
      signal.addEventListener('abort', onAbort, { once: true });
    }
    watched.msgids.add(msgid);
  }

  private abandon(msgid: number, reason: Error): void {
    const one = this.pending.get(msgid);
    if (one === undefined) return;
    this.forget(msgid, one);
    if (one.sent) this.abandoned.add(msgid);
    one.reject(reason);
  }

  private forget(msgid: number, one: Pending): void {
    this.pending.delete(msgid);
    const { signal } = one.options;
    if (signal === undefined) return;
    const watched = this.signals.get(signal);
    if (watched === undefined) return;
    watched.msgids.delete(msgid);
    if (watched.msgids.size > 0) return;
    signal.removeEventListener('abort', watched.onAbort);
    this.signals.delete(signal);
  }

  private nextMsgid(): number {
    do {
      this.lastMsgid = this.lastMsgid >= MAX_MSGID ? 1 : this.lastMsgid + 1;
    } while (this.pending.has(this.lastMsgid) || this.abandoned.has(this.lastMsgid));
    return this.lastMsgid;
  }
}
