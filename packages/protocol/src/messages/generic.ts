import { name, rest, u16, u32, u64, u8 } from '../codec.js';
import { message, type MessageInfo, variants } from '../message.js';

/** Messages understood on every link (spec 01 §8). */

const any = (spec: string, summary: string): MessageInfo => ({ spec, from: 'any', to: 'any', summary });

/** On 9421 with msgid 0, in both directions; elsewhere empty. */
export const ANTOAN_NOP = variants(
  'ANTOAN_NOP',
  0,
  any('01 §8', 'keepalive'),
  { plain: {}, client: { msgid: u32 } },
  (payload) => (payload.length === 0 ? 'plain' : 'client'),
);
/** NOP of every link but 9421. */
export const NOP_FRAME = ANTOAN_NOP.encode({ variant: 'plain' });
/** NOP between master and client (9421). */
export const NOP_CLIENT_FRAME = ANTOAN_NOP.encode({ variant: 'client', msgid: 0 });

const refusal = {
  plain: { command: u32, size: u32, version: u32 },
  client: { msgid: u32, command: u32, size: u32, version: u32 },
};
const pickRefusal = (payload: Buffer): 'plain' | 'client' => (payload.length === 16 ? 'client' : 'plain');
export const ANTOAN_UNKNOWN_COMMAND = variants(
  'ANTOAN_UNKNOWN_COMMAND',
  1,
  any('01 §8', 'tolerated, never sent'),
  refusal,
  pickRefusal,
);
export const ANTOAN_BAD_COMMAND_SIZE = variants(
  'ANTOAN_BAD_COMMAND_SIZE',
  2,
  any('01 §8', 'tolerated, never sent'),
  refusal,
  pickRefusal,
);

const pickMsgid = (payload: Buffer): 'plain' | 'msgid' => (payload.length === 0 ? 'plain' : 'msgid');
export const ANTOAN_GET_VERSION = variants(
  'ANTOAN_GET_VERSION',
  10,
  any('01 §8', 'asks for the version'),
  { plain: {}, msgid: { msgid: u32 } },
  pickMsgid,
);

/** Told apart by the first u32: the answer with msgid has the version in second place, followed by text. */
export const ANTOAN_VERSION = variants(
  'ANTOAN_VERSION',
  11,
  any('01 §8', 'version word and text'),
  { plain: { version: u32, text: rest }, msgid: { msgid: u32, version: u32, text: rest } },
  (payload) => {
    // text starts with a digit: where it does, the version stands before it
    const digit = payload[4];
    return digit !== undefined && digit >= 0x30 && digit <= 0x39 ? 'plain' : 'msgid';
  },
);

export const ANTOAN_GET_CONFIG = message('ANTOAN_GET_CONFIG', 80, any('01 §8', 'asks for a configuration value'), {
  msgid: u32,
  name,
});
export const ANTOAN_CONFIG_VALUE = message(
  'ANTOAN_CONFIG_VALUE',
  81,
  any('01 §8', 'value as in the configuration file, empty if not there'),
  {
    msgid: u32,
    value: name,
  },
);

export const CLTOAN_MODULE_INFO = variants(
  'CLTOAN_MODULE_INFO',
  530,
  { spec: '01 §8', from: 'client', to: 'any', summary: 'who are you' },
  { plain: {}, msgid: { msgid: u32 } },
  pickMsgid,
);
const moduleInfo = { moduleType: u8, version: u32, moduleId: u16, metaid: u64, leaderIp: u32, leaderPort: u16 };
export const ANTOCL_MODULE_INFO = variants(
  'ANTOCL_MODULE_INFO',
  531,
  { spec: '01 §8', from: 'any', to: 'client', summary: 'type, version, id and metaid of a daemon' },
  { plain: moduleInfo, msgid: { msgid: u32, ...moduleInfo } },
  (payload) => (payload.length === 21 ? 'plain' : 'msgid'),
);
