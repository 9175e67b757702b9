/** Asking the master and turning statuses into errors: the part all operations share. */
import { type Message, MFS_STATUS_OK } from '@wapiti-fs/protocol';

import { MfsError } from '../errors.js';
import type { RequestOptions } from '../session/requests.js';
import type { MasterSession } from '../session/session.js';
import type { Caller } from './types.js';

export type Ok<A> = Extract<A, { variant: 'ok' }>;
/** The members of a request beside its msgid, for each of its layouts. */
export type Body<Q> = Q extends unknown ? Omit<Q, 'msgid'> : never;

/** An operation whose first copy may have been executed and whose second copy failed: gives the result, or undefined to fail. */
export type WhenResent<T> = (status: number) => Promise<T | undefined>;

export class Asker {
  constructor(readonly session: MasterSession) {}

  /** For answers with data. @throws MfsError of the status when there is one instead */
  async ask<Q extends { msgid: number }, A extends { variant: string }>(
    request: Message<Q>,
    answer: Message<A>,
    value: Body<Q>,
    options: RequestOptions,
    whenResent?: WhenResent<Ok<A>>,
  ): Promise<Ok<A>> {
    const reply = await this.session.request(request, answer, value as unknown as Omit<Q, 'msgid'>, options);
    return dataOf(reply.value, options, reply.resent ? whenResent : undefined);
  }

  /** For answers that are a status only. */
  async tell<Q extends { msgid: number }>(
    request: Message<Q>,
    answer: Message<{ msgid: number; status: number }>,
    value: Body<Q>,
    options: RequestOptions,
    whenResent?: WhenResent<true>,
  ): Promise<void> {
    const reply = await this.session.request(request, answer, value as unknown as Omit<Q, 'msgid'>, options);
    const { status } = reply.value;
    if (status === MFS_STATUS_OK) return;
    if (reply.resent && whenResent !== undefined && (await whenResent(status))) return;
    throw MfsError.ofStatus(status, options);
  }
}

export async function dataOf<A extends { variant: string }>(
  answer: A,
  options: RequestOptions,
  whenResent?: WhenResent<Ok<A>>,
): Promise<Ok<A>> {
  if (answer.variant === 'ok') return answer as Ok<A>;
  const { status } = answer as unknown as { status: number };
  if (status === MFS_STATUS_OK)
    throw new MfsError('the master answered OK without the data asked for', { ...options, code: 'EIO' });
  const result = await whenResent?.(status);
  if (result !== undefined) return result;
  throw MfsError.ofStatus(status, options);
}

/** The identity fields of a request. Messages take mutable lists, but never change them. */
export function identity(caller: Caller): { uid: number; gids: number[] } {
  return { uid: caller.uid, gids: caller.gids as number[] };
}

export function at(operation: string, caller: Caller, inode: number, name?: Buffer): RequestOptions {
  return { operation, inode, path: name?.toString(), signal: caller.signal };
}
