#!/usr/bin/env node
import { VERSION_STRING } from '@wapiti-fs/protocol';
import { runDaemon } from '@wapiti-fs/runtime';

import { masterConfig, restoreFolder, startMaster } from './index.js';

void runDaemon(
  {
    name: 'mfsmaster',
    version: VERSION_STRING,
    defaultConfigPath: '/etc/mfs/mfsmaster.cfg',
    config: masterConfig,
    start: startMaster,
    options: [
      { flag: 'a', doc: 'automatic restore of metadata from the best image and changelogs' },
      { flag: 'i', doc: 'with -a: go on with the best state that can be had where errors would be refused' },
      { flag: 'x', doc: 'accepted for compatibility: a restore always tells what it does' },
    ],
    applyOptions: (config, { a = 0, i = 0 }) => ({ ...config, restore: a > 0, ignoreErrors: i > 0 }),
    restore: restoreFolder,
  },
  process.argv.slice(2),
);
