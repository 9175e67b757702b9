/** Effects on the identity of the instance and the data base of chunkservers: spec 08 §6.1, §6.10. */
import { MFS_ERROR_EINVAL, MFS_ERROR_MISMATCH } from '@wapiti-fs/protocol';
import { ApplyError } from '../errors.js';
import { check, type Handlers } from './checks.js';

const MAX_CSID = 65535;

export const instanceEffects = {
  SETMETAID(store, change) {
    check(store.metaid === 0n || store.metaid === change.metaid, change, MFS_ERROR_EINVAL, 'another id is set already');
    store.metaid = change.metaid;
  },
  IDLE() {
    // counts the version only
  },
  CSDBOP(store, change) {
    const servers = store.tables.chunkservers;
    const { operation, ip, port, argument } = change;
    const at = servers.findIndex((server) => server.ip === ip && server.port === port);
    const known = servers[at];
    const withId = argument === 0 ? undefined : servers.find((server) => server.csid === argument);
    const wrong = (detail: string): ApplyError =>
      new ApplyError(change.op, MFS_ERROR_MISMATCH, `operation ${operation}: ${detail}`);
    if (operation <= 3 && argument > MAX_CSID) throw wrong(`server id ${argument}`);
    if (operation === 0) {
      if (known !== undefined || withId !== undefined) throw wrong('the server is known already');
      servers.push({ ip, port, csid: argument, maintenance: 0, maintenanceTimeout: 0 });
    } else if (operation === 2) {
      if (withId === undefined) throw wrong(`no server with id ${argument}`);
      withId.ip = ip;
      withId.port = port;
    } else if (known === undefined) {
      throw wrong('no such server');
    } else if (operation === 1) {
      servers.splice(at, 1);
    } else if (operation === 3) {
      if (argument === 0 || withId !== undefined) throw wrong(`server id ${argument} is not free`);
      known.csid = argument;
    } else if (operation >= 4 && operation <= 6) {
      known.maintenance = operation === 4 ? 1 : operation === 5 ? 0 : 2;
      known.maintenanceTimeout = argument;
    } else throw wrong('unknown operation');
  },
} satisfies Handlers;
