import { VERSION_STRING } from '@wapiti-fs/protocol';
import { runDaemon } from '@wapiti-fs/runtime';

import { metaloggerConfig, startMetalogger } from './index.js';

/** Does what a command line of mfsmetalogger asks for. */
export function run(argv: readonly string[]): Promise<void> {
  return runDaemon(
    {
      name: 'mfsmetalogger',
      version: VERSION_STRING,
      defaultConfigPath: '/etc/mfs/mfsmetalogger.cfg',
      config: metaloggerConfig,
      start: startMetalogger,
      openFiles: 4096,
    },
    argv,
  );
}
