import type { Refused } from '@wapiti-fs/metadata';
import { type AttributeRecord, MFS_STATUS_OK } from '@wapiti-fs/protocol';

import type { ClientConnection } from '../connection.js';

/** Carries a request out. Undefined: there is no answer, or it follows later. */
export type Request = (client: ClientConnection, payload: Buffer) => Buffer | undefined;
/** Requests by message number. */
export type Requests = ReadonlyMap<number, Request>;

type AttributesResult = Refused | { readonly status: 0; readonly attributes: AttributeRecord };

/** The attributes after a step that may have been refused. */
export function attributesAfter({ status }: Refused, attributes: () => AttributesResult): AttributesResult {
  return status === MFS_STATUS_OK ? attributes() : { status };
}
