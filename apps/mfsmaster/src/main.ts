#!/usr/bin/env node
import { VERSION_STRING } from '@wapiti-fs/protocol';
import { runDaemon } from '@wapiti-fs/runtime';

import { masterConfig, startMaster } from './index.js';

void runDaemon(
  {
    name: 'mfsmaster',
    version: VERSION_STRING,
    defaultConfigPath: '/etc/mfs/mfsmaster.cfg',
    config: masterConfig,
    start: startMaster,
    options: [{ flag: 'a', doc: 'automatic restore of metadata from the best image and changelogs' }],
    applyOptions: (config, options) => ({ ...config, restore: (options.a ?? 0) > 0 }),
  },
  process.argv.slice(2),
);
