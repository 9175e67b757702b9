/** A metadata image that cannot be read (spec 07 §5). */
export class ImageError extends Error {
  readonly code = 'EIMAGE';

  /**
   * @param section name of the section, `HEAD` for the file's header, `END` for its end marker, `TREE` for checks over all
   * @param offset byte offset in the file
   * @param record number of the record in the section, from 0
   */
  constructor(
    readonly section: string,
    readonly offset: number,
    readonly record: number,
    readonly reason: string,
  ) {
    super(`metadata image, section ${section}, offset ${offset}, record ${record}: ${reason}`);
    this.name = 'ImageError';
  }
}
