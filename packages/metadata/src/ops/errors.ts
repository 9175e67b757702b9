import { statusText } from '@wapiti-fs/protocol';

/** A change that does not fit the state it is applied to; the state must then not be used further (spec 08 §4.2). */
export class ApplyError extends Error {
  readonly code = 'EAPPLY';

  constructor(
    readonly op: string,
    readonly status: number,
    detail: string,
  ) {
    super(`change ${op}: ${statusText(status)}: ${detail}`);
    this.name = 'ApplyError';
  }
}

/** A change for which no effect is known here. */
export class UnsupportedChangeError extends Error {
  readonly code = 'EUNSUPPORTEDCHANGE';

  constructor(readonly op: string) {
    super(`change ${op}: this operation cannot be applied`);
    this.name = 'UnsupportedChangeError';
  }
}
