import type { MasterSession } from '@wapiti-fs/client';
import { FuseError } from '@wapiti-fs/fuse';
import { parseIpv4 } from '@wapiti-fs/protocol';

import { EIO } from './errors.js';

/** Contents of `.masterinfo`, by which the command line tools find the master and share the session (spec 13 §11). */
export function masterInfo(session: MasterSession): Buffer {
  const master = session.masterAddress;
  if (master === undefined) throw new FuseError(EIO, 'no connection to the master at the moment');
  const content = Buffer.alloc(14);
  content.writeUInt32BE(parseIpv4(master.address) ?? 0, 0);
  content.writeUInt16BE(master.port, 4);
  content.writeUInt32BE(session.info.sessionId, 6);
  content.writeUInt32BE(session.info.masterVersion, 10);
  return content;
}
