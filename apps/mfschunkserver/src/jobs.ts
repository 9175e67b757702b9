/** Counts the work in progress, as the worker pool of the reference does (spec 03 §8.3, §10): its load is told to the master. */
export class Jobs {
  private running = 0;
  private overloaded = false;

  /** @param max WORKERS_MAX; may be changed at any time */
  constructor(public max: number) {}

  get load(): number {
    return this.running;
  }

  /** True if one more may run (it is counted then); false: answer NOTDONE, nothing is done. */
  tryStart(): boolean {
    if (this.running >= this.max) return false;
    this.running++;
    return true;
  }

  end(): void {
    this.running--;
  }

  /** HLSTATUS of spec 03 §8.3: 2 from three quarters of the limit on, until it falls below one half, else 1. */
  get status(): 1 | 2 {
    if (this.running * 4 > this.max * 3) this.overloaded = true;
    else if (this.running * 2 < this.max) this.overloaded = false;
    return this.overloaded ? 2 : 1;
  }
}
