/** What the read and write engines offer to the client library and the mount. */
import type { ChunkLocation } from './chunk-master.js';

export interface WriteOptions {
  /** The writer is uid 0: the space reserved for root may be used. */
  readonly superuser?: boolean;
}

/**
 * The contents of one file, shared by all its open handles of this client. Reads see what was written here before,
 * acknowledged or not. Errors have an errno name as `code` (`DataError`).
 */
export interface InodeData {
  readonly inode: number;
  /** Length in bytes as a reader on this client sees it: the master's, or more while data written here are under way. */
  readonly length: number;
  /** Data accepted by `write` and not yet known to the master. */
  readonly dirty: boolean;

  /**
   * Bytes from `offset` on, in pieces; together shorter than `sizeBytes` only at the end of the file. The pieces are views that
   * stay unchanged as long as the caller holds them.
   */
  read(offset: number, sizeBytes: number, signal?: AbortSignal): Promise<Buffer[]>;
  /**
   * Copies data into the bounded write cache; waits while it is full and while the file is being flushed. `data` must not change
   * until this resolves. Rejects with the error of an earlier write that failed for good.
   */
  write(offset: number, data: Buffer, options?: WriteOptions): Promise<void>;
  /**
   * Resolves when everything accepted before is acknowledged by all chunkservers and the master knows the length; rejects with
   * the error of a write that failed for good. That error stays until the last handle is closed.
   */
  flush(): Promise<void>;
  /**
   * Changes the length: flushes, keeps writers waiting while `perform` asks the master (truncate, O_TRUNC), and takes the length
   * that `perform` resolves to. Cached data beyond it are forgotten.
   */
  truncate(perform: () => Promise<number>): Promise<void>;
  /** Tells a length that came with attributes. Data under way here still count, and those that have just arrived at the master. */
  setLength(length: number): void;
  /** Forgets what was read ahead and all locations; data not yet written stay. */
  invalidate(): void;
  /** The handle counted by `DataEngine.open` is gone. The last one flushes; rejects as `flush`. */
  close(): Promise<void>;
}

/** One per client: connections to chunkservers, memory limits, all open files. */
export interface DataEngine {
  /** Counts one more handle of the inode; each is to be `close`d. `length` as the master told. */
  open(inode: number, length: number): InodeData;
  /** The data of an inode that has open handles. */
  find(inode: number): InodeData | undefined;

  /**
   * Tells a location that came with another answer (chunk 0 with LOOKUP): a read within the next second need not ask for it, also
   * if the inode is opened only then.
   */
  offerLocation(inode: number, chunkIndex: number, location: ChunkLocation): void;

  // What the connection to the master reports:
  /** Connection lost: all locations are forgotten. */
  masterLost(): void;
  /** Registered (again): whoever waits to try again does so at once. */
  masterBack(): void;
  /** INVALIDATE_CHUNK_CACHE (706): locations are forgotten, whoever waits to try again does so at once. */
  serversChanged(): void;
  /** CHUNK_HAS_CHANGED (702). */
  chunkChanged(change: ChunkChange): void;
  /** FLENG_HAS_CHANGED (703). */
  lengthChanged(inode: number, length: number): void;

  /** Flushes all files, as far as they can be within `timeoutMs`, and closes all connections. */
  stop(timeoutMs?: number): Promise<void>;
}

/** CHUNK_HAS_CHANGED (spec 13 §2.9). */
export interface ChunkChange {
  readonly inode: number;
  readonly chunkIndex: number;
  readonly chunkId: number;
  readonly version: number;
  readonly length: number;
  readonly truncateFlag: number;
}

/** Limits of a {@link DataEngine}; defaults as in the reference mount where it has them. */
export interface DataOptions {
  /** Source address of connections to chunkservers. */
  readonly localAddress?: string | undefined;
  /** Bytes accepted by writers and not yet acknowledged. Default 256 MiB (mfswritecachesize). */
  readonly writeCacheBytes?: number;
  /** Bytes read ahead, all files together. Default 256 MiB (mfsreadaheadsize). */
  readonly readAheadBytes?: number;
  /** Most bytes read ahead of one sequential reader. Default 8 MiB. */
  readonly readAheadWindowBytes?: number;
  /** Chunks of one file that are written at the same time. Default 16. */
  readonly chunksPerFile?: number;
  /**
   * How long master or chunkservers may be away before a read or write fails with EIO. Default: for ever, so that programs wait
   * for a failover however long it takes.
   */
  readonly outageLimitMs?: number;
  /** How long a definite refusal (chunk lost, no chunkservers) is tried again before ENXIO, ENOSPC or EIO. Default 132 s. */
  readonly refusalLimitMs?: number;
  /** The same for "no space". Default 10 s: after a failover space returns with the chunkservers. */
  readonly noSpaceLimitMs?: number;
}
