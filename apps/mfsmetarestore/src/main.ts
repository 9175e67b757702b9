#!/usr/bin/env node
import { runRestore } from './index.js';

process.exitCode = runRestore(process.argv.slice(2));
