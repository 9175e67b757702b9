/** Quotas (spec 11 §3.10). */
import type { Quota } from '@wapiti-fs/metadata';
import {
  CLTOMA_QUOTA_INFO,
  MATOCL_QUOTA_INFO,
  QUOTA_FLAG_HINODES,
  QUOTA_FLAG_HLENGTH,
  QUOTA_FLAG_HREALSIZE,
  QUOTA_FLAG_HSIZE,
  QUOTA_FLAG_SINODES,
  QUOTA_FLAG_SLENGTH,
  QUOTA_FLAG_SREALSIZE,
  QUOTA_FLAG_SSIZE,
} from '@wapiti-fs/protocol';

import type { MasterContext } from '../context.js';
import { directoryPath } from './paths.js';
import { on } from './request.js';

const NOT_EXCEEDED = 0xffffffff;

function timeToBlock({ stimestamp, graceperiod }: Quota, nowS: number): number {
  return stimestamp === 0 ? NOT_EXCEEDED : Math.max(0, stimestamp + graceperiod - nowS);
}

function quotaInfo({ metadata: { store }, nowS }: MasterContext): Buffer {
  const quotas = [...store.tables.quotas.values()].map((quota) => {
    const { inodes, length, size, realsize } = store.stats.of(quota.inode);
    const set = (flag: number, limit: number): number => ((quota.flags & flag) === 0 ? 0 : limit);
    return {
      inode: quota.inode,
      path: directoryPath(store, quota.inode),
      gracePeriodS: quota.graceperiod,
      exceeded: quota.exceeded,
      flags: quota.flags,
      timeToBlockS: timeToBlock(quota, nowS()),
      soft: {
        inodes: set(QUOTA_FLAG_SINODES, quota.sinodes),
        length: set(QUOTA_FLAG_SLENGTH, quota.slength),
        size: set(QUOTA_FLAG_SSIZE, quota.ssize),
        realsize: set(QUOTA_FLAG_SREALSIZE, quota.srealsize),
      },
      hard: {
        inodes: set(QUOTA_FLAG_HINODES, quota.hinodes),
        length: set(QUOTA_FLAG_HLENGTH, quota.hlength),
        size: set(QUOTA_FLAG_HSIZE, quota.hsize),
        realsize: set(QUOTA_FLAG_HREALSIZE, quota.hrealsize),
      },
      current: { inodes, length, size, realsize },
    };
  });
  return MATOCL_QUOTA_INFO.encode({ quotas });
}

export const QUOTA_REQUESTS = [on(CLTOMA_QUOTA_INFO, quotaInfo)];
