import {
  ANTOAN_CONFIG_VALUE,
  ANTOAN_GET_CONFIG,
  ANTOAN_GET_VERSION,
  ANTOAN_VERSION,
  type Frame,
  VERSION,
  VERSION_STRING,
} from '@wapiti-fs/protocol';
import type { FramedConnection } from '@wapiti-fs/runtime';

const MAX_VALUE_BYTES = 255;
/** Options whose values are secrets: always answered empty. */
const SECRET = /AUTH_CODE|PASSWORD/;

/** GET_VERSION and GET_CONFIG, answered on every port in every state (spec 01 §8). */
export function answerGeneric(connection: FramedConnection, frame: Frame, configValue: (name: string) => string): void {
  if (frame.type === ANTOAN_GET_VERSION.type) {
    const request = ANTOAN_GET_VERSION.decode(frame.payload);
    const text = Buffer.from(VERSION_STRING);
    connection.send(
      request.variant === 'plain'
        ? ANTOAN_VERSION.encode({ variant: 'plain', version: VERSION, text })
        : ANTOAN_VERSION.encode({ variant: 'msgid', msgid: request.msgid, version: VERSION, text }),
    );
    return;
  }
  const { msgid, name } = ANTOAN_GET_CONFIG.decode(frame.payload);
  const key = name.toString('latin1');
  const value = SECRET.test(key) ? '' : configValue(key);
  connection.send(ANTOAN_CONFIG_VALUE.encode({ msgid, value: Buffer.from(value).subarray(0, MAX_VALUE_BYTES) }));
}
