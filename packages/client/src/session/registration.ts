/**
 * The dialogue that makes a connection one of our session's (spec 02 §3, §4.1), without I/O: a generator that yields what to send
 * and is given the payload of the answer.
 *
 * A session, once made, belongs to one file system, known by its metaid. A master with another one is refused before anything is
 * registered there, whatever the address says.
 */
import {
  ANTOCL_MODULE_INFO,
  challengeAnswer,
  CLTOAN_MODULE_INFO,
  CLTOMA_FUSE_REGISTER,
  FUSE_REGISTER_BLOB_ACL,
  MATOCL_FUSE_REGISTER,
  MFS_ERROR_EPERM,
  MFS_STATUS_OK,
  passwordDigest,
  ProtocolError,
  REGISTER_CLOSESESSION,
  REGISTER_GETRANDOM,
  REGISTER_NEWSESSION,
  REGISTER_RECONNECT,
  statusText,
  VERSION,
  versionText,
} from '@wapiti-fs/protocol';

import { MfsError } from '../errors.js';
import type { SessionInfo, SessionOptions } from './options.js';

/** Masters older than this are refused, as by the reference client (spec 02 §3.3). */
const MIN_MASTER_VERSION = (2 << 16) | (1 << 8) | 14;

/** A frame to send and the type of its answer. */
export interface RegistrationStep {
  readonly frame: Buffer;
  readonly answerType: number;
}

export interface Registered {
  readonly info: SessionInfo;
  /** The master knows none of our open files: the session id is new. */
  readonly fresh: boolean;
}

export type RegistrationDialogue = Generator<RegistrationStep, Registered, Buffer>;

const blob = FUSE_REGISTER_BLOB_ACL;

function refused(status: number, options: SessionOptions): MfsError {
  const path = options.path ?? '/';
  return new MfsError(`the master at ${options.host} refuses '${path}': ${statusText(status)} (status ${status})`, {
    code: status === MFS_ERROR_EPERM ? 'EPERM' : MfsError.ofStatus(status).code === 'ENOENT' ? 'ENOENT' : 'EACCES',
    status,
    operation: 'register',
  });
}

/** Hexadecimal, as the tools print it. */
function metaidText(metaid: bigint): string {
  return metaid.toString(16).toUpperCase().padStart(16, '0');
}

function wrongMetaid(options: SessionOptions, got: bigint, expected: bigint): MfsError {
  return new MfsError(
    `the master at ${options.host} serves another file system (metaid ${metaidText(got)}, this session belongs to ` +
      `${metaidText(expected)}): refused`,
    { code: 'EIO', operation: 'register' },
  );
}

function unexpected(variant: string): ProtocolError {
  return new ProtocolError(`unexpected variant ${variant}`, MATOCL_FUSE_REGISTER.name);
}

/** @throws MfsError when the master refuses, ProtocolError for an answer that makes no sense. */
export function* registration(options: SessionOptions, known: SessionInfo | undefined): RegistrationDialogue {
  if (known === undefined) return { info: yield* newSession(options, undefined), fresh: true };
  const { sessionId, metaid } = known;
  const answer = yield* ask({
    variant: 'reconnect',
    blob,
    kind: REGISTER_RECONNECT,
    sessionId,
    version: VERSION,
    metaid,
  });
  if (answer.variant !== 'reconnected' && answer.variant !== 'status') throw unexpected(answer.variant);
  if (answer.status === MFS_STATUS_OK) {
    const masterVersion = answer.variant === 'reconnected' ? answer.version : known.masterVersion;
    return { info: { ...known, masterVersion }, fresh: false };
  }
  // EPERM: exports changed, the session can be taken over. BADSESSIONID: session or whole file system unknown there.
  if (answer.status !== MFS_ERROR_EPERM) {
    const module = ANTOCL_MODULE_INFO.decode(
      yield { frame: CLTOAN_MODULE_INFO.encode({ variant: 'plain' }), answerType: ANTOCL_MODULE_INFO.type },
    );
    if (module.metaid !== metaid) throw wrongMetaid(options, module.metaid, metaid);
  }
  const info = yield* newSession(options, known);
  return { info, fresh: info.sessionId !== sessionId };
}

function* newSession(
  options: SessionOptions,
  known: SessionInfo | undefined,
): Generator<RegistrationStep, SessionInfo, Buffer> {
  const passwordMd5 =
    options.passwordMd5 ?? (options.password === undefined ? undefined : passwordDigest(options.password));
  let code: Buffer | undefined;
  if (passwordMd5 !== undefined) {
    const challenge = yield* ask({ variant: 'getRandom', blob, kind: REGISTER_GETRANDOM });
    if (challenge.variant !== 'random') throw unexpected(challenge.variant);
    code = challengeAnswer(challenge.random, passwordMd5);
  }
  const answer = yield* ask({
    variant: 'newSession',
    blob,
    kind: REGISTER_NEWSESSION,
    version: VERSION,
    info: Buffer.from(`${options.info ?? 'wapiti'}\0`),
    path: Buffer.from(options.path ?? '/'),
    tail: { sessionId: known?.sessionId, metaid: known?.metaid, passcode: code },
  });
  if (answer.variant === 'status') throw refused(answer.status, options);
  if (answer.variant !== 'session') throw unexpected(answer.variant);
  if (known !== undefined && answer.metaid !== known.metaid) throw wrongMetaid(options, answer.metaid, known.metaid);
  if (answer.version < MIN_MASTER_VERSION) {
    throw new MfsError(`the master at ${options.host} is too old (${versionText(answer.version)})`, {
      code: 'ENOTSUP',
      operation: 'register',
    });
  }
  const { variant: _variant, version: masterVersion, ...rest } = answer;
  return { ...rest, masterVersion };
}

type RegisterValue = Parameters<typeof CLTOMA_FUSE_REGISTER.encode>[0];
type RegisterAnswer = ReturnType<typeof MATOCL_FUSE_REGISTER.decode>;

function* ask(value: RegisterValue): Generator<RegistrationStep, RegisterAnswer, Buffer> {
  const payload: Buffer = yield {
    frame: CLTOMA_FUSE_REGISTER.encode(value),
    answerType: MATOCL_FUSE_REGISTER.type,
  };
  return MATOCL_FUSE_REGISTER.decode(payload);
}

/** Orderly end of the session (spec 02 §3.6). */
export function closeSessionFrame({ sessionId, metaid }: SessionInfo): Buffer {
  return CLTOMA_FUSE_REGISTER.encode({ variant: 'closeSession', blob, kind: REGISTER_CLOSESESSION, sessionId, metaid });
}
