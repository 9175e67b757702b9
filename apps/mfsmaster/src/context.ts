/** What the services of the master share: given to each when it is started. */
import type { Metadata } from '@wapiti-fs/metadata';
import type { Services } from '@wapiti-fs/runtime';

import type { ChunkserverService } from './chunkservers/index.js';
import type { ClientService } from './clients/service.js';
import type { SessionTable } from './clients/session-table.js';
import type { MasterConfig } from './config.js';
import type { ParsedExports } from './exports.js';
import type { FileCheck } from './file-check.js';
import type { Changelog } from './storage/changelog.js';
import type { ChangelogFeed } from './storage/changelog-feed.js';
import type { DataFolder } from './storage/data-folder.js';
import type { ImageSaver } from './storage/image-saver.js';
import type { Turn } from './turn.js';

export interface MasterContext {
  readonly services: Services;
  readonly metadata: Metadata;
  readonly turn: Turn;
  /** Writes the files changelog.N.mfs. */
  readonly changelog: Changelog;
  /** The records as they are written, for metaloggers. */
  readonly feed: ChangelogFeed;
  /** Images and changelogs on the disk, for downloads: metadata.mfs.back, changelog.0.mfs, changelog.1.mfs. */
  readonly folder: DataFolder;
  readonly images: ImageSaver;
  readonly sessions: SessionTable;
  readonly chunkservers: ChunkserverService;
  readonly clients: ClientService;
  readonly fileCheck: FileCheck;
  /** Start of the process, seconds since 1970. */
  readonly startedS: number;
  /** The configuration in effect; another object after a reload. */
  config(): MasterConfig;
  /** Value of a key for ANTOAN_GET_CONFIG; empty when it has its default or is unknown. */
  readonly configValue: (name: string) => string;
  exports(): ParsedExports;
  /** Seconds since 1970. */
  nowS(): number;
}

/** A part of the master with a life of its own. */
export interface MasterService {
  /** The context's configuration has changed. */
  reload?(): Promise<void>;
  stop(): Promise<void>;
  /** Lines for the `info` action. */
  describe?(): string[];
}

export type StartMasterService = (context: MasterContext) => Promise<MasterService>;
