/** Reading EXPORTS_FILENAME, at the start and on reload (spec 12 §8.5). */
import { readFileSync } from 'node:fs';

import { findGroup, findUser, type Logger } from '@wapiti-fs/runtime';

import { type ParsedExports, parseExports, type UserLookup } from './exports.js';

const systemUsers: UserLookup = { user: findUser, userById: findUser, group: findGroup };

/** @throws the system's error when the file cannot be read */
export function loadExports(path: string, log: Logger, users: UserLookup = systemUsers): ParsedExports {
  const parsed = parseExports(readFileSync(path, 'utf8'), users);
  for (const problem of parsed.problems) log.warn(`${path}: ${problem}`);
  if (parsed.entries.length === 0) log.warn(`${path}: no exports defined`);
  return parsed;
}
