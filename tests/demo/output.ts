/** Readable, timed output of the demo. */
const started = Date.now();

export const MIB = 1024 * 1024;

export function elapsedS(): number {
  return (Date.now() - started) / 1000;
}

export function say(text: string): void {
  process.stdout.write(`[${elapsedS().toFixed(1).padStart(6)} s] ${text}\n`);
}

export function heading(text: string): void {
  process.stdout.write('\n');
  say(`--- ${text}`);
}

/** A line below the last one. */
export function detail(text: string): void {
  process.stdout.write(`           ${text}\n`);
}

export function speed(bytes: number, sinceMs: number): string {
  const seconds = Math.max(0.001, (Date.now() - sinceMs) / 1000);
  return `${(bytes / MIB).toFixed(1)} MiB in ${seconds.toFixed(1)} s, ${(bytes / MIB / seconds).toFixed(1)} MiB/s`;
}
