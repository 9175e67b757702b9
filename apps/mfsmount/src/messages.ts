/** What the user is told about the registration (spec 12 §12). */
import type { SessionInfo } from '@wapiti-fs/client';
import {
  SESFLAG_ADMIN,
  SESFLAG_DYNAMICIP,
  SESFLAG_IGNOREGID,
  SESFLAG_MAPALL,
  SESFLAG_READONLY,
  statusText,
} from '@wapiti-fs/protocol';
import { findUser } from '@wapiti-fs/runtime';

import { statusOf } from './fs/errors.js';
import type { MountSettings } from './options/settings.js';

export function acceptedText(info: SessionInfo): string {
  const flags = [
    info.sesflags & SESFLAG_READONLY ? 'read-only' : 'read-write',
    info.sesflags & SESFLAG_DYNAMICIP ? 'not_restricted_ip' : 'restricted_ip',
    ...(info.sesflags & SESFLAG_IGNOREGID ? ['ignore_gid'] : []),
    ...(info.sesflags & SESFLAG_ADMIN ? ['admin'] : []),
    ...(info.sesflags & SESFLAG_MAPALL ? ['map_all'] : []),
  ];
  const mapped = info.sesflags & SESFLAG_MAPALL ? ` ; users mapped to ${info.mapallUid}:${info.mapallGid}` : '';
  const root = findUser(info.rootUid)?.name ?? String(info.rootUid);
  return `mfsmaster accepted connection with parameters: ${flags.join(',')} ; root mapped to ${root}:${groupText(info)}${mapped}`;
}

function groupText({ rootGid }: SessionInfo): string {
  return rootGid === 0 ? 'root' : String(rootGid);
}

/** Why a mount could not be made. */
export function failureText(error: unknown, { masterHost, masterPort }: MountSettings): string {
  const status = statusOf(error);
  if (status !== undefined) return `mfsmaster register error: ${statusText(status)}`;
  const { code, cause, message } = error as {
    code?: unknown;
    cause?: { code?: unknown; message?: string };
    message?: string;
  };
  if (cause?.code === 'ENOTFOUND' || cause?.code === 'EAI_AGAIN')
    return `can't resolve master hostname and/or portname (${masterHost}:${masterPort})`;
  if (code === 'ETIMEDOUT')
    return `can't connect to mfsmaster ("${masterHost}":"${masterPort}"): ${cause?.message ?? message}`;
  return message ?? String(error);
}
