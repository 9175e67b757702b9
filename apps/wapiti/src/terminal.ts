/** Where a command writes to and how it is stopped: given by `main`, or by a test. */
export interface Terminal {
  out(line: string): void;
  err(line: string): void;
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** Progress bars make sense on standard error. */
  readonly interactive: boolean;
}

/** What the user got wrong: exit code 2. */
export class UsageError extends Error {}

/** Exit codes of all commands. */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** `1.5 GiB`. */
export function sizeText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
