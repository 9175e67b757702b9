/** Space as clients see it (spec 09 §18.3). */
import { MFS_ROOT_ID } from '@wapiti-fs/protocol';

import type { ReservedSpace } from '../config.js';
import type { MasterContext } from '../context.js';

export interface Space {
  totalSpace: number;
  availSpace: number;
  freeSpace: number;
  trashSpace: number;
  sustainedSpace: number;
  inodes: number;
}

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
export function freeSpace(master: MasterContext, sessionId: number): Space {
  const { store } = master.metadata;
  const root = master.sessions.get(sessionId)?.rootInode ?? 0;
  const none = { totalSpace: 0, availSpace: 0, freeSpace: 0, trashSpace: 0, sustainedSpace: 0, inodes: 0 };
  if (root === 0 || !store.nodes.isDirectory(root)) return none;
  const { total, free } = master.chunkservers.manager.servers.space;
  const space: Space = {
    ...none,
    totalSpace: total,
    availSpace: availableBytes(master),
    freeSpace: free,
    inodes: store.stats.of(root).inodes + 1,
  };
  if (root === MFS_ROOT_ID) {
    space.trashSpace = master.clients.detachedBytes('trash');
    space.sustainedSpace = master.clients.detachedBytes('sustained');
  }
  limitByQuotas(master, root, space);
  return space;
}

/** Quotas of the root and of the directories above it lower what is shown. */
function limitByQuotas(master: MasterContext, root: number, space: Space): void {
  const { store } = master.metadata;
  if (store.tables.quotas.size === 0) return;
  const limits: { limit: number; used: number }[] = [];
  for (let at = root; at !== 0;) {
    const quota = store.tables.quotas.get(at);
    if (quota !== undefined) {
      const used = store.stats.of(at);
      const add = (soft: number, hard: number, current: number): void => {
        const set = [soft, hard].filter((one) => one > 0);
        if (set.length > 0) limits.push({ limit: Math.min(...set), used: current });
      };
      add(quota.srealsize, quota.hrealsize, used.realsize);
      add(quota.ssize, quota.hsize, used.size);
      add(quota.slength, quota.hlength, used.length);
    }
    const edge = store.nodes.firstParentEdge.get(at);
    at = edge === 0 ? 0 : store.edges.parent(edge);
  }
  for (const key of ['availSpace', 'freeSpace'] as const) {
    for (const { limit, used } of limits) {
      space[key] = Math.min(space[key], Math.max(0, limit - used));
      space.totalSpace = Math.min(space.totalSpace, limit);
      if (used + space[key] < space.totalSpace) space.totalSpace = used + space[key];
    }
  }
}
