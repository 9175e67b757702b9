/** General state: CLTOMA_INFO, CLTOMA_MEMORY_INFO, CLTOAN_MODULE_INFO (spec 11 §2.3, §3.1, §3.2). */
import { SUSTAINED_BUCKETS, TRASH_BUCKETS } from '@wapiti-fs/protocol';
import {
  ANTOCL_MODULE_INFO,
  CLTOAN_MODULE_INFO,
  CLTOMA_INFO,
  CLTOMA_MEMORY_INFO,
  MATOCL_INFO,
  MATOCL_MEMORY_INFO,
  VERSION,
} from '@wapiti-fs/protocol';

import { availableBytes } from '../clients/space.js';
import type { MasterContext } from '../context.js';
import { on } from './request.js';

/** All four state bytes of a master that is alone (spec 11 §3.1). */
const ALONE = 0xff;
const MODULE_MASTER = 1;
const MINUTE_MS = 60_000;
/** Counting the trash means walking over it: not more often than this. */
const DETACHED_COUNT_MS = 5000;
const MEMORY_AREAS = 11;
/** Where nodes, edges and chunks are in the list of memory areas. */
const AREA_CHUNKS = 1;
const AREA_EDGES = 4;
const AREA_NODES = 6;
/** Bytes of all columns of one chunk, edge, node: estimates. */
const CHUNK_BYTES = 30;
const EDGE_BYTES = 60;
const NODE_BYTES = 75;

interface CpuSample {
  readonly atMs: number;
  readonly usage: NodeJS.CpuUsage;
}

/** What is remembered from one question to the next. */
interface Memory {
  /** Two samples, the older one up to two minutes old. */
  samples: [CpuSample, CpuSample];
  counted: { readonly atMs: number; readonly trash: number; readonly sustained: number };
}

const memories = new WeakMap<MasterContext, Memory>();

function memoryOf(master: MasterContext): Memory {
  let memory = memories.get(master);
  if (memory === undefined) {
    const start: CpuSample = { atMs: -process.uptime() * 1000, usage: { user: 0, system: 0 } };
    memory = { samples: [start, start], counted: { atMs: -Infinity, trash: 0, sustained: 0 } };
    memories.set(master, memory);
  }
  return memory;
}

/** Share of the last minute or two, in 10^-7 percent. */
function cpuShares(master: MasterContext): { user: number; system: number } {
  const memory = memoryOf(master);
  const now: CpuSample = { atMs: master.services.clock.monotonicMs(), usage: process.cpuUsage() };
  let [before] = memory.samples;
  if (before.atMs < 0) before = { ...before, atMs: now.atMs + before.atMs };
  if (now.atMs - memory.samples[1].atMs >= MINUTE_MS) memory.samples = [memory.samples[1], now];
  const passedUs = Math.max(1, (now.atMs - before.atMs) * 1000);
  const share = (us: number): number => Math.max(0, Math.round((us / passedUs) * 1e9));
  return { user: share(now.usage.user - before.usage.user), system: share(now.usage.system - before.usage.system) };
}

function countDetached(master: MasterContext): Memory['counted'] {
  const memory = memoryOf(master);
  const atMs = master.services.clock.monotonicMs();
  if (atMs - memory.counted.atMs < DETACHED_COUNT_MS) return memory.counted;
  const { edges } = master.metadata.store;
  const count = (kind: 'trash' | 'sustained', buckets: number): number => {
    let sum = 0;
    for (let bucket = 0; bucket < buckets; bucket++) for (const _ of edges.detachedEdges(kind, bucket)) sum++;
    return sum;
  };
  memory.counted = {
    atMs,
    trash: count('trash', TRASH_BUCKETS),
    sustained: count('sustained', SUSTAINED_BUCKETS),
  };
  return memory.counted;
}

function info(master: MasterContext): Buffer {
  const { metadata, chunkservers, clients, images, services } = master;
  const { store } = metadata;
  const { servers } = chunkservers.manager;
  const cpu = cpuShares(master);
  const detached = countDetached(master);
  let copies = 0;
  let marked = 0;
  for (const { id, tdChunks } of servers.all()) {
    copies += chunkservers.manager.copiesOn(id);
    marked += tdChunks;
  }
  return MATOCL_INFO.encode({
    version: VERSION,
    memUsage: process.memoryUsage.rss(),
    sysCpu: cpu.system,
    userCpu: cpu.user,
    totalSpace: servers.space.total,
    availSpace: availableBytes(master),
    freeSpace: servers.space.free,
    trashSpace: clients.detachedBytes('trash'),
    trashNodes: detached.trash,
    sustainedSpace: clients.detachedBytes('sustained'),
    sustainedNodes: detached.sustained,
    allNodes: store.nodes.count,
    dirNodes: store.nodes.directoryCount,
    fileNodes: store.nodes.fileCount,
    chunks: store.chunks.count,
    allChunkCopies: copies,
    regularChunkCopies: Math.max(0, copies - marked),
    lastStoreTime: images.result.storedS,
    lastStoreDurationMs: images.result.durationMs,
    lastStoreStatus: images.result.status === 1 ? 3 : images.result.status,
    state: ALONE,
    nstate: ALONE,
    stable: ALONE,
    sync: ALONE,
    leaderIp: 0,
    stateChangeTime: 0,
    metaVersion: store.version,
    exportsChecksum: master.exports().checksum,
    usecTime: Math.floor(services.clock.nowMs() * 1000),
    lastChangelogTime: 0,
  });
}

/** Estimates from the number of entries: the tables grow in pages, what is allocated is used. */
function memoryInfo({ metadata: { store } }: MasterContext): Buffer {
  const areas = Array.from({ length: MEMORY_AREAS }, () => ({ allocated: 0, used: 0 }));
  const set = (area: number, bytes: number): void => void (areas[area] = { allocated: bytes, used: bytes });
  set(AREA_CHUNKS, store.chunks.count * CHUNK_BYTES);
  set(AREA_EDGES, store.nodes.count * EDGE_BYTES);
  set(AREA_NODES, store.nodes.count * NODE_BYTES);
  return MATOCL_MEMORY_INFO.encode({ areas });
}

export const INFO_REQUESTS = [
  on(CLTOMA_INFO, info),
  on(CLTOMA_MEMORY_INFO, memoryInfo),
  on(CLTOAN_MODULE_INFO, (master, request) =>
    ANTOCL_MODULE_INFO.encode({
      ...request,
      moduleType: MODULE_MASTER,
      version: VERSION,
      moduleId: 0,
      metaid: master.metadata.store.metaid,
      leaderIp: 0,
      leaderPort: 0,
    }),
  ),
];
