import type { DaemonOption } from '@wapiti-fs/runtime/launch';

/** Options of mfsmaster beside those of every daemon. */
export const OPTIONS: readonly DaemonOption[] = [
  { flag: 'a', doc: 'automatic restore of metadata from the best image and changelogs' },
  { flag: 'i', doc: 'with -a: go on with the best state that can be had where errors would be refused' },
  { flag: 'x', doc: 'accepted for compatibility: a restore always tells what it does' },
];
