#!/usr/bin/env node
import { runMfsha } from './index.js';

void runMfsha(process.argv.slice(2));
