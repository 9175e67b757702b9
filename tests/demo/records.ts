/** Numbered, checksummed records of one line each: what the writer of the demo appends and the proof reads back. */
import { createHash } from 'node:crypto';

const PAYLOAD_BYTES = 200;

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Line of record `number` (from 1). */
export function recordLine(number: number, timeMs: number): string {
  const body = `${number} ${timeMs} ${String(number).repeat(PAYLOAD_BYTES).slice(0, PAYLOAD_BYTES)}`;
  return `${checksum(body)} ${body}\n`;
}

/** Numbers of the records of a file in order; throws at the first damaged or missing one. */
export function readRecords(text: string, name: string): number {
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error(`${name}: the last record is cut off`);
  lines.forEach((line, index) => {
    const space = line.indexOf(' ');
    const body = line.slice(space + 1);
    if (line.slice(0, space) !== checksum(body)) throw new Error(`${name}: record ${index + 1} is damaged`);
    if (Number(body.split(' ')[0]) !== index + 1)
      throw new Error(`${name}: record ${index + 1} is missing, ${body.split(' ')[0]} is in its place`);
  });
  return lines.length;
}
