#!/usr/bin/env node
import { runCli } from './cli.js';

void runCli(process.argv.slice(2)).then((code) => {
  // Whatever may still be open must not keep a command from ending.
  process.exit(code);
});
