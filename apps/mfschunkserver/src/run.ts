import { VERSION_STRING } from '@wapiti-fs/protocol';
import { runDaemon } from '@wapiti-fs/runtime';

import { chunkserverConfig, startChunkserver } from './index.js';

/** Does what a command line of mfschunkserver asks for. */
export function run(argv: readonly string[]): Promise<void> {
  return runDaemon(
    {
      name: 'mfschunkserver',
      version: VERSION_STRING,
      defaultConfigPath: '/etc/mfs/mfschunkserver.cfg',
      config: chunkserverConfig,
      start: startChunkserver,
    },
    argv,
  );
}
