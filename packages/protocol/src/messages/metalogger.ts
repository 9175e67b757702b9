import { constant, rest, u16, u32, u64n, u8 } from '../codec.js';
import { dataMessage, message, type MessageInfo, variants } from '../message.js';
import { ProtocolError } from '../errors.js';

/** Metalogger and master, port 9419 (spec 06 §3). */

const up = (spec: string, summary: string): MessageInfo => ({ spec, from: 'metalogger', to: 'master', summary });
const down = (spec: string, summary: string): MessageInfo => ({ spec, from: 'master', to: 'metalogger', summary });

/** `fresh`: stream from now on. `resume`: from change `firstVersion` on, if still remembered. There is no answer. */
export const ANTOMA_REGISTER = variants(
  'ANTOMA_REGISTER',
  50,
  up('06 §3.2', 'metalogger registers'),
  {
    fresh: { rver: constant(u8, 1), version: u32, timeoutS: u16 },
    resume: { rver: constant(u8, 2), version: u32, timeoutS: u16, firstVersion: u64n },
  },
  (payload) => {
    if (payload[0] === 1) return 'fresh';
    if (payload[0] === 2) return 'resume';
    throw new ProtocolError(`wrong version (${payload[0] ?? 'none'}/1)`, '', 'rver');
  },
);

/** `text` is the entry without version and newline, with its terminating zero byte. */
export const MATOAN_METACHANGES_LOG = variants(
  'MATOAN_METACHANGES_LOG',
  51,
  down('06 §3.3', 'one change, or: rotate'),
  { change: { marker: constant(u8, 0xff), version: u64n, text: rest }, rotate: { marker: constant(u8, 0x55) } },
  (payload) => (payload.length === 1 ? 'rotate' : 'change'),
);

/** Files: 1 image, 11 changelog.0, 12 changelog.1. */
export const ANTOMA_DOWNLOAD_START = message('ANTOMA_DOWNLOAD_START', 60, up('06 §3.4', 'opens a file'), {
  filenum: u8,
});
export const MATOAN_DOWNLOAD_INFO = variants(
  'MATOAN_DOWNLOAD_INFO',
  61,
  down('06 §3.4', 'size of the file, or status 0xFF'),
  { status: { status: u8 }, size: { size: u64n } },
  (payload) => (payload.length === 1 ? 'status' : 'size'),
);
export const ANTOMA_DOWNLOAD_REQUEST = message('ANTOMA_DOWNLOAD_REQUEST', 62, up('06 §3.4', 'asks for a block'), {
  offset: u64n,
  length: u32,
});
/** `crc` over the data (zlib CRC-32). */
export const MATOAN_DOWNLOAD_DATA = dataMessage('MATOAN_DOWNLOAD_DATA', 63, down('06 §3.4', 'a block'), {
  offset: u64n,
  size: u32,
  crc: u32,
});
export const ANTOMA_DOWNLOAD_END = message('ANTOMA_DOWNLOAD_END', 64, up('06 §3.4', 'closes the file'), {});
