/** Live management of storage classes: spec 09 §15.4. */
import {
  MFS_ERROR_CLASSEXISTS,
  MFS_ERROR_CLASSINUSE,
  MFS_ERROR_CLASSLIMITREACH,
  MFS_ERROR_EINVAL,
  MFS_ERROR_EPERM,
  MFS_ERROR_EPERM_NOTADMIN,
  MFS_ERROR_NOSUCHCLASS,
  SESFLAG_ADMIN,
} from '@wapiti-fs/protocol';
import type { StorageClass } from '../store/tables.js';
import type { Ctx } from './access.js';
import { findClass, FIRST_CUSTOM_CLASS, freeClassId, isClassUsed, isLegalClassName } from './apply/classes.js';
import type { Metadata } from './metadata.js';
import { OK, refuse, type Refused } from './results.js';

const MAX_COPIES = 9;
const LAST_PROTECTED = 8;

export type ClassDefinition = Pick<StorageClass, 'adminOnly' | 'mode' | 'archDelayDays' | 'create' | 'keep' | 'arch'>;

const isAdmin = (ctx: Ctx): boolean => (ctx.session.sesflags & SESFLAG_ADMIN) !== 0;
const hasCopies = ({ create, keep, arch }: ClassDefinition): boolean =>
  [create, keep, arch].every((list) => list.length > 0 && list.length <= MAX_COPIES);

function setClass(metadata: Metadata, now: number, name: Buffer, isNew: boolean, wanted: ClassDefinition): void {
  const { mode, archDelayDays, create, keep, arch } = wanted;
  metadata.perform<'SCSET'>({
    ...{ op: 'SCSET', ts: now, name: Buffer.from(name), isNew: isNew ? 1 : 0 },
    ...{ mode, archDelayDays, adminOnly: wanted.adminOnly ? 1 : 0, create, keep, arch, id: 0 },
  });
}

/** SCLASS_CREATE. */
export function createClass(metadata: Metadata, ctx: Ctx, name: Buffer, wanted: ClassDefinition): Refused {
  if (!isAdmin(ctx)) return refuse(MFS_ERROR_EPERM_NOTADMIN);
  if (!isLegalClassName(name)) return refuse(MFS_ERROR_EINVAL);
  if (findClass(metadata.store, name) !== undefined) return refuse(MFS_ERROR_CLASSEXISTS);
  if (freeClassId(metadata.store) === 0) return refuse(MFS_ERROR_CLASSLIMITREACH);
  if (!hasCopies(wanted)) return refuse(MFS_ERROR_EINVAL);
  setClass(metadata, ctx.now, name, true, wanted);
  return OK;
}

/** SCLASS_CHANGE; without changes it only asks. @param force needed for the predefined classes 1 to 8 */
export function changeClass(
  metadata: Metadata,
  ctx: Ctx,
  name: Buffer,
  changes: Partial<ClassDefinition>,
  force: boolean,
): Refused | { status: 0; sclass: StorageClass } {
  const changing = Object.keys(changes).length > 0;
  if (changing && !isAdmin(ctx)) return refuse(MFS_ERROR_EPERM_NOTADMIN);
  if (!isLegalClassName(name)) return refuse(MFS_ERROR_EINVAL);
  const sclass = findClass(metadata.store, name);
  if (sclass === undefined) return refuse(MFS_ERROR_NOSUCHCLASS);
  if (!changing) return { ...OK, sclass };
  if (!force && sclass.id <= LAST_PROTECTED) return refuse(MFS_ERROR_EPERM);
  const wanted = { ...sclass, ...changes };
  if (!hasCopies(wanted)) return refuse(MFS_ERROR_EINVAL);
  setClass(metadata, ctx.now, name, false, wanted);
  return { ...OK, sclass };
}

/** SCLASS_DELETE. */
export function deleteClass(metadata: Metadata, ctx: Ctx, name: Buffer): Refused {
  if (!isAdmin(ctx)) return refuse(MFS_ERROR_EPERM_NOTADMIN);
  if (!isLegalClassName(name)) return refuse(MFS_ERROR_EINVAL);
  const sclass = findClass(metadata.store, name);
  if (sclass === undefined) return refuse(MFS_ERROR_NOSUCHCLASS);
  if (sclass.id < FIRST_CUSTOM_CLASS) return refuse(MFS_ERROR_EPERM);
  if (isClassUsed(metadata.store, sclass.id)) return refuse(MFS_ERROR_CLASSINUSE);
  metadata.commit({ op: 'SCDEL', ts: ctx.now, name: Buffer.from(name), id: sclass.id });
  return OK;
}

/** SCLASS_DUPLICATE. */
export function duplicateClass(metadata: Metadata, ctx: Ctx, oldName: Buffer, newName: Buffer): Refused {
  const found = forNewName(metadata, ctx, oldName, newName, false);
  if (found === undefined || 'status' in found) return found ?? refuse(MFS_ERROR_NOSUCHCLASS);
  const newId = freeClassId(metadata.store);
  if (newId === 0) return refuse(MFS_ERROR_CLASSLIMITREACH);
  const names = { oldName: Buffer.from(oldName), newName: Buffer.from(newName) };
  metadata.commit({ op: 'SCDUP', ts: ctx.now, ...names, oldId: found.id, newId });
  return OK;
}

/** SCLASS_RENAME. */
export function renameClass(metadata: Metadata, ctx: Ctx, oldName: Buffer, newName: Buffer): Refused {
  const found = forNewName(metadata, ctx, oldName, newName, true);
  if (found === undefined || 'status' in found) return found ?? refuse(MFS_ERROR_NOSUCHCLASS);
  const names = { oldName: Buffer.from(oldName), newName: Buffer.from(newName) };
  metadata.commit({ op: 'SCREN', ts: ctx.now, ...names, id: found.id });
  return OK;
}

function forNewName(
  metadata: Metadata,
  ctx: Ctx,
  oldName: Buffer,
  newName: Buffer,
  customOnly: boolean,
): Refused | StorageClass | undefined {
  if (!isAdmin(ctx)) return refuse(MFS_ERROR_EPERM_NOTADMIN);
  if (!isLegalClassName(oldName) || !isLegalClassName(newName)) return refuse(MFS_ERROR_EINVAL);
  const found = findClass(metadata.store, oldName);
  if (found === undefined) return undefined;
  if (customOnly && found.id < FIRST_CUSTOM_CLASS) return refuse(MFS_ERROR_EPERM);
  if (findClass(metadata.store, newName) !== undefined) return refuse(MFS_ERROR_CLASSEXISTS);
  return found;
}
