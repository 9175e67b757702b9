/** Registration of mounts, meta mounts and tools (spec 02 §3, §4). */
import type { SessionParameters } from '@wapiti-fs/metadata';
import {
  CLTOMA_FUSE_REGISTER,
  MATOCL_FUSE_REGISTER,
  type MessageValue,
  MFS_ERROR_BADSESSIONID,
  MFS_ERROR_EINVAL,
  MFS_ERROR_ENOENT,
  MFS_ERROR_ENOTDIR,
  MFS_ERROR_EPERM,
  MFS_ERROR_NOSPACE,
  MFS_STATUS_OK,
  ProtocolError,
  SESFLAG_ATTRBIT,
  SESFLAG_DYNAMICIP,
  SESFLAG_METARESTORE,
  VERSION,
} from '@wapiti-fs/protocol';

import { type ExportEntry, selectExport } from '../exports.js';
import type { ClientConnection, ClientState } from './connection.js';

type Registration = MessageValue<typeof CLTOMA_FUSE_REGISTER>;
type NewSession = Extract<Registration, { variant: 'newSession' | 'newMetaSession' }>;
type Reconnect = Extract<Registration, { variant: 'reconnect' | 'tools' }>;
type CloseSession = Extract<Registration, { variant: 'closeSession' }>;

const CHALLENGE_BYTES = 32;
/** A client is dropped after so much silence, and hears from us as often (spec 02 §18 no. 15). */
export const IDLE_TIMEOUT_MS = 10_000;
/** NOP with msgid 0: on this port it has 4 bytes (spec 02 §18 no. 1). */
export const NOP_WITH_MSGID = Buffer.from([0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
export const NOP_AFTER_MS = 1000;
/** Flags that are for the master alone. */
const INTERNAL_FLAGS = SESFLAG_ATTRBIT | SESFLAG_METARESTORE;

const RESOLVE_STATUS = { EINVAL: MFS_ERROR_EINVAL, ENOENT: MFS_ERROR_ENOENT, ENOTDIR: MFS_ERROR_ENOTDIR } as const;
const isStatus = (value: unknown): value is number => typeof value === 'number';

export function register(client: ClientConnection, request: Registration): void {
  if (client.state !== 'new' && request.variant !== 'closeSession')
    throw new ProtocolError('registered already', 'CLTOMA_FUSE_REGISTER', 'kind');
  switch (request.variant) {
    case 'getRandom':
      client.random = client.service.master.services.random.bytes(CHALLENGE_BYTES);
      return client.send(MATOCL_FUSE_REGISTER.encode({ variant: 'random', random: client.random }));
    case 'newSession':
    case 'newMetaSession':
      return newSession(client, request);
    case 'reconnect':
    case 'tools':
      return reconnect(client, request);
    case 'closeSession':
      return closeSession(client, request);
  }
}

const refuse = (client: ClientConnection, status: number): void =>
  client.send(MATOCL_FUSE_REGISTER.encode({ variant: 'status', status }));

function newSession(client: ClientConnection, request: NewSession): void {
  const { master } = client.service;
  const { metadata, nowS, changelog } = master;
  if (changelog.blocked)
    return client.sendRefusal(MATOCL_FUSE_REGISTER.encode({ variant: 'status', status: MFS_ERROR_NOSPACE }));
  const parameters = parametersFor(client, request);
  if (isStatus(parameters)) return refuse(client, parameters);
  const { tail } = request;
  const ours = tail.metaid === undefined || tail.metaid === metadata.store.metaid;
  const wanted = ours ? (tail.sessionId ?? 0) : 0;
  const taken = wanted !== 0 && metadata.changeSession(nowS(), wanted, parameters);
  const sessionId = taken ? wanted : metadata.createSession(nowS(), parameters);
  attach(client, 'mount', sessionId, request.version);
  const common = {
    version: VERSION,
    sessionId,
    metaid: metadata.store.metaid,
    sesflags: parameters.sesflags & ~INTERNAL_FLAGS,
    minGoal: parameters.mingoal,
    maxGoal: parameters.maxgoal,
    minTrashtimeS: parameters.mintrashtime,
    maxTrashtimeS: parameters.maxtrashtime,
  };
  client.send(
    request.variant === 'newMetaSession'
      ? MATOCL_FUSE_REGISTER.encode({ variant: 'metaSession', ...common })
      : MATOCL_FUSE_REGISTER.encode({
          variant: 'session',
          ...common,
          umask: parameters.umask,
          rootUid: parameters.rootuid,
          rootGid: parameters.rootgid,
          mapallUid: parameters.mapalluid,
          mapallGid: parameters.mapallgid,
          disables: parameters.disables,
        }),
  );
}

/** What the export allows, or the status of a refusal. */
function parametersFor(client: ClientConnection, request: NewSession): SessionParameters | number {
  const { exports, sessions } = client.service.master;
  const meta = request.variant === 'newMetaSession';
  const path = meta ? Buffer.alloc(0) : trimSlashes(request.path);
  const { entries, checksum } = exports();
  const entry = selectExport(entries, {
    ip: client.ip,
    version: request.version,
    meta,
    path,
    random: client.random,
    passcode: request.tail.passcode,
  });
  if (isStatus(entry)) return entry;
  const root = meta ? { inode: 0 } : sessions.resolvePath(path);
  if ('missing' in root) return RESOLVE_STATUS[root.missing];
  return sessionParameters(client, entry, checksum, root.inode, request.info);
}

function sessionParameters(
  client: ClientConnection,
  entry: ExportEntry,
  exportsChecksum: bigint,
  rootInode: number,
  info: Buffer,
): SessionParameters {
  const meta = rootInode === 0;
  return {
    exportsChecksum,
    rootInode,
    sesflags: entry.sesflags,
    umask: entry.umask,
    rootuid: meta ? 0 : entry.rootUid,
    rootgid: meta ? 0 : entry.rootGid,
    mapalluid: meta ? 0 : entry.mapallUid,
    mapallgid: meta ? 0 : entry.mapallGid,
    mingoal: entry.minGoal,
    maxgoal: entry.maxGoal,
    mintrashtime: entry.minTrashtimeS,
    maxtrashtime: entry.maxTrashtimeS,
    disables: entry.disables,
    peerIp: client.ip,
    info: withoutTrailingZeros(info),
  };
}

function reconnect(client: ClientConnection, request: Reconnect): void {
  const { metadata, sessions, exports } = client.service.master;
  const mount = request.variant === 'reconnect';
  const answer = (status: number): void =>
    client.send(
      mount
        ? MATOCL_FUSE_REGISTER.encode({ variant: 'reconnected', version: VERSION, status })
        : MATOCL_FUSE_REGISTER.encode({ variant: 'status', status }),
    );
  if (request.metaid !== undefined && request.metaid !== metadata.store.metaid) return answer(MFS_ERROR_BADSESSIONID);
  const session = sessions.get(request.sessionId);
  if (session === undefined || session.peerIp === 0) return answer(MFS_ERROR_BADSESSIONID);
  const moved = (session.sesflags & SESFLAG_DYNAMICIP) === 0 && session.peerIp !== client.ip;
  if (moved || session.exportsChecksum !== exports().checksum) return answer(MFS_ERROR_EPERM);
  attach(client, mount ? 'mount' : 'tools', request.sessionId, request.version);
  answer(MFS_STATUS_OK);
}

function attach(client: ClientConnection, state: ClientState, sessionId: number, version: number): void {
  client.state = state;
  client.sessionId = sessionId;
  client.version = version;
  client.service.master.sessions.attach(sessionId, client, version);
  // tools expect their answer as the very next packet (spec 02 §14.1)
  client.setKeepalive(state === 'mount' ? NOP_WITH_MSGID : undefined, NOP_AFTER_MS, IDLE_TIMEOUT_MS);
}

function closeSession(client: ClientConnection, request: CloseSession): void {
  const { metadata, sessions } = client.service.master;
  if (client.state === 'new') throw new ProtocolError('not registered', 'CLTOMA_FUSE_REGISTER', 'kind');
  if (request.metaid !== undefined && request.metaid !== metadata.store.metaid) {
    refuse(client, MFS_ERROR_BADSESSIONID);
  } else {
    sessions.markClosed(request.sessionId);
    refuse(client, MFS_STATUS_OK);
  }
  client.end();
}

function trimSlashes(path: Buffer): Buffer {
  let from = 0;
  let to = path.length;
  while (from < to && path[from] === 0x2f) from++;
  while (to > from && path[to - 1] === 0x2f) to--;
  return path.subarray(from, to);
}

function withoutTrailingZeros(text: Buffer): Buffer {
  let length = text.length;
  while (length > 0 && text[length - 1] === 0) length--;
  return Buffer.from(text.subarray(0, length));
}
