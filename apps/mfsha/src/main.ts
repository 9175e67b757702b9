#!/usr/bin/env node
import { launchDaemon } from '@wapiti-fs/runtime/launch';

void launchDaemon('mfsha', [], process.argv.slice(2), (argv) => {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only by the process that needs it
  const { runMfsha } = require('./index.js') as typeof import('./index.js');
  return runMfsha(argv);
});
