#!/usr/bin/env node
import { runRestore } from './index.js';

void runRestore(process.argv.slice(2)).then((status) => (process.exitCode = status));
