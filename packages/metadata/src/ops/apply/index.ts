/** Effects of every change, the only code that alters metadata: spec 08 §6. The live master and replay both come through here. */
import type { MetadataStore } from '../../store/store.js';
import { MFS_ERROR_MISMATCH } from '@wapiti-fs/protocol';
import { ApplyError, UnsupportedChangeError } from '../errors.js';
import type { Change, ChangeOf, ChangeOp } from '../records.js';
import { treeEffects } from './tree.js';
import { attributesEffects } from './attributes.js';
import { filesEffects } from './files.js';
import { chunksEffects } from './chunks.js';
import { trashEffects } from './trash.js';
import { settersEffects } from './setters.js';
import { extendedEffects } from './extended.js';
import { locksEffects } from './locks.js';
import { classesEffects } from './classes.js';
import { snapshotEffects } from './snapshot.js';
import { sessionsEffects } from './sessions.js';
import { instanceEffects } from './instance.js';
import type { Handlers } from './checks.js';

export { isTrashDue } from './trash.js';

const handlers: Handlers = {
  ...treeEffects,
  ...attributesEffects,
  ...filesEffects,
  ...chunksEffects,
  ...trashEffects,
  ...settersEffects,
  ...extendedEffects,
  ...locksEffects,
  ...classesEffects,
  ...snapshotEffects,
  ...sessionsEffects,
  ...instanceEffects,
};

type Handler = (store: MetadataStore, change: Change) => Readonly<Record<string, unknown>> | void;

function carryOut(store: MetadataStore, change: Change): Readonly<Record<string, unknown>> {
  const handler = handlers[change.op] as Handler | undefined;
  if (handler === undefined) throw new UnsupportedChangeError(change.op);
  return handler(store, change) ?? {};
}

/**
 * Applies one change and counts the version up.
 * @throws {ApplyError} the change does not fit (status as the reference's restore would report)
 * @throws {UnsupportedChangeError} unknown operation
 */
export function applyRecord(store: MetadataStore, change: Change): void {
  const results = carryOut(store, change);
  const recorded: Readonly<Record<string, unknown>> = { ...change };
  for (const [key, found] of Object.entries(results))
    if (recorded[key] !== found && !isTolerated(change)) {
      const detail = `${key} is ${String(found)}, the record says ${String(recorded[key])}`;
      throw new ApplyError(change.op, MFS_ERROR_MISMATCH, detail);
    }
  store.version++;
}

/**
 * Carries out a change whose counters are not known yet and counts the version up; returns the record with the counters.
 * @throws {ApplyError} the change does not fit
 */
export function performChange<K extends ChangeOp>(store: MetadataStore, change: ChangeOf<K>): ChangeOf<K> {
  const results = carryOut(store, change as unknown as Change);
  store.version++;
  return { ...change, ...results };
}

/** Records of the reference whose counters need not come out equal: without results (spec 08 §6.6), and those of §8.2. */
function isTolerated(change: Change): boolean {
  if (change.op === 'SNAPSHOT') {
    const { checksum, removed, same, existing, hardlinks, created } = change;
    return [checksum, removed, same, existing, hardlinks, created].every((value) => value === 0);
  }
  // The background check leaves out chunks without valid copies.
  return change.op === 'ARCHCHG' && change.uid === 0 && change.cmd === 1 && change.denied === 0;
}
