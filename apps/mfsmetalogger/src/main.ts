#!/usr/bin/env node
import { VERSION_STRING } from '@wapiti-fs/protocol';
import { runDaemon } from '@wapiti-fs/runtime';

import { metaloggerConfig, startMetalogger } from './index.js';

void runDaemon(
  {
    name: 'mfsmetalogger',
    version: VERSION_STRING,
    defaultConfigPath: '/etc/mfs/mfsmetalogger.cfg',
    config: metaloggerConfig,
    start: startMetalogger,
    openFiles: 4096,
  },
  process.argv.slice(2),
);
