/** Space as clients see it (spec 09 §18.3). */
import { sessionSpace } from '@wapiti-fs/metadata';
import { MFS_ROOT_ID } from '@wapiti-fs/protocol';

import type { ReservedSpace } from '../config.js';
import type { MasterContext } from '../context.js';
import type { ClientConnection } from './connection.js';

/** Bytes of RESERVE_SPACE with the servers there are. */
function reservedBytes({ unit, value }: ReservedSpace, master: MasterContext): number {
  const { servers } = master.chunkservers.manager;
  if (unit === 'bytes') return value;
  if (unit === '%') return (servers.space.total * value) / 100;
  const each = [...servers.all()].map((one) => (unit === 'U' ? one.usedSpace : one.totalSpace));
  return value * Math.max(0, ...each);
}

/** Space that ordinary users may fill. */
export function availableBytes(master: MasterContext): number {
  const { free } = master.chunkservers.manager.servers.space;
  return Math.max(0, Math.floor(free - reservedBytes(master.config().reserveSpace, master)));
}

/** STATFS of a session. */
export function spaceOf(client: ClientConnection) {
  const { master } = client.service;
  const ctx = client.anonymous();
  const { total, free } = master.chunkservers.manager.servers.space;
  // a meta session, and one whose folder is gone, are told zeros
  const meta = ctx.session.rootInode === 0;
  const cluster = meta ? { total: 0, available: 0, free: 0 } : { total, available: availableBytes(master), free };
  const space = sessionSpace(master.metadata, ctx, cluster);
  const whole = ctx.session.rootInode === MFS_ROOT_ID;
  return {
    totalSpace: space.total,
    availSpace: space.available,
    freeSpace: space.free,
    trashSpace: whole ? master.clients.detachedBytes('trash') : 0,
    sustainedSpace: whole ? master.clients.detachedBytes('sustained') : 0,
    inodes: meta ? 0 : space.inodes,
  };
}
