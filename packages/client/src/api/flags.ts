import { constants } from 'node:fs';

import { OPEN_READ, OPEN_TRUNCATE, OPEN_WRITE } from '@wapiti-fs/protocol';

/** How a file is opened. */
export interface OpenMode {
  readonly read: boolean;
  readonly write: boolean;
  readonly append: boolean;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly truncate: boolean;
}

const TEXTS: Readonly<Record<string, number>> = {
  r: constants.O_RDONLY,
  'r+': constants.O_RDWR,
  w: constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC,
  'w+': constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
  a: constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND,
  'a+': constants.O_RDWR | constants.O_CREAT | constants.O_APPEND,
};

/** Texts as in `node:fs` (`r`, `r+`, `w`, `wx`, `w+`, `wx+`, `a`, `ax`, `a+`, `ax+`) or O_* bits. @throws TypeError */
export function openMode(flags: string | number): OpenMode {
  let bits: number | undefined;
  if (typeof flags === 'number') bits = flags;
  else {
    bits = TEXTS[flags.replace('x', '')];
    if (flags.includes('x')) bits = flags[0] === 'r' || bits === undefined ? undefined : bits | constants.O_EXCL;
  }
  if (bits === undefined) throw new TypeError(`unknown flags '${flags}'`);
  const access = bits & (constants.O_WRONLY | constants.O_RDWR);
  return {
    read: access !== constants.O_WRONLY,
    write: access !== constants.O_RDONLY,
    append: (bits & constants.O_APPEND) !== 0,
    create: (bits & constants.O_CREAT) !== 0,
    exclusive: (bits & constants.O_EXCL) !== 0,
    truncate: (bits & constants.O_TRUNC) !== 0,
  };
}

/** OPEN_* bits of the request. */
export function openFlags(mode: OpenMode): number {
  return (mode.read ? OPEN_READ : 0) | (mode.write ? OPEN_WRITE : 0) | (mode.truncate ? OPEN_TRUNCATE : 0);
}
