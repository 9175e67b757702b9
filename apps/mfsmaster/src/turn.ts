/**
 * One turn of the event loop as a transaction: the changelog records that requests made are written (and handed to the
 * metaloggers) together, and only then do the answers leave. So nothing is acknowledged that a killed process forgets.
 */
export class Turn {
  private readonly answers: (() => void)[] = [];
  private scheduled = false;

  /** @param flushRecords writes what was journalled in this turn; throws when that is not possible */
  constructor(
    private readonly flushRecords: () => void,
    private readonly onFailure: (error: unknown) => void,
  ) {}

  /** Leaves when the records made so far are safe. */
  afterFlush(answer: () => void): void {
    this.answers.push(answer);
    this.schedule();
  }

  /** Work of a timer or a lost connection, whose records belong to this turn. */
  readonly run = (work: () => void): void => {
    work();
    this.schedule();
  };

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => this.flush());
  }

  /** Also called before an image is saved and at the end. */
  flush(): void {
    this.scheduled = false;
    const answers = this.answers.splice(0);
    try {
      this.flushRecords();
    } catch (error) {
      // the answers do not leave: nothing unrecorded is acknowledged
      this.onFailure(error);
      return;
    }
    for (const answer of answers) answer();
  }
}
