import type { Change, ChangeOf } from '../ops/records.js';
import type { Field } from './kinds.js';
import { LAYOUTS } from './layout.js';

const HEX = Array.from({ length: 256 }, (_, byte) => {
  const plain = byte >= 32 && byte < 127 && !',%()'.includes(String.fromCharCode(byte));
  return plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
});

/** Escapes a name, path or binary value (spec 08 §3.2). */
export function escapeBytes(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte] ?? '';
  return text;
}

function formatStorageClass(change: ChangeOf<'SCSET'>): string {
  const { create, keep, arch, mode, archDelayDays, adminOnly } = change;
  const masks = [...create, ...keep, ...arch].flat();
  const counts = `W${create.length},K${keep.length},A${arch.length}`;
  return `${counts},${mode},${archDelayDays},${adminOnly},${masks.length === 0 ? '-' : masks.join(',')}`;
}

function formatField(change: Change, [key, kind, absent]: Field): string | undefined {
  if (kind === 'sclass') return formatStorageClass(change as ChangeOf<'SCSET'>);
  const value = (change as unknown as Readonly<Record<string, unknown>>)[key];
  if (value === undefined && absent === null) return undefined;
  if (Buffer.isBuffer(value)) return escapeBytes(value);
  if (Array.isArray(value)) return `[${value.join(',')}]`;
  if (kind === 'csum') return `#${String(value)}`;
  if (kind === 'oct') return `0${Number(value).toString(8).padStart(3, '0')}`;
  if (kind === 'hex32') return `0x${Number(value).toString(16).toUpperCase().padStart(8, '0')}`;
  return String(value);
}

const formatFields = (change: Change, fields: readonly Field[]): string =>
  fields
    .map((field) => formatField(change, field))
    .filter((text) => text !== undefined)
    .join(',');

/** Text of a change without its number, `timestamp|OP(args):results`: what travels to metaloggers (spec 08 §3). */
export function formatChange(change: Change): string {
  const { args, results } = LAYOUTS[change.op];
  const tail = results === undefined ? '' : `:${formatFields(change, results)}`;
  return `${change.ts}|${change.op}(${formatFields(change, args)})${tail}`;
}

/** A line of a changelog file, with LF. */
export const formatLine = (version: number, change: Change): string => `${version}: ${formatChange(change)}\n`;
