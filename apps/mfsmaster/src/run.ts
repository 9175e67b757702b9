import { VERSION_STRING } from '@wapiti-fs/protocol';
import { runDaemon } from '@wapiti-fs/runtime';

import { masterConfig, restoreFolder, startMaster } from './index.js';
import { OPTIONS } from './options.js';

/** Does what a command line of mfsmaster asks for. */
export function run(argv: readonly string[]): Promise<void> {
  return runDaemon(
    {
      name: 'mfsmaster',
      version: VERSION_STRING,
      defaultConfigPath: '/etc/mfs/mfsmaster.cfg',
      config: masterConfig,
      start: startMaster,
      options: OPTIONS,
      applyOptions: (config, { a = 0, i = 0 }) => ({ ...config, restore: a > 0, ignoreErrors: i > 0 }),
      restore: restoreFolder,
    },
    argv,
  );
}
