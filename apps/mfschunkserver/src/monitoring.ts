/** Monitoring requests on the data port (spec 04 §10, 11 §2, §4). */
import { type DiskStatsBlock, emptyStats, type Folder, type FolderLine } from '@wapiti-fs/chunkstore';
import { ANTOCL_MODULE_INFO, CLTOAN_MODULE_INFO, CLTOCS_HDD_LIST, CSTOCL_HDD_LIST, VERSION } from '@wapiti-fs/protocol';

import type { ServerContext } from './server-context.js';

const MODULE_CHUNKSERVER = 2;
const FLAG_MARKED = 1;
const FLAG_DAMAGED = 2;
const FLAG_SCANNING = 4;
const FLAG_UNUSABLE = 8;
const MAX_PATH_BYTES = 255;

/** The answer to a monitoring request; undefined for any other type. A malformed request throws. */
export function answerMonitoring(context: ServerContext, type: number, payload: Buffer): Buffer | undefined {
  switch (type) {
    case CLTOAN_MODULE_INFO.type: {
      if (payload.length > 0) throw new Error('CLTOAN_MODULE_INFO of wrong length');
      const master = context.info.master();
      return ANTOCL_MODULE_INFO.encode({
        variant: 'plain',
        moduleType: MODULE_CHUNKSERVER,
        version: VERSION,
        moduleId: context.info.csid(),
        metaid: context.info.metaid(),
        leaderIp: master.ip,
        leaderPort: master.port,
      });
    }
    case CLTOCS_HDD_LIST.type:
      CLTOCS_HDD_LIST.decode(payload);
      return hddList(context);
    default:
      return undefined;
  }
}

/** In reverse order of the configuration, as the reference does. */
function hddList({ store }: ServerContext): Buffer {
  const entries = [
    ...store.folders.map((folder) => ({ line: folder.line, entry: folderEntry(folder) })),
    ...store.unusableFolders.map((line) => ({ line, entry: unusableEntry(line) })),
  ];
  entries.sort((a, b) => b.line.line - a.line.line);
  return CSTOCL_HDD_LIST.encode({ disks: entries.map(({ entry }) => entry) });
}

function folderEntry(folder: Folder): HddEntry {
  const scanning = folder.state === 'scanning';
  return {
    path: shownPath(folder.path),
    flags:
      (folder.markedForRemoval ? FLAG_MARKED : 0) |
      (folder.state === 'damaged' ? FLAG_DAMAGED : 0) |
      (scanning ? FLAG_SCANNING : 0),
    errorChunkId: folder.lastError?.chunkId ?? 0,
    errorTime: folder.lastError?.timeS ?? 0,
    used: scanning ? folder.scanPercent : folder.totalBytes - folder.availBytes,
    total: scanning ? 0 : folder.totalBytes,
    chunks: folder.chunks,
    minute: folder.stats.lastMinute,
    hour: folder.stats.lastHour,
    day: folder.stats.lastDay,
  };
}

function unusableEntry(line: FolderLine): HddEntry {
  return {
    path: shownPath(line.path),
    flags: FLAG_DAMAGED | FLAG_UNUSABLE,
    errorChunkId: 0,
    errorTime: 0,
    used: 0,
    total: 0,
    chunks: 0,
    minute: emptyStats(),
    hour: emptyStats(),
    day: emptyStats(),
  };
}

interface HddEntry {
  readonly path: Buffer;
  readonly flags: number;
  readonly errorChunkId: number;
  readonly errorTime: number;
  readonly used: number;
  readonly total: number;
  readonly chunks: number;
  readonly minute: DiskStatsBlock;
  readonly hour: DiskStatsBlock;
  readonly day: DiskStatsBlock;
}

function shownPath(path: string): Buffer {
  const bytes = Buffer.from(path);
  return bytes.length <= MAX_PATH_BYTES ? bytes : Buffer.concat([Buffer.from('(...)'), bytes.subarray(-250)]);
}
