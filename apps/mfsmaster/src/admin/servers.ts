/** Chunkservers and metaloggers (spec 11 §3.3, §3.4, §6.1). */
import {
  CLTOMA_CSERV_LIST,
  CLTOMA_CSSERV_COMMAND,
  CLTOMA_MLOG_LIST,
  HLSTATUS_OVERLOADED,
  HLSTATUS_REBALANCE,
  MATOCL_CSERV_LIST,
  MATOCL_CSSERV_COMMAND,
  MATOCL_MLOG_LIST,
  type MessageValue,
  MFS_ERROR_ACTIVE,
  MFS_ERROR_EINVAL,
  MFS_ERROR_NOTFOUND,
  MFS_STATUS_OK,
} from '@wapiti-fs/protocol';

import type { MasterContext } from '../context.js';
import { metaloggerService } from '../metaloggers/index.js';
import { on } from './request.js';

const DISCONNECTED = 1;
const MAINTENANCE = 2;
const MAINTENANCE_TEMPORARY = 4;
const MAINTENANCE_TMP = 2;
const OVERLOADED_GRACE = 0xc0000000;
const REBALANCE_GRACE = 0x80000000;
const VERSION_MASK = 0xffffff;

const REMOVE = 0;
const BACK_TO_WORK = 1;
const MAINTENANCE_ON = 2;
const MAINTENANCE_OFF = 3;

type ServerEntry = MessageValue<typeof MATOCL_CSERV_LIST>['servers'][number];
type CommandRequest = MessageValue<typeof CLTOMA_CSSERV_COMMAND>;

const graceTime = (hlstatus: number): number =>
  hlstatus === HLSTATUS_OVERLOADED ? OVERLOADED_GRACE : hlstatus === HLSTATUS_REBALANCE ? REBALANCE_GRACE : 0;

function serverList({ chunkservers }: MasterContext): Buffer {
  const { database, manager } = chunkservers;
  const servers = database.entries().map(({ ip, port, csid, maintenance }): ServerEntry => {
    const server = chunkservers.isConnected(csid) ? manager.servers.get(csid) : undefined;
    const temporary = maintenance === MAINTENANCE_TMP ? MAINTENANCE_TEMPORARY : 0;
    const state = maintenance === 0 ? 0 : MAINTENANCE | temporary;
    return {
      flags: state | (server === undefined ? DISCONNECTED : 0),
      version: (server?.version ?? 0) & VERSION_MASK,
      ip,
      port,
      csid,
      used: server?.usedSpace ?? 0,
      total: server?.totalSpace ?? 0,
      chunks: server?.chunks ?? 0,
      tdUsed: server?.tdUsedSpace ?? 0,
      tdTotal: server?.tdTotalSpace ?? 0,
      tdChunks: server?.tdChunks ?? 0,
      errorCount: server?.errorCount ?? 0,
      load: server?.load ?? 0,
      graceTime: graceTime(server?.hlstatus ?? 0),
      labelMask: server?.labelMask ?? 0,
      mfrStatus: 0,
    };
  });
  return MATOCL_CSERV_LIST.encode({ servers });
}

function command({ chunkservers, config, nowS }: MasterContext, { command, ip, port }: CommandRequest): number {
  const { database } = chunkservers;
  if (command > MAINTENANCE_OFF) return MFS_ERROR_EINVAL;
  const entry = database.find(ip, port);
  if (entry === undefined) return MFS_ERROR_NOTFOUND;
  const connected = chunkservers.isConnected(entry.csid);
  const server = chunkservers.manager.servers.get(entry.csid);
  switch (command) {
    case REMOVE:
      if (connected) return MFS_ERROR_ACTIVE;
      database.remove(ip, port);
      break;
    case MAINTENANCE_ON: {
      const { maintenanceS } = config();
      database.setMaintenance(ip, port, true, maintenanceS === 0 ? 0 : nowS() + maintenanceS);
      if (server !== undefined) server.maintenance = true;
      break;
    }
    case MAINTENANCE_OFF:
      database.setMaintenance(ip, port, false, 0);
      if (server !== undefined) server.maintenance = false;
      break;
    case BACK_TO_WORK: // there is no grace period to end
  }
  return MFS_STATUS_OK;
}

export const SERVER_REQUESTS = [
  on(CLTOMA_CSERV_LIST, serverList),
  on(CLTOMA_MLOG_LIST, (master) => MATOCL_MLOG_LIST.encode({ metaloggers: metaloggerService(master)?.list() ?? [] })),
  on(CLTOMA_CSSERV_COMMAND, (master, request) => MATOCL_CSSERV_COMMAND.encode({ status: command(master, request) })),
];
