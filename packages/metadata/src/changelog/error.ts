/** A changelog line that cannot be read (spec 08 §3), or names an operation nobody knows (an error of its own kind: §4.2). */
export class ChangelogError extends Error {
  readonly code = 'ECHANGELOG';

  /**
   * @param line the line as text, shortened
   * @param position byte offset within the line
   */
  constructor(
    readonly reason: string,
    readonly line: string,
    readonly position: number,
    readonly unknownOperation = false,
  ) {
    super(`changelog line '${line}', position ${position}: ${reason}`);
    this.name = 'ChangelogError';
  }
}
