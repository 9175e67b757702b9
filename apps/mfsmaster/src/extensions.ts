/** Parts of the master beside chunkservers and clients. */
import type { Frame } from '@wapiti-fs/protocol';

import { MONITORING } from './admin/index.js';
import type { ClientConnection } from './clients/connection.js';
import type { MasterContext, StartMasterService } from './context.js';
import { startMetaloggers } from './metaloggers/index.js';

/** Services that are started before clients and chunkservers are let in and stopped after them. */
export const EXTRA_SERVICES: readonly StartMasterService[] = [startMetaloggers];

/** Requests on port 9421 that need no session: monitoring and administration (spec 11), by message number. */
export type AdminRequest = (context: MasterContext, client: ClientConnection, frame: Frame) => Buffer | undefined;
export const ADMIN_REQUESTS: ReadonlyMap<number, AdminRequest> = MONITORING;
