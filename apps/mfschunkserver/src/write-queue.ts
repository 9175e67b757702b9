/**
 * Packets of a write session on their way to the disk. Those that continue each other within a block and wait for the same turn
 * are written together: sequential writes of 4 KiB cost one write of data and one of the CRC for up to 16 packets.
 */
import { crc32 } from 'node:zlib';

import { ChunkError, type ChunkStore, checkPlace, type OpenChunk, StoreStatus, WriteRun } from '@wapiti-fs/chunkstore';

import { statusOf } from './data-connection.js';
import type { WriteData } from './data-frames.js';

/** A packet that is not answered yet. */
export interface Pending {
  readonly writeId: number;
  readonly sizeBytes: number;
  localDone: boolean;
  nextDone: boolean;
  status: number;
}

class PacketRun extends WriteRun {
  readonly packets: Pending[] = [];
}

export class WriteQueue {
  /** The one that may still grow. */
  private last: PacketRun | undefined;
  /** Came in this turn: they start when all that came with them is looked at. */
  private readonly arrived: PacketRun[] = [];
  private readonly startArrived = (): void => {
    for (const run of this.arrived) void this.write(run);
    this.arrived.length = 0;
  };

  /**
   * @param done is called when packets are written, or have failed: their `localDone` and `status` say so
   */
  constructor(
    private readonly store: ChunkStore,
    private readonly chunk: OpenChunk,
    private readonly version: number,
    private readonly done: (packets: readonly Pending[]) => void,
  ) {}

  add(packet: Pending, { block, offset, data, crc }: WriteData): void {
    try {
      checkPlace(block, offset, data.length);
      if (crc32(data) !== crc) throw new ChunkError(StoreStatus.CRC, 'CRC of received data is wrong');
    } catch (error) {
      return this.finish([packet], statusOf(error));
    }
    if (this.last?.extend(block, offset, data, crc)) {
      this.last.packets.push(packet);
      return;
    }
    const run = new PacketRun(block, offset, data, crc);
    run.packets.push(packet);
    this.last = run;
    if (this.arrived.length === 0) queueMicrotask(this.startArrived);
    this.arrived.push(run);
  }

  private async write(run: PacketRun): Promise<void> {
    let status: number = StoreStatus.OK;
    try {
      await this.store.writeRun(this.chunk, this.version, run);
    } catch (error) {
      status = statusOf(error);
    }
    // Failed before its turn came: what would follow must not be lost with it.
    run.begin();
    this.finish(run.packets, status);
  }

  private finish(packets: readonly Pending[], status: number): void {
    for (const packet of packets) {
      packet.localDone = true;
      if (status !== StoreStatus.OK) packet.status = status;
    }
    this.done(packets);
  }
}
