/** Effects on the table of storage classes: spec 08 §6.11. */
import {
  MFS_ERROR_CLASSEXISTS,
  MFS_ERROR_CLASSINUSE,
  MFS_ERROR_CLASSLIMITREACH,
  MFS_ERROR_EINVAL,
  MFS_ERROR_EPERM,
  MFS_ERROR_NOSUCHCLASS,
} from '@wapiti-fs/protocol';
import type { MetadataStore } from '../../store/store.js';
import type { StorageClass } from '../../store/tables.js';
import type { Change } from '../records.js';
import { check, type Handlers } from './checks.js';

export const FIRST_CUSTOM_CLASS = 10;
const LAST_CLASS = 255;
const MAX_COPIES = 9;
const MAX_NAME_BYTES = 255;

export function findClass(store: MetadataStore, name: Buffer): StorageClass | undefined {
  for (const sclass of store.tables.sclasses.values()) if (sclass.name.equals(name)) return sclass;
  return undefined;
}

/** Lowest free id for a new class, 0 = none left. */
export function freeClassId(store: MetadataStore): number {
  for (let id = FIRST_CUSTOM_CLASS; id <= LAST_CLASS; id++) if (!store.tables.sclasses.has(id)) return id;
  return 0;
}

/** Whether a file (also a deleted one) or a directory is of the class; looks at all inodes. */
export function isClassUsed({ nodes }: MetadataStore, id: number): boolean {
  for (const inode of nodes.inodes()) if (nodes.sclass.get(inode) === id) return true;
  return false;
}

export const isLegalClassName = (name: Buffer): boolean =>
  name.length > 0 && name.length <= MAX_NAME_BYTES && !name.includes(0);

function existing(store: MetadataStore, change: Change, name: Buffer): StorageClass {
  const found = findClass(store, name);
  check(found !== undefined, change, MFS_ERROR_NOSUCHCLASS, `no class ${name.toString()}`);
  return found;
}

function checkNewName(store: MetadataStore, change: Change, name: Buffer): void {
  check(isLegalClassName(name), change, MFS_ERROR_EINVAL, 'illegal name');
  check(findClass(store, name) === undefined, change, MFS_ERROR_CLASSEXISTS, `class ${name.toString()} exists`);
}

function newId(store: MetadataStore, change: Change): number {
  const id = freeClassId(store);
  check(id !== 0, change, MFS_ERROR_CLASSLIMITREACH, 'all ids are in use');
  return id;
}

export const classesEffects = {
  SCSET(store, change) {
    const { name, mode, archDelayDays, create, keep, arch } = change;
    const values = { mode, archDelayDays, adminOnly: change.adminOnly !== 0, create, keep, arch };
    if (change.isNew !== 0) checkNewName(store, change, name);
    const old = change.isNew !== 0 ? undefined : existing(store, change, name);
    const id = old?.id ?? newId(store, change);
    const counts = [create, keep, arch].map((list) => list.length);
    check(
      counts.every((count) => count > 0 && count <= MAX_COPIES),
      change,
      MFS_ERROR_EINVAL,
      `label lists of ${counts.join(', ')} entries`,
    );
    if (old === undefined) store.tables.sclasses.set(id, { id, name, ...values });
    else Object.assign(old, values);
    return { id };
  },
  SCDUP(store, change) {
    const source = existing(store, change, change.oldName);
    checkNewName(store, change, change.newName);
    const id = newId(store, change);
    store.tables.sclasses.set(id, { ...source, id, name: change.newName });
    return { oldId: source.id, newId: id };
  },
  SCREN(store, change) {
    const found = existing(store, change, change.oldName);
    check(found.id >= FIRST_CUSTOM_CLASS, change, MFS_ERROR_EPERM, `class ${found.id} is predefined`);
    checkNewName(store, change, change.newName);
    found.name = change.newName;
    return { id: found.id };
  },
  SCDEL(store, change) {
    const { id } = existing(store, change, change.name);
    check(id >= FIRST_CUSTOM_CLASS, change, MFS_ERROR_EPERM, `class ${id} is predefined`);
    check(!isClassUsed(store, id), change, MFS_ERROR_CLASSINUSE, `class ${id} is in use`);
    store.tables.sclasses.delete(id);
    return { id };
  },
} satisfies Handlers;
