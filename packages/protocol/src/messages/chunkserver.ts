import { bytes, constant, listToEnd, struct, u16, u32, u64, u64n, u8 } from '../codec.js';
import { ProtocolError } from '../errors.js';
import { times } from '../fields.js';
import { message, type MessageInfo, variants } from '../message.js';

/** Chunkserver and master, port 9420 (spec 03). */

const up = (spec: string, summary: string): MessageInfo => ({ spec, from: 'chunkserver', to: 'master', summary });
const down = (spec: string, summary: string): MessageInfo => ({ spec, from: 'master', to: 'chunkserver', summary });

/** Bit 31 of a reported chunk version: the copy is on a disk marked for removal (spec 03 §4.1). */
export const CHUNK_MARKED_FOR_REMOVAL = 0x80000000;

const space = {
  usedSpace: u64n,
  totalSpace: u64n,
  chunks: u32,
  tdUsedSpace: u64n,
  tdTotalSpace: u64n,
  tdChunks: u32,
};
const begin = { version: u32, ip: u32, port: u16, timeoutS: u16, csid: u16, ...space };
const reported = struct({ chunkId: u64n, version: u32 });

/** `begin`, with `passcode` only after a challenge (`beginAuth`); `chunks`; `end`; `leave`. */
export const CSTOMA_REGISTER = variants(
  'CSTOMA_REGISTER',
  100,
  up('03 §4.1', 'registration in parts'),
  {
    begin: { rver: constant(u8, 60), ...begin },
    beginAuth: { rver: constant(u8, 60), passcode: bytes(16), ...begin },
    chunks: { rver: constant(u8, 61), chunkList: listToEnd(reported) },
    end: { rver: constant(u8, 62) },
    leave: { rver: constant(u8, 63) },
  },
  (payload) => {
    switch (payload[0]) {
      case 60:
        return payload.length === 71 ? 'beginAuth' : 'begin';
      case 61:
        return 'chunks';
      case 62:
        return 'end';
      case 63:
        return 'leave';
      default:
        throw new ProtocolError(`registration of version ${payload[0] ?? 'none'} is not supported`, '', 'rver');
    }
  },
);
export const CSTOMA_SPACE = message('CSTOMA_SPACE', 101, up('03 §8.2', 'space and chunk counts'), space);
export const CSTOMA_CHUNK_DAMAGED = message('CSTOMA_CHUNK_DAMAGED', 102, up('03 §9', 'broken copies'), {
  chunkIds: listToEnd(u64n),
});
export const CSTOMA_CURRENT_LOAD = message('CSTOMA_CURRENT_LOAD', 103, up('03 §8.3', 'queued jobs and health'), {
  load: u32,
  hlstatus: u8,
});

/** Answer to a registration packet (spec 03 §5). */
export const MATOCS_MASTER_ACK = variants(
  'MATOCS_MASTER_ACK',
  104,
  down('03 §5', 'registration: accepted, go on, or challenge'),
  {
    accepted: { atype: constant(u8, 0), version: u32, timeoutS: u16, csid: u16, metaid: u64 },
    next: { atype: constant(u8, 0) },
    redirect: { atype: constant(u8, 1), leaderIp: u32 },
    wait: { atype: constant(u8, 2), version: u32, timeoutS: u16 },
    waitMetaid: { atype: constant(u8, 2), version: u32, timeoutS: u16, metaid: u64 },
    challenge: { atype: constant(u8, 3), random: bytes(32) },
  },
  (payload) => {
    const key = `${payload[0] ?? 'none'}/${payload.length}`;
    switch (key) {
      case '0/17':
        return 'accepted';
      case '0/1':
        return 'next';
      case '1/5':
        return 'redirect';
      case '2/7':
        return 'wait';
      case '2/15':
        return 'waitMetaid';
      case '3/33':
        return 'challenge';
      default:
        throw new ProtocolError(`impossible type/length ${key}`, '', 'atype');
    }
  },
);
export const CSTOMA_CHUNK_LOST = message('CSTOMA_CHUNK_LOST', 105, up('03 §9', 'copies that are gone'), {
  chunkIds: listToEnd(u64n),
});
export const CSTOMA_ERROR_OCCURRED = message('CSTOMA_ERROR_OCCURRED', 106, up('03 §9', 'counts errors'), {});
export const CSTOMA_CHUNK_NEW = message('CSTOMA_CHUNK_NEW', 107, up('03 §9', 'copies that were found'), {
  chunkList: listToEnd(reported),
});
export const CSTOMA_LABELS = message('CSTOMA_LABELS', 109, up('03 §8.1', 'label mask'), { labelMask: u32 });

const result = { chunkId: u64n, status: u8 };
export const MATOCS_CREATE = message('MATOCS_CREATE', 110, down('03 §10.1', 'create an empty chunk'), {
  chunkId: u64n,
  version: u32,
});
export const CSTOMA_CREATE = message('CSTOMA_CREATE', 111, up('03 §10.1', 'result'), result);
export const MATOCS_DELETE = message('MATOCS_DELETE', 120, down('03 §10.2', 'delete; version 0: any'), {
  chunkId: u64n,
  version: u32,
});
export const CSTOMA_DELETE = message('CSTOMA_DELETE', 121, up('03 §10.2', 'result'), result);
const duplicate = { newChunkId: u64n, newVersion: u32, oldChunkId: u64n, oldVersion: u32 };
export const MATOCS_DUPLICATE = message('MATOCS_DUPLICATE', 130, down('03 §10.4', 'copy as a new chunk'), duplicate);
export const CSTOMA_DUPLICATE = message('CSTOMA_DUPLICATE', 131, up('03 §10.4', 'result'), result);
/** The new version comes first. */
export const MATOCS_SET_VERSION = message('MATOCS_SET_VERSION', 140, down('03 §10.3', 'change the version'), {
  chunkId: u64n,
  newVersion: u32,
  oldVersion: u32,
});
export const CSTOMA_SET_VERSION = message('CSTOMA_SET_VERSION', 141, up('03 §10.3', 'result'), result);

const source = struct({ chunkId: u64n, version: u32, ip: u32, port: u16 });
export const MATOCS_REPLICATE = variants(
  'MATOCS_REPLICATE',
  150,
  down('03 §10.7', 'fetch a chunk from another chunkserver'),
  {
    simple: { chunkId: u64n, version: u32, sourceIp: u32, sourcePort: u16 },
    xor: { chunkId: u64n, version: u32, xorMasks: times(4, u32), sources: listToEnd(source) },
  },
  (payload) => (payload.length === 18 ? 'simple' : 'xor'),
);
export const CSTOMA_REPLICATE = message('CSTOMA_REPLICATE', 151, up('03 §10.7', 'result'), {
  chunkId: u64n,
  version: u32,
  status: u8,
});

const chunkop = { chunkId: u64n, version: u32, newVersion: u32, copyChunkId: u64n, copyVersion: u32, length: u32 };
export const MATOCS_CHUNKOP = message('MATOCS_CHUNKOP', 152, down('03 §10.8', 'general form of the commands'), chunkop);
export const CSTOMA_CHUNKOP = message('CSTOMA_CHUNKOP', 153, up('03 §10.8', 'result'), { ...chunkop, status: u8 });
/** The new version comes before the old one. */
export const MATOCS_TRUNCATE = message('MATOCS_TRUNCATE', 160, down('03 §10.5', 'cut or extend'), {
  chunkId: u64n,
  length: u32,
  newVersion: u32,
  oldVersion: u32,
});
export const CSTOMA_TRUNCATE = message('CSTOMA_TRUNCATE', 161, up('03 §10.5', 'result'), result);
export const MATOCS_DUPTRUNC = message('MATOCS_DUPTRUNC', 170, down('03 §10.6', 'copy and cut'), {
  ...duplicate,
  length: u32,
});
export const CSTOMA_DUPTRUNC = message('CSTOMA_DUPTRUNC', 171, up('03 §10.6', 'result'), result);
