/** One changelog file as a source of lines (spec 06 §9.3, §9.4). */
const LF = 10;
const MAX_GAP = 10000;
const FIRST_NUMBER_BYTES = 50;

const numberAt = (bytes: Buffer, start: number): number => {
  const match = /^([0-9]{1,16}):/.exec(bytes.toString('latin1', start, start + FIRST_NUMBER_BYTES));
  const value = Number(match?.[1] ?? 0);
  return Number.isSafeInteger(value) ? value : 0;
};

export class ChangelogFile {
  /** Change numbers of the first and last whole line, 0 = none. */
  readonly first: number;
  readonly last: number;
  /** Bytes after the last LF: a line whose writing was cut short. */
  readonly tornBytes: number;
  private offset = 0;
  private readonly end: number;
  private previous = 0;
  /** Set when the numbers of the file stopped making sense: the last good one. */
  garbageAfter: number | undefined;

  constructor(
    readonly name: string,
    private readonly bytes: Buffer,
  ) {
    this.end = bytes.lastIndexOf(LF) + 1;
    this.tornBytes = bytes.length - this.end;
    this.first = this.end === 0 ? 0 : numberAt(bytes, 0);
    this.last = this.end === 0 ? 0 : numberAt(bytes, this.end < 2 ? 0 : bytes.lastIndexOf(LF, this.end - 2) + 1);
  }

  /** The next line with its number; undefined at the end, also where the numbers stop ascending. */
  next(): { readonly number: number; readonly line: Buffer } | undefined {
    if (this.offset >= this.end) return undefined;
    const stop = this.bytes.indexOf(LF, this.offset);
    const number = numberAt(this.bytes, this.offset);
    const ascending = number > this.previous && (this.previous === 0 || number < this.previous + MAX_GAP);
    if (!ascending) {
      this.garbageAfter = this.previous;
      this.offset = this.end;
      return undefined;
    }
    const line = this.bytes.subarray(this.offset, stop);
    this.offset = stop + 1;
    this.previous = number;
    return { number, line };
  }
}
