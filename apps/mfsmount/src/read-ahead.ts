import { readFileSync, writeFileSync } from 'node:fs';

import type { Logger } from '@wapiti-fs/runtime';

/**
 * Lets the kernel read ahead in requests as large as a write: its default of 128 KiB costs a sequential reader eight times the
 * requests. Without permission (a container) it stays as it is.
 */
export function raiseReadAhead(mountPoint: string, sizeBytes: number, log: Logger): void {
  const device = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .findLast((fields) => decode(fields[4] ?? '') === mountPoint)?.[2];
  if (device === undefined) return;
  try {
    writeFileSync(`/sys/class/bdi/${device}/read_ahead_kb`, String(sizeBytes >> 10));
  } catch (error) {
    log.debug('read-ahead of the kernel stays at its default', { error: error as Error });
  }
}

/** Blanks and the like are written in octal. */
function decode(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
