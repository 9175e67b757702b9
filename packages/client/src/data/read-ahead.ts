/** Recognizes sequential readers of a file and tells how far to read ahead of them. Pure. */

const FIRST_WINDOW_BYTES = 1024 * 1024;
/** Reads of the kernel come a little out of order. */
const SLACK_BYTES = 512 * 1024;
/** Readers of one file that are followed at the same time. */
const MAX_STREAMS = 8;

interface Stream {
  /** End of the furthest read. */
  position: number;
  readBytes: number;
}

export class ReadAhead {
  /** Least recently used first. */
  private streams: Stream[] = [];

  constructor(private readonly maxWindowBytes: number) {}

  /** Notes a read; tells how many bytes behind `end` to have ready: none for a reader that jumps about. */
  note(offset: number, end: number): number {
    const at = this.streams.findIndex(
      ({ position }) => offset <= position + SLACK_BYTES && offset >= position - SLACK_BYTES,
    );
    let stream: Stream;
    if (at >= 0) {
      stream = this.streams.splice(at, 1)[0] as Stream;
      stream.position = Math.max(stream.position, end);
      stream.readBytes += end - offset;
    } else {
      stream = { position: end, readBytes: offset === 0 ? end : 0 };
      if (this.streams.length >= MAX_STREAMS) this.streams.shift();
    }
    this.streams.push(stream);
    if (stream.readBytes === 0) return 0;
    return Math.min(Math.max(FIRST_WINDOW_BYTES, stream.readBytes), this.maxWindowBytes);
  }

  /** No stream will read these bytes again: they lie well behind the one that is nearest. */
  passed(start: number, end: number): boolean {
    for (const { position } of this.streams) {
      // Wanted by a stream before or just behind it.
      if (end > position - SLACK_BYTES && start <= position + this.maxWindowBytes) return false;
    }
    return true;
  }
}
