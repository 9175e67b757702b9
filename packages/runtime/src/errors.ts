/** A network operation failed. `code` is the errno name (`ECONNREFUSED`, `ETIMEDOUT`, …) or `ABORT_ERR`. */
export class NetworkError extends Error {
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'NetworkError';
  }

  /** Wraps what Node reports; `what` says what was tried. */
  static from(error: unknown, what: string): NetworkError {
    if (error instanceof NetworkError) return error;
    const code = errorCode(error) ?? 'EIO';
    return new NetworkError(code, `${what}: ${(error as Error).message}`, { cause: error });
  }
}

/** The `code` of a Node error, such as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
