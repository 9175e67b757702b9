import {
  ANTOAN_BAD_COMMAND_SIZE,
  ANTOAN_CONFIG_VALUE,
  ANTOAN_GET_CONFIG,
  ANTOAN_GET_VERSION,
  ANTOAN_NOP,
  ANTOAN_UNKNOWN_COMMAND,
  ANTOAN_VERSION,
  type Frame,
  VERSION,
  VERSION_STRING,
} from '@wapiti-fs/protocol';
import type { FramedConnection } from './connection.js';

const MAX_VALUE_BYTES = 255;
/** Options whose values are secrets: always answered empty. */
const SECRET = /AUTH_CODE|PASSWORD/;

/**
 * What every port takes in every state (spec 01 §8): GET_VERSION and GET_CONFIG are answered, NOPs and complaints need no answer.
 *
 * @returns true: it was one of these; false: the frame is left to the caller
 * @throws ProtocolError
 */
export function takeGeneric(
  connection: FramedConnection,
  { type, payload }: Frame,
  configValue: (name: string) => string,
): boolean {
  switch (type) {
    case ANTOAN_NOP.type:
    case ANTOAN_UNKNOWN_COMMAND.type:
    case ANTOAN_BAD_COMMAND_SIZE.type:
      return true;
    case ANTOAN_GET_VERSION.type: {
      const request = ANTOAN_GET_VERSION.decode(payload);
      const text = Buffer.from(VERSION_STRING);
      connection.send(
        request.variant === 'plain'
          ? ANTOAN_VERSION.encode({ variant: 'plain', version: VERSION, text })
          : ANTOAN_VERSION.encode({ variant: 'msgid', msgid: request.msgid, version: VERSION, text }),
      );
      return true;
    }
    case ANTOAN_GET_CONFIG.type: {
      const { msgid, name } = ANTOAN_GET_CONFIG.decode(payload);
      const key = name.toString('latin1');
      const value = SECRET.test(key) ? '' : configValue(key);
      connection.send(ANTOAN_CONFIG_VALUE.encode({ msgid, value: Buffer.from(value).subarray(0, MAX_VALUE_BYTES) }));
      return true;
    }
    default:
      return false;
  }
}
