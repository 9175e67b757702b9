#!/usr/bin/env node
import { runMount } from './run-mount.js';

void runMount(process.argv.slice(2));
