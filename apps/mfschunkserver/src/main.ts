#!/usr/bin/env node
import { launchDaemon } from '@wapiti-fs/runtime/launch';

void launchDaemon('mfschunkserver', [], process.argv.slice(2), (argv) => {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only by the process that needs it
  const { run } = require('./run.js') as typeof import('./run.js');
  return run(argv);
});
