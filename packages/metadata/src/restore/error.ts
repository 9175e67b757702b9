/** Metadata cannot be restored from the files given (spec 06 §9). */
export class RestoreError extends Error {
  readonly code = 'ERESTORE';

  constructor(
    /** File concerned, '' = the folder. */
    readonly file: string,
    readonly reason: string,
  ) {
    super(file === '' ? reason : `${file}: ${reason}`);
    this.name = 'RestoreError';
  }
}
