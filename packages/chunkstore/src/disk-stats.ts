/** I/O of one folder over the last minute, hour and day (spec 04 §10.1), and since the start. */
import type { IoMeter } from './chunk-data.js';

/** The fields of a 64-byte statistics block; times in microseconds. */
export interface DiskStatsBlock {
  bytesRead: number;
  bytesWritten: number;
  usecRead: number;
  usecWrite: number;
  usecFsync: number;
  readOps: number;
  writeOps: number;
  fsyncOps: number;
  usecReadMax: number;
  usecWriteMax: number;
  usecFsyncMax: number;
}

const MINUTES_PER_DAY = 1440;
const MINUTES_PER_HOUR = 60;

export function emptyStats(): DiskStatsBlock {
  return {
    bytesRead: 0,
    bytesWritten: 0,
    usecRead: 0,
    usecWrite: 0,
    usecFsync: 0,
    readOps: 0,
    writeOps: 0,
    fsyncOps: 0,
    usecReadMax: 0,
    usecWriteMax: 0,
    usecFsyncMax: 0,
  };
}

function add(sum: DiskStatsBlock, more: DiskStatsBlock): void {
  sum.bytesRead += more.bytesRead;
  sum.bytesWritten += more.bytesWritten;
  sum.usecRead += more.usecRead;
  sum.usecWrite += more.usecWrite;
  sum.usecFsync += more.usecFsync;
  sum.readOps += more.readOps;
  sum.writeOps += more.writeOps;
  sum.fsyncOps += more.fsyncOps;
  sum.usecReadMax = Math.max(sum.usecReadMax, more.usecReadMax);
  sum.usecWriteMax = Math.max(sum.usecWriteMax, more.usecWriteMax);
  sum.usecFsyncMax = Math.max(sum.usecFsyncMax, more.usecFsyncMax);
}

export class DiskStats implements IoMeter {
  private current = emptyStats();
  /** Completed minutes, newest last. */
  private minutes: DiskStatsBlock[] = [];
  readonly sinceStart = emptyStats();

  didRead(sizeBytes: number, elapsedMs: number): void {
    const usec = Math.round(elapsedMs * 1000);
    this.current.bytesRead += sizeBytes;
    this.current.usecRead += usec;
    this.current.readOps++;
    if (usec > this.current.usecReadMax) this.current.usecReadMax = usec;
  }

  didWrite(sizeBytes: number, elapsedMs: number): void {
    const usec = Math.round(elapsedMs * 1000);
    this.current.bytesWritten += sizeBytes;
    this.current.usecWrite += usec;
    this.current.writeOps++;
    if (usec > this.current.usecWriteMax) this.current.usecWriteMax = usec;
  }

  didFsync(elapsedMs: number): void {
    const usec = Math.round(elapsedMs * 1000);
    this.current.usecFsync += usec;
    this.current.fsyncOps++;
    if (usec > this.current.usecFsyncMax) this.current.usecFsyncMax = usec;
  }

  /** To be called once a minute. */
  minutePassed(): void {
    add(this.sinceStart, this.current);
    this.minutes.push(this.current);
    if (this.minutes.length > MINUTES_PER_DAY) this.minutes.shift();
    this.current = emptyStats();
  }

  private sumOfLast(minutes: number): DiskStatsBlock {
    const sum = emptyStats();
    for (const one of this.minutes.slice(-minutes)) add(sum, one);
    return sum;
  }

  get lastMinute(): DiskStatsBlock {
    return this.sumOfLast(1);
  }

  get lastHour(): DiskStatsBlock {
    return this.sumOfLast(MINUTES_PER_HOUR);
  }

  get lastDay(): DiskStatsBlock {
    return this.sumOfLast(MINUTES_PER_DAY);
  }
}
