/** Effects of every change, the only code that alters metadata: spec 08 §6. The live master and replay both come through here. */
import type { MetadataStore } from '../../store/store.js';
import { UnsupportedChangeError } from '../errors.js';
import type { Change } from '../records.js';
import { treeEffects } from './tree.js';
import { attributesEffects } from './attributes.js';
import { filesEffects } from './files.js';
import { chunksEffects } from './chunks.js';
import { trashEffects } from './trash.js';
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
  ...sessionsEffects,
  ...instanceEffects,
};

/**
 * Applies one change and counts the version up.
 * @throws {ApplyError} the change does not fit (status as the reference's restore would report)
 * @throws {UnsupportedChangeError} unknown operation
 */
export function applyRecord(store: MetadataStore, change: Change): void {
  const handler = handlers[change.op] as ((store: MetadataStore, change: Change) => void) | undefined;
  if (handler === undefined) throw new UnsupportedChangeError(change.op);
  handler(store, change);
  store.version++;
}
