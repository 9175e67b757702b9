/** Texts of `.stats` and `.params` (spec 13 §11). */
import { VERSION, versionText } from '@wapiti-fs/protocol';

import type { MountSettings } from '../options/settings.js';
import type { MountContext } from './context.js';

export function statsText(context: MountContext): string {
  const { symlinks, negative, settings } = context;
  const lines = [
    ...context.counters.lines(),
    `symlink_cache.#links: [${symlinks.size}]`,
    `symlink_cache.search_misses: ${symlinks.misses}`,
    `symlink_cache.search_hits: ${symlinks.hits}`,
    `symlink_cache.inserts: ${symlinks.inserts}`,
  ];
  if (settings.negativeEntryCacheMs > 0) {
    lines.push(
      `negentry_cache.#entries: [${negative.size}]`,
      `negentry_cache.search_misses: ${negative.misses}`,
      `negentry_cache.search_hits: ${negative.hits}`,
      `negentry_cache.inserts: ${negative.inserts}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

type Shown = string | number | boolean | undefined;

function show(value: Shown): string {
  if (value === undefined || value === false || value === '') return '(not defined)';
  return value === true ? '(defined)' : String(value);
}

const seconds = (ms: number): string => (ms / 1000).toFixed(3);
const SUGID_MODES = ['NEVER', 'ALWAYS', 'OSX', 'BSD', 'EXT', 'XFS'];

export function paramsText(context: MountContext): string {
  const s: MountSettings = context.settings;
  const { session } = context;
  const secret = (given: boolean): Shown => (given ? '(defined)' : undefined);
  const values: [string, Shown][] = [
    ['mfsmaster', s.masterHost],
    ['mfsport', s.masterPort],
    ['mfsbind', s.bindAddress],
    ['mfsproxy', s.proxyAddress],
    ['mfssubfolder', s.subfolder],
    ['mfsmd5pass', secret(s.passwordDigest !== undefined)],
    ['mfspreflabels', s.preferredLabels],
    ['mfsrlimitnofile', s.openFilesLimit],
    ['mfsnice', s.nice],
    ['mfssuid', !s.kernelOptions.includes('nosuid')],
    ['mfsdev', !s.kernelOptions.includes('nodev')],
    ['mfsmemlock', s.lockMemory],
    ['mfsallowoomkiller', s.allowOomKiller],
    ['nonempty', s.nonEmpty],
    ['mfswritecachesize', s.writeCacheBytes >> 20],
    ['mfsreadaheadsize', s.readAheadBytes >> 20],
    ['mfsreadaheadleng', s.readAheadLengthBytes],
    ['mfsreadaheadtrigger', s.readAheadTriggerBytes],
    ['mfserroronlostchunk', s.errorOnLostChunk],
    ['mfserroronnospace', s.errorOnNoSpace],
    ['mfsioretries', s.ioRetries],
    ['mfstimeout', s.timeoutS],
    ['mfslogretry', s.logRetry],
    ['mfsdebug', s.debug],
    ['mfsmeta', s.meta],
    ['mfsflattrash', s.flatTrash],
    ['mfsdelayedinit', s.delayedInit],
    ['mfsdonotrememberpassword', !s.rememberPassword],
    ['mfsnoxattrs', !s.xattrs],
    ['mfsnoposixlocks', !s.posixLocks],
    ['mfsnobsdlocks', !s.bsdLocks],
    ['mfscachemode', s.cacheMode.toUpperCase()],
    ['mfsmkdircopysgid', s.mkdirCopySgid ? 1 : 0],
    ['mfssugidclearmode', SUGID_MODES[s.sugidClearMode]],
    ['mfsattrcacheto', seconds(s.attributesCacheMs)],
    ['mfsxattrcacheto', seconds(s.xattrCacheMs)],
    ['mfsentrycacheto', seconds(s.entryCacheMs)],
    ['mfsdirentrycacheto', seconds(s.directoryEntryCacheMs)],
    ['mfsnegentrycacheto', seconds(s.negativeEntryCacheMs)],
    ['mfssymlinkcacheto', seconds(s.symlinkCacheMs)],
    ['mfsgroupscacheto', seconds(s.groupsCacheMs)],
    ['mfsfsyncmintime', seconds(s.fsyncMinMs)],
    ['no_std_mount_options', !s.allowOther],
    ...(session === undefined
      ? []
      : ([
          ['master_sesflags', session.sesflags],
          ['master_umaskval', `0${session.umask.toString(8)}`],
          ['master_maproot', `${session.rootUid}:${session.rootGid}`],
          ['master_mapall', `${session.mapallUid}:${session.mapallGid}`],
          ['master_goallimit', `${session.minGoal}-${session.maxGoal}`],
          ['master_trashlimit', `${session.minTrashtimeS}-${session.maxTrashtimeS}`],
          ['master_disables', session.disables],
          ['moosefs_master_version', versionText(session.masterVersion)],
        ] as [string, Shown][])),
    ['moosefs_mount_version', versionText(VERSION)],
  ];
  return values.map(([name, value]) => `${name}: ${show(value)}\n`).join('');
}
