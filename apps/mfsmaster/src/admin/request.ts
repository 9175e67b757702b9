import type { Message } from '@wapiti-fs/protocol';
import { ProtocolError, Writer, type Codec } from '@wapiti-fs/protocol';

import type { MasterContext } from '../context.js';
import type { AdminRequest } from '../extensions.js';

/** Carries out a decoded request; undefined: the answer follows by itself. */
type Handler<T> = (master: MasterContext, request: T, answerLater: (frame: Buffer) => void) => Buffer | undefined;

/** An entry of the table of monitoring requests. Tools registered for a session may not send them (spec 11 §1.1). */
export function on<T>(message: Message<T>, handler: Handler<T>): readonly [number, AdminRequest] {
  return [
    message.type,
    (master, client, frame) => {
      if (client.state === 'tools') throw new ProtocolError('not allowed on a connection of tools', message.name);
      return handler(master, message.decode(frame.payload), (answer) => client.send(answer));
    },
  ];
}

/** The bytes of a value of which the message itself only knows that it is the rest. */
export function encoded<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new Writer();
  codec.write(writer, value, {});
  return writer.finish();
}
