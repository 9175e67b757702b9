/** Parts of the master beside chunkservers and clients. */
import type { Frame } from '@wapiti-fs/protocol';

import type { ClientConnection } from './clients/connection.js';
import type { MasterContext, StartMasterService } from './context.js';

/** Services that are started last and stopped first, such as the one for metaloggers on port 9419. */
export const EXTRA_SERVICES: readonly StartMasterService[] = [];

/** Requests on port 9421 that need no session: monitoring and administration (spec 11), by message number. */
export type AdminRequest = (context: MasterContext, client: ClientConnection, frame: Frame) => Buffer | undefined;
export const ADMIN_REQUESTS: ReadonlyMap<number, AdminRequest> = new Map();
