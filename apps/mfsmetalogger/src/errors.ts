/** The master serves another file system or another history than the one held: nothing is taken from it. */
export class RefusedMasterError extends Error {
  readonly code = 'EREFUSED';

  constructor(reason: string) {
    super(`${reason} - refused, nothing was overwritten; to follow this master all the same, move the files away`);
    this.name = 'RefusedMasterError';
  }
}

/** A download could not be completed; what was there before is untouched. */
export class DownloadError extends Error {
  readonly code = 'EDOWNLOAD';

  constructor(reason: string, options?: ErrorOptions) {
    super(`download failed: ${reason}`, options);
    this.name = 'DownloadError';
  }
}
