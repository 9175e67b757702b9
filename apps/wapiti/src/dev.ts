/**
 * A whole cluster in one process: the roles that are daemons elsewhere are started by their `StartRole` functions, on loopback
 * and on ports of their own, so that neither root nor any file outside the data folder is needed.
 */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { chunkserverConfig, startChunkserver } from '@wapiti-fs/mfschunkserver';
import { masterConfig, startMaster } from '@wapiti-fs/mfsmaster';
import { metaloggerConfig, startMetalogger } from '@wapiti-fs/mfsmetalogger';
import { configFrom, type Logger, type Services, systemClock, systemRandom, tcpNetwork } from '@wapiti-fs/runtime';

export interface DevOptions {
  /** Folder for everything; made if missing. */
  readonly dataDir: string;
  readonly chunkservers: number;
  /** Master: metaloggers, chunkservers and clients on this port and the next two; then one for each chunkserver. */
  readonly portBase: number;
  readonly log: Logger;
}

export interface DevCluster {
  /** `127.0.0.1:port` of the master for clients. */
  readonly master: string;
  readonly chunkserverPorts: readonly number[];
  /** The file system was made by this start. */
  readonly fresh: boolean;
  /** Resolves if a role ends by itself, with its name and reason. */
  readonly ended: Promise<{ readonly role: string; readonly error: Error | undefined }>;
  /** Stops all roles in order: metadata are saved last. */
  stop(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const NEW_METADATA = 'MFSM NEW';
/** More than any machine wants; also keeps the ports in range. */
export const MAX_CHUNKSERVERS = 64;

interface Started {
  readonly name: string;
  readonly role: { stop(): Promise<void>; readonly ended: Promise<Error | undefined> };
}

export async function startDevCluster(options: DevOptions): Promise<DevCluster> {
  const { chunkservers, portBase, log } = options;
  const dataDir = resolve(options.dataDir);
  const started: Started[] = [];
  const stop = async (): Promise<void> => {
    for (const { name, role } of started.splice(0).reverse()) {
      log.info(`stopping ${name}`);
      await role.stop();
    }
  };
  const services = (name: string): Services => ({
    clock: systemClock,
    random: systemRandom,
    network: tcpNetwork,
    log: log.child(name),
  });
  const masterPorts = { control: portBase, chunkservers: portBase + 1, clients: portBase + 2 };
  const chunkserverPorts = Array.from({ length: chunkservers }, (_, index) => portBase + 3 + index);
  let fresh: boolean;
  try {
    const masterDir = await folder(dataDir, 'master');
    const exportsFile = join(dataDir, 'mfsexports.cfg');
    await writeFile(exportsFile, `${LOOPBACK} / rw,alldirs,admin,maproot=0:0\n${LOOPBACK} . rw\n`);
    const metadata = join(masterDir, 'metadata.mfs');
    fresh = await isFresh(masterDir);
    if (fresh) await writeFile(metadata, NEW_METADATA);
    const { config } = configFrom(masterConfig, {
      DATA_PATH: masterDir,
      EXPORTS_FILENAME: exportsFile,
      MATOML_LISTEN_HOST: LOOPBACK,
      MATOML_LISTEN_PORT: masterPorts.control,
      MATOCS_LISTEN_HOST: LOOPBACK,
      MATOCS_LISTEN_PORT: masterPorts.chunkservers,
      MATOCL_LISTEN_HOST: LOOPBACK,
      MATOCL_LISTEN_PORT: masterPorts.clients,
      ALLOW_LOOPBACK_CHUNKSERVERS: 1,
    });
    // After a crash (or kill -9) the changelogs are needed too; after a clean end they change nothing.
    started.push({ name: 'master', role: await startMaster({ ...config, restore: !fresh }, services('master')) });

    for (const [index, port] of chunkserverPorts.entries()) {
      const name = `chunkserver${index + 1}`;
      const { config: server } = configFrom(chunkserverConfig, {
        DATA_PATH: await folder(dataDir, name),
        HDD_LEAVE_SPACE_DEFAULT: '64MiB',
        MASTER_HOST: LOOPBACK,
        MASTER_PORT: masterPorts.chunkservers,
        MASTER_RECONNECTION_DELAY: 1,
        CSSERV_LISTEN_HOST: LOOPBACK,
        CSSERV_LISTEN_PORT: port,
      });
      const hddLines = [await folder(dataDir, name, 'chunks')];
      started.push({ name, role: await startChunkserver({ ...server, hddLines }, services(name)) });
    }

    const { config: logger } = configFrom(metaloggerConfig, {
      DATA_PATH: await folder(dataDir, 'metalogger'),
      MASTER_HOST: LOOPBACK,
      MASTER_PORT: masterPorts.control,
      MASTER_RECONNECTION_DELAY: 1,
    });
    started.push({ name: 'metalogger', role: await startMetalogger(logger, services('metalogger')) });
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
  return {
    master: `${LOOPBACK}:${masterPorts.clients}`,
    chunkserverPorts,
    fresh,
    ended: Promise.race(started.map(({ name, role }) => role.ended.then((error) => ({ role: name, error })))),
    stop,
  };
}

async function folder(...parts: string[]): Promise<string> {
  const path = join(...parts);
  await mkdir(path, { recursive: true });
  return path;
}

/** No metadata of an earlier run: neither an image nor changes after one. */
async function isFresh(masterDir: string): Promise<boolean> {
  for (const name of ['metadata.mfs', 'metadata.mfs.back', 'changelog.0.mfs']) {
    if (
      await stat(join(masterDir, name)).then(
        () => true,
        () => false,
      )
    )
      return false;
  }
  return true;
}
