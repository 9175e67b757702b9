import { type Codec, listToEnd, name, optional, rest, struct, u16, u32, u64n, u8 } from '../codec.js';
import { times } from '../fields.js';
import { dataMessage, message, type MessageInfo, variants } from '../message.js';

/** Data path and monitoring of chunkservers, port 9422 (spec 04). */

const up = (spec: string, summary: string): MessageInfo => ({ spec, from: 'client', to: 'chunkserver', summary });
const down = (spec: string, summary: string): MessageInfo => ({ spec, from: 'chunkserver', to: 'client', summary });

/** Value of the protocol byte that clients send. */
export const DATA_PROTOCOL = 1;

const range = { chunkId: u64n, version: u32, offset: u32, size: u32 };
/** `plain` (replicators) never gets NOPs in between. */
export const CLTOCS_READ = variants(
  'CLTOCS_READ',
  200,
  up('04 §5', 'read a range of a chunk'),
  { protocol: { protocol: u8, ...range }, plain: range },
  (payload) => (payload.length % 2 === 1 ? 'protocol' : 'plain'),
);
export const CSTOCL_READ_STATUS = message('CSTOCL_READ_STATUS', 201, down('04 §5', 'end of the answer'), {
  chunkId: u64n,
  status: u8,
});
export const CSTOCL_READ_DATA = dataMessage('CSTOCL_READ_DATA', 202, down('04 §5', 'part of one block'), {
  chunkId: u64n,
  blocknum: u16,
  offset: u16,
  size: u32,
  crc: u32,
});

const next = struct({ ip: u32, port: u16 });
/** The chain lists the servers after the addressed one. */
export const CLTOCS_WRITE = variants(
  'CLTOCS_WRITE',
  210,
  up('04 §6.1', 'start of a write session'),
  {
    protocol: { protocol: u8, chunkId: u64n, version: u32, chain: listToEnd(next) },
    plain: { chunkId: u64n, version: u32, chain: listToEnd(next) },
  },
  (payload) => (payload.length % 2 === 1 ? 'protocol' : 'plain'),
);
export const CSTOCL_WRITE_STATUS = message('CSTOCL_WRITE_STATUS', 211, down('04 §6.2', 'acknowledgement'), {
  chunkId: u64n,
  writeId: u32,
  status: u8,
});
export const CLTOCS_WRITE_DATA = dataMessage('CLTOCS_WRITE_DATA', 212, up('04 §6.2', 'part of one block'), {
  chunkId: u64n,
  writeId: u32,
  blocknum: u16,
  offset: u16,
  size: u32,
  crc: u32,
});
export const CLTOCS_WRITE_FINISH = message('CLTOCS_WRITE_FINISH', 213, up('04 §6.3', 'end of a write session'), {
  chunkId: u64n,
  version: u32,
});

const query = { chunkId: u64n, version: u32 };
export const ANTOCS_GET_CHUNK_BLOCKS = message('ANTOCS_GET_CHUNK_BLOCKS', 250, up('04 §9', 'number of blocks'), query);
export const CSTOAN_CHUNK_BLOCKS = message('CSTOAN_CHUNK_BLOCKS', 251, down('04 §9', 'number of blocks'), {
  ...query,
  blocks: u16,
  status: u8,
});

const pickStatus = (payload: Buffer): 'status' | 'ok' => (payload.length === 13 ? 'status' : 'ok');
export const ANTOCS_GET_CHUNK_CHECKSUM = message(
  'ANTOCS_GET_CHUNK_CHECKSUM',
  300,
  up('04 §9', 'checksum of the CRC table'),
  query,
);
export const CSTOAN_CHUNK_CHECKSUM = variants(
  'CSTOAN_CHUNK_CHECKSUM',
  301,
  down('04 §9', 'checksum of the CRC table'),
  { status: { ...query, status: u8 }, ok: { ...query, checksum: u32 } },
  pickStatus,
);
export const ANTOCS_GET_CHUNK_CHECKSUM_TAB = message(
  'ANTOCS_GET_CHUNK_CHECKSUM_TAB',
  302,
  up('04 §9', 'the CRC table'),
  query,
);
export const CSTOAN_CHUNK_CHECKSUM_TAB = variants(
  'CSTOAN_CHUNK_CHECKSUM_TAB',
  303,
  down('04 §9', 'the CRC table'),
  { status: { ...query, status: u8 }, ok: { ...query, crcs: times(1024, u32) } },
  pickStatus,
);

const diskStats = struct({
  bytesRead: u64n,
  bytesWritten: u64n,
  usecRead: u64n,
  usecWrite: u64n,
  usecFsync: u64n,
  readOps: u32,
  writeOps: u32,
  fsyncOps: u32,
  usecReadMax: u32,
  usecWriteMax: u32,
  usecFsyncMax: u32,
});
const disk = {
  path: name,
  flags: u8,
  errorChunkId: u64n,
  errorTime: u32,
  used: u64n,
  total: u64n,
  chunks: u32,
};

/** An entry preceded by its own size (u16), as disk lists have them. */
function sized<T>(item: Codec<T>, sizeOf: (value: T) => number): Codec<T> {
  return {
    doc: `u16 entrysize, ${item.doc}`,
    write(w, v, c) {
      w.u16(sizeOf(v));
      item.write(w, v, c);
    },
    read(r, c) {
      r.u16();
      return item.read(r, c);
    },
  };
}

export const CLTOCS_HDD_LIST = message('CLTOCS_HDD_LIST', 600, up('04 §10.1', 'asks for the disks'), {});
export const CSTOCL_HDD_LIST = message(
  'CSTOCL_HDD_LIST',
  601,
  down('04 §10.1', 'disks with statistics of the last minute, hour and day'),
  {
    disks: listToEnd(
      sized(
        struct({ ...disk, minute: diskStats, hour: diskStats, day: diskStats }),
        (v) => 34 + 3 * 64 + v.path.length,
      ),
    ),
  },
);

const anyToClient = (spec: string, summary: string): MessageInfo => ({ spec, from: 'any', to: 'client', summary });
const clientToAny = (spec: string, summary: string): MessageInfo => ({ spec, from: 'client', to: 'any', summary });
export const CLTOAN_MONOTONIC_DATA = message(
  'CLTOAN_MONOTONIC_DATA',
  502,
  clientToAny('04 §10.5', 'asks for sums since the start'),
  {},
);
/** `rest` (chunkserver only): u16 number of disks and their entries. */
export const ANTOCL_MONOTONIC_DATA = message(
  'ANTOCL_MONOTONIC_DATA',
  503,
  anyToClient('04 §10.5', 'sums since the start'),
  {
    values: {
      doc: 'u16 n, n × u64',
      write(w, v: number[]) {
        w.u16(v.length);
        for (const one of v) w.u64n(one);
      },
      read(r) {
        const count = r.u16();
        return Array.from({ length: count }, () => r.u64n());
      },
    } as Codec<number[]>,
    rest,
  },
);
export const CLTOAN_CHART = message('CLTOAN_CHART', 504, clientToAny('04 §10.4', 'asks for a chart as PNG'), {
  chartId: u32,
  size: optional(struct({ width: u16, height: u16 })),
});
export const ANTOCL_CHART = message('ANTOCL_CHART', 505, anyToClient('04 §10.4', 'PNG'), { png: rest });
export const CLTOAN_CHART_DATA = message(
  'CLTOAN_CHART_DATA',
  506,
  clientToAny('04 §10.3', 'asks for the values of a chart'),
  {
    chartId: u32,
    maxEntries: optional(u32),
  },
);
/** Empty for an unknown chart. */
export const ANTOCL_CHART_DATA = message('ANTOCL_CHART_DATA', 507, anyToClient('04 §10.3', 'values, newest first'), {
  data: rest,
});
