#!/usr/bin/env node
import { VERSION_STRING } from '@wapiti-fs/protocol';
import { runDaemon } from '@wapiti-fs/runtime';

import { chunkserverConfig, startChunkserver } from './index.js';

void runDaemon(
  {
    name: 'mfschunkserver',
    version: VERSION_STRING,
    defaultConfigPath: '/etc/mfs/mfschunkserver.cfg',
    config: chunkserverConfig,
    start: startChunkserver,
  },
  process.argv.slice(2),
);
