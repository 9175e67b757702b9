/**
 * One turn of the event loop as a transaction: the changelog records that requests made are written and handed to the
 * metaloggers together, and only then do the answers leave. So nothing is acknowledged that a killed process forgets.
 *
 * While the records cannot be written (full disk), the answers wait; `retry` lets them go once writing works again.
 */
import type { FramedConnection } from '@wapiti-fs/runtime';

type Receiver = Pick<FramedConnection, 'send'>;

/** Answers that leave together, in order. */
interface Batch {
  readonly receivers: Receiver[];
  readonly frames: Buffer[];
}

const emptyBatch = (): Batch => ({ receivers: [], frames: [] });
const NO_FRAME = Buffer.alloc(0);

export class Turn {
  private collecting = emptyBatch();
  private scheduled = false;
  /** The last batch that waits for the metaloggers; later ones leave after it. */
  private gate: Promise<void> | undefined;
  private gates = 0;
  private unwritten = false;

  /**
   * @param writeRecords writes what was journalled in this turn; false when that is not possible now
   * @param publish hands the written records on; a promise when the answers have to wait for that
   * @param onError told of what {@link run} caught
   */
  constructor(
    private readonly writeRecords: () => boolean,
    private readonly publish: () => Promise<void> | undefined,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** An answer that leaves when the records made so far are safe. */
  send(receiver: Receiver, frame: Buffer): void {
    this.collecting.receivers.push(receiver);
    this.collecting.frames.push(frame);
    this.schedule();
  }

  /** Called in order with the answers. */
  afterFlush(callback: () => void): void {
    this.send({ send: () => (callback(), true) }, NO_FRAME);
  }

  /** Work of a timer, a lost connection or chunkservers, whose records belong to this turn. Its failure concerns nobody else. */
  readonly run = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      this.onError(error);
    }
    this.schedule();
  };

  /** True while records wait for the disk. */
  get blocked(): boolean {
    return this.unwritten;
  }

  schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => this.flush());
  }

  /** Also called before an image is saved and at the end. */
  flush(): void {
    this.scheduled = false;
    this.unwritten = !this.writeRecords();
    if (this.unwritten) return;
    const batch = this.collecting;
    this.collecting = emptyBatch();
    const published = this.publish();
    if (published === undefined && this.gate === undefined) return leave(batch);
    this.gates++;
    this.gate = this.leaveAfter(this.gate, published, batch);
  }

  private async leaveAfter(
    before: Promise<void> | undefined,
    published: Promise<void> | undefined,
    batch: Batch,
  ): Promise<void> {
    await before;
    await published;
    leave(batch);
    if (--this.gates === 0) this.gate = undefined;
  }

  /** Resolves when all answers collected so far have left or are held back by the disk. */
  async settled(): Promise<void> {
    this.flush();
    await this.gate;
  }
}

function leave({ receivers, frames }: Batch): void {
  for (let i = 0; i < receivers.length; i++) receivers[i]?.send(frames[i] as Buffer);
}
