/** Administration of storage classes (spec 02 §13). */
import {
  changeClass,
  type ClassDefinition,
  createClass,
  deleteClass,
  duplicateClass,
  renameClass,
  type StorageClass,
} from '@wapiti-fs/metadata';
import {
  CLTOMA_SCLASS_CHANGE,
  CLTOMA_SCLASS_CREATE,
  CLTOMA_SCLASS_DELETE,
  CLTOMA_SCLASS_DUPLICATE,
  CLTOMA_SCLASS_LIST,
  CLTOMA_SCLASS_RENAME,
  type LabelExpression,
  MATOCL_SCLASS_CHANGE,
  MATOCL_SCLASS_CREATE,
  MATOCL_SCLASS_DELETE,
  MATOCL_SCLASS_DUPLICATE,
  MATOCL_SCLASS_LIST,
  MATOCL_SCLASS_RENAME,
  MFS_ERROR_EINVAL,
  SCLASS_CHG_ADMIN_ONLY,
  SCLASS_CHG_ARCH_DELAY,
  SCLASS_CHG_ARCH_MASKS,
  SCLASS_CHG_CREATE_MASKS,
  SCLASS_CHG_FORCE,
  SCLASS_CHG_KEEP_MASKS,
  SCLASS_CHG_MODE,
  sclassDefinitions,
  sclassNames,
  Writer,
} from '@wapiti-fs/protocol';

import { recorded } from './recorded.js';
import type { Request, Requests } from './request.js';

interface WireDefinition {
  readonly adminOnly: number;
  readonly mode: number;
  readonly archDelay: number;
  readonly createLabels: LabelExpression[];
  readonly keepLabels: LabelExpression[];
  readonly archLabels: LabelExpression[];
}

const copied = (labels: readonly LabelExpression[]): number[][] => labels.map((one) => [...one]);

function definition(wire: WireDefinition): ClassDefinition {
  return {
    adminOnly: wire.adminOnly !== 0,
    mode: wire.mode,
    archDelayDays: wire.archDelay,
    create: copied(wire.createLabels),
    keep: copied(wire.keepLabels),
    arch: copied(wire.archLabels),
  };
}

function wireDefinition({ adminOnly, mode, archDelayDays, create, keep, arch }: StorageClass) {
  const labels = (list: readonly number[][]) => list.map((one) => one as unknown as LabelExpression);
  return {
    adminOnly: adminOnly ? 1 : 0,
    mode,
    archDelay: archDelayDays,
    createCount: create.length,
    keepCount: keep.length,
    archCount: arch.length,
    createLabels: labels(create),
    keepLabels: labels(keep),
    archLabels: labels(arch),
  };
}

const create: Request = (client, payload) => {
  const request = CLTOMA_SCLASS_CREATE.decode(payload);
  const { msgid, name, fver } = request;
  const { metadata } = client.service.master;
  const { status } =
    fver === 0 ? createClass(metadata, client.anonymous(), name, definition(request)) : { status: MFS_ERROR_EINVAL };
  return MATOCL_SCLASS_CREATE.encode({ msgid, status });
};

const change: Request = (client, payload) => {
  const request = CLTOMA_SCLASS_CHANGE.decode(payload);
  const { msgid, name, fver, chgmask } = request;
  const refuse = (status: number): Buffer => MATOCL_SCLASS_CHANGE.encode({ variant: 'status', msgid, status });
  if (fver !== 0) return refuse(MFS_ERROR_EINVAL);
  const all = definition(request);
  const has = (flag: number): boolean => (chgmask & flag) !== 0;
  const changes: Partial<ClassDefinition> = {
    ...(has(SCLASS_CHG_ADMIN_ONLY) ? { adminOnly: all.adminOnly } : {}),
    ...(has(SCLASS_CHG_MODE) ? { mode: all.mode } : {}),
    ...(has(SCLASS_CHG_ARCH_DELAY) ? { archDelayDays: all.archDelayDays } : {}),
    ...(has(SCLASS_CHG_CREATE_MASKS) ? { create: all.create } : {}),
    ...(has(SCLASS_CHG_KEEP_MASKS) ? { keep: all.keep } : {}),
    ...(has(SCLASS_CHG_ARCH_MASKS) ? { arch: all.arch } : {}),
  };
  const { metadata } = client.service.master;
  const result = changeClass(metadata, client.anonymous(), name, changes, has(SCLASS_CHG_FORCE));
  return 'sclass' in result
    ? MATOCL_SCLASS_CHANGE.encode({ variant: 'ok', msgid, fver: 0, ...wireDefinition(result.sclass) })
    : refuse(result.status);
};

const remove: Request = (client, payload) => {
  const { msgid, name } = CLTOMA_SCLASS_DELETE.decode(payload);
  const { status } = deleteClass(client.service.master.metadata, client.anonymous(), name);
  return MATOCL_SCLASS_DELETE.encode({ msgid, status });
};

const duplicate: Request = (client, payload) => {
  const { msgid, source, target } = CLTOMA_SCLASS_DUPLICATE.decode(payload);
  const { status } = duplicateClass(client.service.master.metadata, client.anonymous(), source, target);
  return MATOCL_SCLASS_DUPLICATE.encode({ msgid, status });
};

const rename: Request = (client, payload) => {
  const { msgid, source, target } = CLTOMA_SCLASS_RENAME.decode(payload);
  const { status } = renameClass(client.service.master.metadata, client.anonymous(), source, target);
  return MATOCL_SCLASS_RENAME.encode({ msgid, status });
};

const list: Request = (client, payload) => {
  const { msgid, mode } = CLTOMA_SCLASS_LIST.decode(payload);
  const all = [...client.service.master.metadata.store.tables.sclasses.values()];
  const writer = new Writer();
  if (mode === 0) {
    sclassNames.write(
      writer,
      all.map(({ name }) => name),
      {},
    );
  } else {
    sclassDefinitions.write(
      writer,
      all.map((one) => ({ name: one.name, ...wireDefinition(one) })),
      {},
    );
  }
  return MATOCL_SCLASS_LIST.encode({ variant: 'ok', msgid, classes: writer.finish() });
};

export const classRequests: Requests = new Map<number, Request>([
  [CLTOMA_SCLASS_CREATE.type, recorded(create)],
  [CLTOMA_SCLASS_CHANGE.type, recorded(change)],
  [CLTOMA_SCLASS_DELETE.type, remove],
  [CLTOMA_SCLASS_DUPLICATE.type, duplicate],
  [CLTOMA_SCLASS_RENAME.type, rename],
  [CLTOMA_SCLASS_LIST.type, list],
]);
