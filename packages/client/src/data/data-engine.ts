import { MFSBLOCKSIZE } from '@wapiti-fs/protocol';
import type { Services, Timer } from '@wapiti-fs/runtime';

import { BlockPool } from './chunk-blocks.js';
import type { ChunkLocation, ChunkMaster } from './chunk-master.js';
import type { ChunkChange, DataEngine, DataOptions, InodeData } from './data.js';
import { type EngineParts, ReadMemory } from './engine-parts.js';
import { FileData } from './file-data.js';
import { Offers } from './offers.js';
import { ServerConnections } from './server-connections.js';
import { Budget, Pauses } from './waiting.js';

const MIB = 1024 * 1024;
const DEFAULT_CACHE_BYTES = 256 * MIB;
const DEFAULT_WINDOW_BYTES = 8 * MIB;
const DEFAULT_CHUNKS_PER_FILE = 16;
/** As long as the reference tries 30 times (spec 13 §2.5). */
const DEFAULT_REFUSAL_LIMIT_MS = 132_000;
const DEFAULT_NO_SPACE_LIMIT_MS = 10_000;
const DEFAULT_STOP_TIMEOUT_MS = 30_000;
const MIN_WRITE_BLOCKS = 10;
/** Two full windows. */
const SPARE_BLOCKS = 128;
/** Write sessions at the same time, all files together. */
const WRITE_SLOTS = 128;
const SWEEP_MS = 10_000;

/** Starts the engines of a client: `master` is the way to the master, `services` the world outside. */
export function createDataEngine(
  services: Pick<Services, 'clock' | 'network' | 'log'>,
  master: ChunkMaster,
  options: DataOptions = {},
): DataEngine {
  return new Engine(services, master, options);
}

class Engine implements DataEngine {
  private readonly files = new Map<number, FileData>();
  private readonly offers = new Offers();
  private readonly parts: EngineParts;
  private readonly sweeper: Timer;

  constructor(
    { clock, network, log }: Pick<Services, 'clock' | 'network' | 'log'>,
    master: ChunkMaster,
    options: DataOptions,
  ) {
    const cacheBytes = options.writeCacheBytes ?? DEFAULT_CACHE_BYTES;
    this.parts = {
      clock,
      log: log.child('data'),
      master,
      connections: new ServerConnections(network, clock, options.localAddress),
      pauses: new Pauses(clock),
      limits: {
        outageLimitMs: options.outageLimitMs ?? Infinity,
        refusalLimitMs: options.refusalLimitMs ?? DEFAULT_REFUSAL_LIMIT_MS,
        noSpaceLimitMs: options.noSpaceLimitMs ?? DEFAULT_NO_SPACE_LIMIT_MS,
      },
      writeCache: new Budget(Math.max(Math.floor(cacheBytes / MFSBLOCKSIZE), MIN_WRITE_BLOCKS)),
      blockPool: new BlockPool(SPARE_BLOCKS),
      writeSlots: new Budget(WRITE_SLOTS),
      readAhead: new ReadMemory(options.readAheadBytes ?? DEFAULT_CACHE_BYTES),
      chunksPerFile: options.chunksPerFile ?? DEFAULT_CHUNKS_PER_FILE,
      readAheadWindowBytes: options.readAheadWindowBytes ?? DEFAULT_WINDOW_BYTES,
    };
    this.sweeper = clock.every(SWEEP_MS, () => {
      for (const file of this.files.values()) file.sweep(clock.monotonicMs());
    });
  }

  open(inode: number, length: number): InodeData {
    let file = this.files.get(inode);
    if (file === undefined) {
      file = new FileData(this.parts, inode, length, (one) => {
        one.invalidate();
        this.files.delete(inode);
      });
      this.files.set(inode, file);
      const offer = this.offers.take(inode, this.parts.clock.monotonicMs());
      if (offer !== undefined) file.offered(offer.chunkIndex, offer.location);
    } else {
      file.setLength(length);
    }
    file.handles++;
    return file;
  }

  find(inode: number): InodeData | undefined {
    return this.files.get(inode);
  }

  offerLocation(inode: number, chunkIndex: number, location: ChunkLocation): void {
    const file = this.files.get(inode);
    if (file !== undefined) file.offered(chunkIndex, location);
    else this.offers.put(inode, { chunkIndex, location, atMs: this.parts.clock.monotonicMs() });
  }

  masterLost(): void {
    this.offers.clear();
    for (const file of this.files.values()) file.locations.clear();
  }

  masterBack(): void {
    this.parts.pauses.wakeAll();
  }

  serversChanged(): void {
    this.masterLost();
    this.parts.pauses.wakeAll();
  }

  chunkChanged(change: ChunkChange): void {
    this.offers.take(change.inode, 0);
    this.files.get(change.inode)?.changed(change);
  }

  lengthChanged(inode: number, length: number): void {
    this.files.get(inode)?.lengthIs(length);
  }

  async stop(timeoutMs = DEFAULT_STOP_TIMEOUT_MS): Promise<void> {
    this.sweeper.cancel();
    const flushed = Promise.allSettled([...this.files.values()].map((file) => file.flush()));
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.parts.clock.after(timeoutMs, resolve);
    });
    await Promise.race([flushed, late]);
    timer?.cancel();
    this.parts.connections.closeAll();
  }
}
