/** The only error that decoding bytes from a peer can raise. It names the message and the field that was wrong. */
export class ProtocolError extends Error {
  readonly code = 'EPROTO';

  constructor(
    readonly reason: string,
    readonly messageName = '',
    readonly field = '',
  ) {
    const where = messageName === '' ? '' : field === '' ? `${messageName}: ` : `${messageName}.${field}: `;
    super(where + reason);
    this.name = 'ProtocolError';
  }

  /** The same error with its place filled in; inner places win. */
  at(messageName: string, field: string): ProtocolError {
    const path = this.field === '' ? field : field === '' ? this.field : `${field}.${this.field}`;
    return new ProtocolError(this.reason, messageName || this.messageName, path);
  }
}
